"""Training speed against TRL's SFTTrainer with PEFT: same model, rows and rate, and the loss afterwards.

python -m benchmarks.training [--rows 160] [--rounds 3] [--json]     (about 40 minutes on 2 cores; extra "bench")

Rows are SQuAD questions with the paragraph that answers them, others in each round. TRL trains as usual: LoRA r16 on
all linear layers, batch 8, fp32, loss on the answers; unless told otherwise it computes activations twice, so it runs a
second time with them kept, which is faster. We train with the product's settings, frozen weights in bf16 where the
processor is faster at that, and twice: on the same rows each for itself, and as the recipes pack them, where questions
about one paragraph share it, in fewer steps. Tokens are those of the rows, counted once for each row that holds them,
so what sharing saves shows as speed. All take turns in every round, for a machine is not always as fast: a ratio is the
median of those of the rounds, a loss their mean. The loss is that of the answers of held-out rows about other articles,
computed by transformers in fp32 for all adapters.
"""

from __future__ import annotations

import argparse
import gc
import json
import random
import statistics
import tempfile
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from benchmarks.data import data
from groundtune.config import TuneTable
from groundtune.models.hf.backend import HFBackend
from groundtune.models.weights import find_weights
from groundtune.prompts import trained
from groundtune.tune.packing import tokenise
from groundtune.tune.rows import Row
from groundtune.tune.trainer import MAX_LENGTH, Trainer
from groundtune.types import Passage

RATE, RANK, BATCH, SEED = 1e-3, 16, 8, 1
HELD_OUT = 96
LONGEST = 800  # characters of a paragraph

CONTENDERS = {
    "trl": "TRL + PEFT in fp32",
    "trl_kept": "the same, activations kept",
    "ours": "groundtune, rows alone",
    "packed": "groundtune, rows packed",
}


def main() -> None:
    """Trains all in each round and prints tokens a second and the held-out loss of each."""
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--json", action="store_true")
    arguments.add_argument("--rows", type=int, default=160)
    arguments.add_argument("--rounds", type=int, default=3)
    given = arguments.parse_args()
    backend = HFBackend(find_weights("smollm2-135m", "model"), "smollm2-135m")
    with tempfile.TemporaryDirectory(prefix="groundtune-training-") as folder:
        learnt, _ = rows(BATCH, SEED)
        for warmed in (with_trl, ours):  # the first step of a process is slower than all others
            warmed(backend, learnt, Path(folder) / warmed.__name__)
        rounds = [one_round(backend, given.rows, SEED + n, Path(folder) / str(n)) for n in range(given.rounds)]
    speeds = {name: [speed[name] for speed, _ in rounds] for name in CONTENDERS}
    losses = {name: statistics.mean(loss[name] for _, loss in rounds) for name in CONTENDERS}

    def ratio(name: str, to: str) -> float:
        return statistics.median(one / other for one, other in zip(speeds[name], speeds[to], strict=True))

    if given.json:
        print(
            json.dumps(
                {
                    "ratio": ratio("ours", "trl"),
                    "ratio_to_kept": ratio("ours", "trl_kept"),
                    "loss": losses["ours"],
                    "trl_loss": losses["trl"],
                    "trl_kept_loss": losses["trl_kept"],
                    "packed_ratio": ratio("packed", "trl"),
                    "packed_ratio_to_kept": ratio("packed", "trl_kept"),
                    "packed_loss": losses["packed"],
                    "tokens_per_second": speeds,
                }
            )
        )
        return
    print(f"{given.rounds} rounds of {given.rows} rows, one epoch in steps of {BATCH}")
    print(f"{'':30}{'ratio':>7}{'to kept':>9}{'held-out loss':>15}  tokens/s, round by round")
    for name, what in CONTENDERS.items():
        by_round = " ".join(f"{speed:.0f}" for speed in speeds[name])
        to_trl, to_kept = ratio(name, "trl"), ratio(name, "trl_kept")
        print(f"{what:30}{to_trl:>7.2f}{to_kept:>9.2f}{losses[name]:>15.3f}  {by_round}")


def one_round(backend: HFBackend, n: int, seed: int, folder: Path) -> tuple[dict[str, float], dict[str, float]]:
    """Trains all contenders on the same n rows: tokens a second of each, and its held-out loss."""
    learnt, held_out = rows(n, seed)
    alone = [replace(row, pack=row.example) for row in learnt]
    seconds = {
        "trl": with_trl(backend, learnt, folder / "trl"),
        "ours": ours(backend, alone, folder / "ours"),
        "trl_kept": with_trl(backend, learnt, folder / "trl_kept", kept=True),
        "packed": ours(backend, learnt, folder / "packed"),
    }
    total = sum(len(ids(backend, row).ids) for row in learnt)
    losses = {name: loss_of(backend, folder / name, held_out) for name in seconds}
    return {name: total / taken for name, taken in seconds.items()}, losses


def rows(n: int, seed: int) -> tuple[list[Row], list[Row]]:
    """Rows to learn from, and rows about other articles; up to four questions share a paragraph, which comes whole."""
    articles = json.loads(data("squad/dev-v1.1.json").read_text(encoding="utf-8"))["data"]
    random.Random(seed).shuffle(articles)
    template = trained("qa")

    def made(part: list[Any]) -> list[Row]:
        found = []
        for article in part:
            for number, paragraph in enumerate(article["paragraphs"]):
                text = paragraph["context"]
                if len(text) > LONGEST:
                    continue
                passage = Passage(number, article["title"], text, 0, len(text), article["title"].replace("_", " "))
                found += [
                    Row(
                        template.prompt(asked["question"], [passage]),
                        template.completion(asked["answers"][0]["text"]),
                        "context",
                        f"{article['title']}/{number}",
                        asked["id"],
                    )
                    for asked in paragraph["qas"][:4]
                ]
        return found

    learnt, held_out = made(articles[12:]), made(articles[:12])
    start = random.Random(seed).randrange(len(learnt) - n)  # neighbours, so that there is something to share
    return learnt[start : start + n], random.Random(seed).sample(held_out, HELD_OUT)


def ours(backend: HFBackend, learnt: Sequence[Row], folder: Path) -> float:
    """Trains an adapter into the folder; seconds of its steps."""
    tokenizer, model = backend.fresh()
    table = TuneTable(minutes=600, epochs=1, rank=RANK, rate=RATE, batch=BATCH, seed=SEED)
    trainer = Trainer(tokenizer, model, backend.render, learnt, table, folder)
    return trainer.train(trainer.plan()).seconds


def with_trl(backend: HFBackend, learnt: Sequence[Row], folder: Path, kept: bool = False) -> float:
    """The same by TRL; seconds from its first step to its last. kept: whether activations are, not computed twice."""
    import torch
    from datasets import Dataset
    from peft import LoraConfig
    from transformers import TrainerCallback
    from trl import SFTConfig, SFTTrainer

    class Clock(TrainerCallback):
        began = ended = 0.0

        def on_train_begin(self, *_: Any, **__: Any) -> None:
            self.began = time.perf_counter()

        def on_train_end(self, *_: Any, **__: Any) -> None:
            self.ended = time.perf_counter()

    tokenizer, model = backend.fresh()
    table = [{"prompt": backend.render(row.prompt), "completion": row.completion} for row in learnt]
    settings = SFTConfig(
        output_dir=str(folder),
        num_train_epochs=1,
        per_device_train_batch_size=BATCH,
        learning_rate=RATE,
        warmup_steps=2,
        weight_decay=0.0,
        max_length=MAX_LENGTH,
        activation_checkpointing=not kept,
        bf16=False,
        use_cpu=not torch.cuda.is_available(),
        save_strategy="no",
        report_to=[],
        disable_tqdm=True,
        seed=SEED,
    )
    lora = LoraConfig(r=RANK, lora_alpha=2 * RANK, lora_dropout=0.0, target_modules="all-linear", task_type="CAUSAL_LM")
    clock = Clock()
    trainer = SFTTrainer(
        model=model,
        args=settings,
        train_dataset=Dataset.from_list(table),
        processing_class=tokenizer,
        peft_config=lora,
        callbacks=[clock],
    )
    trainer.train()
    trainer.save_model(str(folder))
    del trainer
    gc.collect()
    return clock.ended - clock.began


def loss_of(backend: HFBackend, adapter: Path, held_out: Sequence[Row]) -> float:
    """The mean cross-entropy of an answer's token over the held-out rows."""
    import torch

    total, tokens = 0.0, 0
    with backend.using(adapter) as model, torch.inference_mode():
        for row in held_out:
            one = ids(backend, row)
            logits = model(torch.tensor([one.ids])).logits[0, one.asked - 1 : -1].float()
            right = torch.tensor(one.ids[one.asked :])
            total += float(torch.nn.functional.cross_entropy(logits, right, reduction="sum"))
            tokens += len(right)
    return total / tokens


def ids(backend: HFBackend, row: Row) -> Any:
    """A row as token ids, as training reads it."""
    return tokenise(row, backend.render, backend.tokenizer, MAX_LENGTH)


if __name__ == "__main__":
    main()
