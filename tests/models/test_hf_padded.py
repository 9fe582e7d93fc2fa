"""Padded, as on GPUs and with models of other kinds, choices have the probabilities that they have packed."""

from collections.abc import Callable
from itertools import product
from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import (
    AutoModelForCausalLM,
    BloomConfig,
    FalconMambaConfig,
    Gemma2Config,
    GptOssConfig,
    Lfm2Config,
    LlamaConfig,
    MistralConfig,
    PreTrainedConfig,
)

from groundtune.models.hf.backend import HFBackend
from groundtune.models.hf.choices import Tokens
from groundtune.models.hf.packed import Packed
from groundtune.models.hf.padded import Padded
from groundtune.models.hf.text import Said
from groundtune.models.hf.way import Way
from groundtune.types import Limits, Message, Prompt
from tests.tiny import Tiny

LIMITS = Limits(4)
FEW = ("red", "red lamp", "red lamp cost", "north", "Zürich")
MANY = tuple(" ".join(words) for words in product(("red", "blue", "ten", "pump"), ("lamp", "the price of", "x"), FEW))
SHARED = "Answer with few words out of the passages. What is the price of the red lamp in the north garden? "
SMALL: dict[str, Any] = {
    "hidden_size": 32,
    "intermediate_size": 64,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
}


def said(way: Way, backend: HFBackend, texts: list[str], choices: list[tuple[str, ...]]) -> list[Said]:
    ids = [backend.ids(Prompt((Message("user", text),)), LIMITS) for text in texts]
    with backend.using(None) as model:
        return way.complete(model, ids, choices, LIMITS, way.prefix(model, ids, LIMITS))


@pytest.mark.parametrize("weights", ["llama", "neox", "qwen"])
@pytest.mark.parametrize("shared", ["", SHARED])
@pytest.mark.parametrize("choices", [FEW, MANY, ("red",)], ids=len)
def test_both_ways_choose_the_same_and_are_as_sure(
    tiny: Tiny, weights: str, shared: str, choices: tuple[str, ...]
) -> None:
    backend = HFBackend(str(getattr(tiny, weights)), weights, threads=1, batch=7)
    texts = [shared + text for text in ("red", "how long is the delivery?", "7", "a seed or a pump " * 20)]
    asked = [choices, FEW, choices[::-1], choices]

    packed, padded = (said(way, backend, texts, asked) for way in (Packed(backend), Padded(backend)))

    assert [(one.text, one.tokens) for one in padded] == [(one.text, one.tokens) for one in packed]
    assert [one.confidence for one in padded] == pytest.approx([one.confidence for one in packed], abs=1e-4)


def test_where_the_model_is_sure_as_few_choices_are_read_as_packed(tiny: Tiny) -> None:
    backend = HFBackend(str(tiny.llama), "llama", threads=1)
    counted: list[int] = []
    with backend.using(None) as model, torch.no_grad():
        model.get_output_embeddings().weight.mul_(100)
        model.register_forward_pre_hook(
            lambda _, given, named: counted.append(len(named["input_ids"])), with_kwargs=True
        )

    packed, padded = (said(way, backend, ["red"], [MANY]) for way in (Packed(backend), Padded(backend)))

    assert padded[0].confidence == pytest.approx(packed[0].confidence, abs=1e-4)
    assert sum(counted[2:]) < len(MANY) / 2


@pytest.mark.parametrize(
    "config",
    [
        lambda: Gemma2Config(**SMALL, head_dim=8),
        lambda: GptOssConfig(**SMALL, head_dim=8, num_local_experts=2, num_experts_per_tok=1),
        lambda: MistralConfig(**SMALL, sliding_window=30),
        lambda: LlamaConfig(**SMALL, rope_parameters={"rope_type": "dynamic", "factor": 2.0, "rope_theta": 1e4}),
        lambda: BloomConfig(hidden_size=32, n_layer=2, n_head=4),
        lambda: Lfm2Config(**SMALL, layer_types=["conv", "full_attention"]),
        lambda: FalconMambaConfig(hidden_size=32, num_hidden_layers=2, state_size=4),
    ],
    ids=["soft caps", "sinks", "a window", "dynamic", "no positions", "convolutions", "recurrent"],
)
@pytest.mark.parametrize("shared", ["", SHARED])
def test_models_of_other_kinds_choose_as_if_each_choice_were_read_alone(
    tiny: Tiny, tmp_path: Path, config: Callable[[], PreTrainedConfig], shared: str
) -> None:
    backend = made(tiny, config(), tmp_path)
    ids = [backend.ids(Prompt((Message("user", shared + text),)), LIMITS) for text in ("red", "how long?", "7")]
    choices = [(40, 6, 7), (40, 6, 80), (40, 9, 40), (40, 9, 30), (40, 77, 5), (40, 6, 80, 3)]  # all are read
    way = Padded(backend)

    with backend.using(None) as model:
        found = way._shares(model, ids, [choices] * 3, way.prefix(model, ids, LIMITS))

        for row, shares in zip(ids, found, strict=True):
            alone = [probability(model, row, choice) for choice in choices]
            alone[1] -= alone[-1]  # which goes on from it
            assert shares == pytest.approx([one / sum(alone) for one in alone], abs=1e-4)


def test_a_recurrent_model_replies_to_prompts_that_begin_alike_as_to_each_alone(tiny: Tiny, tmp_path: Path) -> None:
    config = FalconMambaConfig(hidden_size=32, num_hidden_layers=2, state_size=4)
    backend = made(tiny, config, tmp_path)
    asked = [Prompt((Message("user", SHARED + text),)) for text in ("red", "how long is it?", "7", "one two three")]

    together = backend.generator().generate(asked, Limits(8))

    alone = [backend.generator().generate([prompt], Limits(8))[0] for prompt in asked]
    assert [one.text for one in together] == [one.text for one in alone]


def made(tiny: Tiny, config: PreTrainedConfig, folder: Path) -> HFBackend:
    """A fresh model whose answers depend on what it reads, and are not too sure."""
    tokenizer = HFBackend(str(tiny.llama), "llama").tokenizer
    config.vocab_size = len(tokenizer)
    torch.manual_seed(3)
    model: Any = AutoModelForCausalLM.from_config(config)  # type: ignore[no-untyped-call]
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.dim() == 2:
                parameter.mul_(4)
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return HFBackend(str(folder), "other", threads=1, batch=3)


def probability(model: Any, row: list[int], choice: Tokens) -> float:
    with torch.inference_mode():
        logprobs = model(torch.tensor([[*row, *choice]]), use_cache=False).logits[0].double().log_softmax(-1)
    return float(sum(logprobs[len(row) - 1 + n, token] for n, token in enumerate(choice)).exp())


def test_a_batch_of_choices_and_free_replies_keeps_its_order(tiny: Tiny) -> None:
    generator = HFBackend(str(tiny.gemma), "gemma", threads=1).generator()
    asked = [Prompt((Message("user", f"red lamp {n}"),), FEW if n % 2 else ()) for n in range(5)]

    together = generator.generate(asked, LIMITS)

    alone = [generator.generate([prompt], LIMITS)[0] for prompt in asked]
    assert [one.text for one in together] == [one.text for one in alone]
    assert [one.confidence is None for one in together] == [not prompt.choices for prompt in asked]
    assert all("".join(generator.stream(prompt, LIMITS)) == one.text for prompt, one in zip(asked, alone, strict=True))


@pytest.mark.parametrize("way", [Packed, Padded])
def test_a_label_that_names_a_control_token_is_read_as_letters_as_it_was_learnt(tiny: Tiny, way: type[Way]) -> None:
    backend = HFBackend(str(tiny.llama), "llama", threads=1)

    [one] = said(way(backend), backend, ["x"], [("red<|user|>",)])

    letters = backend.tokenizer("red<|user|>", add_special_tokens=False, split_special_tokens=True)["input_ids"]
    assert (one.text, one.tokens) == ("red<|user|>", len(letters))
    assert len(letters) > 3
