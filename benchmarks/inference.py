"""Questions answered per second on a processor, beside transformers' batched `generate`: are all texts equal?

python -m benchmarks.inference [--json] [--questions 48] [--rounds 1] [--threads 1] [--only shots]

SQuAD 1.1 dev and the bundled model in fp32, in one run, with the same prompts, limits and ends. We answer with the
default of [model] batch, and the reference, which pads prompts of like length, with the batch that suits it best: of
16, 32 and 48 (benchmarks/LOG.md). The ratio is that of all prompts, which are as many in each case; the least of the
cases stands beside it.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable, Sequence
from typing import Any

from benchmarks.data import data
from groundtune.config import ModelTable
from groundtune.models.hf.backend import HFBackend
from groundtune.models.weights import find_weights
from groundtune.prompts import Shot, Template, trained
from groundtune.types import Limits, Passage, Prompt

MODEL = "smollm2-135m"
BATCH = 16  # of the reference
TOKENS = 32


def main() -> None:
    """Asks both the same prompts, case by case, and prints a table."""
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--json", action="store_true")
    arguments.add_argument("--questions", type=int, default=48)
    arguments.add_argument("--rounds", type=int, default=1)
    arguments.add_argument("--threads", type=int, help="all processors, unless others work on the machine")
    arguments.add_argument("--only", default="", help="one case")
    given = arguments.parse_args()
    backend = HFBackend(find_weights(MODEL, "benchmark"), MODEL, threads=given.threads, batch=ModelTable().batch)
    reference = Reference(backend)
    limits = trained("qa").limits(TOKENS)
    results = {
        name: compared(backend, reference, prompts, limits, given.rounds)
        for name, prompts in cases(given.questions).items()
        if given.only in name
    }
    ratio = total(results, "transformers") / total(results, "groundtune")
    least = min(one["ratio"] for one in results.values())
    equal = all(one["equal"] == one["prompts"] for one in results.values())
    if given.json:
        print(json.dumps({"ratio": round(ratio, 2), "least": round(least, 2), "equal": equal, "cases": results}))
        return
    print(
        "| prompts | tokens | transformers, questions/s | groundtune | ratio | equal texts |\n|---|---|---|---|---|---|"
    )
    for name, one in results.items():
        speeds = f"{one['transformers']:.2f} | {one['groundtune']:.2f} | {one['ratio']:.2f}"
        print(f"| {name} | {one['tokens']:,} | {speeds} | {one['equal']} of {one['prompts']} |")
    print(f"All together: {ratio:.2f} times as fast")


def total(results: dict[str, dict[str, Any]], name: str) -> float:
    """The seconds that one of both took for all cases."""
    return sum(float(one["prompts"] / one[name]) for one in results.values())


class Reference:
    """transformers' `generate` as its documentation has it: left padding, greedy, a batch at a time."""

    def __init__(self, backend: HFBackend) -> None:
        self.backend = backend
        self.tokenizer, self.model = backend.fresh()

    def answers(self, prompts: Sequence[Prompt], limits: Limits) -> list[str]:
        texts = [self.backend.render(prompt) for prompt in prompts]
        ends = sorted(self.backend.ends(limits.stop))
        order = sorted(range(len(texts)), key=lambda row: -len(texts[row]))
        answers = [""] * len(texts)
        for start in range(0, len(order), BATCH):
            rows = order[start : start + BATCH]
            read = self.tokenizer(
                [texts[row] for row in rows], add_special_tokens=False, padding=True, return_tensors="pt"
            )
            out: Any = self.model.generate(
                **read,
                max_new_tokens=limits.max_tokens,
                do_sample=False,
                eos_token_id=ends,
                pad_token_id=self.tokenizer.pad_token_id,
            )
            said = self.tokenizer.batch_decode(out[:, read["input_ids"].shape[1] :], skip_special_tokens=True)
            for row, text in zip(rows, said, strict=True):
                answers[row] = text.split(limits.stop[0])[0]
        return answers


def compared(
    backend: HFBackend, reference: Reference, prompts: Sequence[Prompt], limits: Limits, rounds: int
) -> dict[str, Any]:
    """Both in turn, so that a busy machine slows both; the best round of each counts."""
    backend.generator().generate(prompts[:2], limits)  # what is loaded or tried at first use
    reference.answers(prompts[:2], limits)

    def ours() -> list[str]:
        return [one.text for one in backend.generator().generate(prompts, limits)]

    took: dict[str, list[float]] = {"transformers": [], "groundtune": []}
    for _ in range(rounds):
        expected = timed(lambda: reference.answers(prompts, limits), took["transformers"])
        found = timed(ours, took["groundtune"])
    speeds = {name: len(prompts) / min(times) for name, times in took.items()}
    return {
        "prompts": len(prompts),
        "tokens": sum(len(backend.tokenizer(backend.render(prompt))["input_ids"]) for prompt in prompts),
        **speeds,
        "ratio": speeds["groundtune"] / speeds["transformers"],
        "equal": sum(one == other for one, other in zip(expected, found, strict=True)),
    }


def timed(work: Callable[[], list[str]], into: list[float]) -> list[str]:
    began = time.perf_counter()
    result = work()
    into.append(time.perf_counter() - began)
    return result


def cases(n: int) -> dict[str, list[Prompt]]:
    """`n` prompts a case, over all articles in turn."""
    articles = [[p for p in one["paragraphs"] if len(p["qas"]) > 3] for one in json.loads(squad())["data"]]
    turns = [(article, turn) for turn in range(8) for article in articles]
    first = [
        (article[3 * turn : 3 * turn + 3], article[3 * turn + 2]["qas"][0]["question"]) for article, turn in turns[:n]
    ]
    shared = [
        (article[3 * turn : 3 * turn + 3], asked["question"])
        for article, turn in turns[: n // 4]
        for asked in article[3 * turn + 2]["qas"][:4]
    ]
    shots = [Shot(one["qas"][1]["question"], one["qas"][1]["answers"][0]["text"]) for one in articles[-1][:8]]
    plain, chat = trained("qa"), Template("chat", "qa", plain=False)
    few = Template("plain-more-shots", "qa", plain=True, shots=tuple(shots))
    return {
        "3 passages each, a chat": [chat.prompt(asked, shown(some)) for some, asked in first],
        "3 passages, the same for 4 questions": [plain.prompt(asked, shown(some)) for some, asked in shared],
        "8 shots": [few.prompt(asked) for _, asked in first],
        "1 passage each, nothing shared": [plain.prompt(asked, shown(some[-1:])) for some, asked in first],
    }


def shown(paragraphs: Sequence[dict[str, Any]]) -> list[Passage]:
    return [Passage(0, "", one["context"], 0, len(one["context"])) for one in paragraphs]


def squad() -> str:
    return data("squad/dev-v1.1.json").read_text()


if __name__ == "__main__":
    main()
