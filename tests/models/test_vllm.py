"""vLLM says what transformers says, and lets go of the memory before transformers needs it."""

from __future__ import annotations

import importlib.util
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch

from groundtune.config import ModelTable
from groundtune.errors import UserError
from groundtune.models import load_backend
from groundtune.models.hf.backend import HFBackend
from groundtune.models.vllm import Engine, VLLMBackend
from groundtune.tokens import ids_of_words
from groundtune.types import Limits, Message, Prompt
from tests.tiny import OLD_NAME, Tiny, adapter

pytestmark = [OLD_NAME, pytest.mark.filterwarnings("ignore")]  # (vLLM's own)
needs_vllm = pytest.mark.skipif(importlib.util.find_spec("vllm") is None, reason="vLLM is not installed")
LIMITS = Limits(8)
CHOICES = ("red", "red lamp", "red lamp cost", "north", "Zürich")
PROMPTS = [Prompt((Message("user", f"{text} in the north garden"),)) for text in ("red lamp", "how long?", "pump", "7")]


@pytest.fixture(scope="module")
def backend(tiny: Tiny) -> Iterator[VLLMBackend]:
    backend = VLLMBackend(str(tiny.wide), "wide", threads=1)
    yield backend
    backend._stop()


@needs_vllm
def test_base_and_adapters_take_turns_and_say_what_transformers_says(
    backend: VLLMBackend, tiny: Tiny, tmp_path: Path
) -> None:
    other = HFBackend(str(tiny.wide), "wide", threads=1)
    adapters = [adapter(tiny.wide, tmp_path / str(seed), seed) for seed in (1, 2)]

    said = {}
    for learnt in (None, *adapters, None):
        found = backend.generator(learnt).generate(PROMPTS, LIMITS)
        expected = other.generator(learnt).generate(PROMPTS, LIMITS)
        for ours, theirs in zip(found, expected, strict=True):
            assert (ours.text, ours.prompt_tokens, ours.completion_tokens) == (
                theirs.text, theirs.prompt_tokens, theirs.completion_tokens,
            )  # fmt: skip
            assert ours.seconds > 0
        said[learnt] = [one.text for one in found]
    assert len({tuple(texts) for texts in said.values()}) == 3


@needs_vllm
def test_the_answer_is_the_choice_that_the_likeliest_tokens_lead_to(backend: VLLMBackend, tiny: Tiny) -> None:
    other = HFBackend(str(tiny.wide), "wide", threads=1)
    expected = [followed(other, prompt) for prompt in PROMPTS]

    found = backend.generator().generate([*(replace(one, choices=CHOICES) for one in PROMPTS), PROMPTS[0]], LIMITS)

    assert [one.text for one in found[:-1]] == expected
    assert {one.confidence for one in found} == {None}
    assert found[-1].text not in CHOICES


def followed(backend: HFBackend, prompt: Prompt) -> str:
    """The choice that one comes to by transformers, taking the most probable token that leads to one at each step."""
    tokenizer = backend.tokenizer
    left = [[*ids_of_words(tokenizer, choice), tokenizer.eos_token_id] for choice in CHOICES]
    said: list[int] = []
    with backend.using(None) as model, torch.inference_mode():
        while left != [said]:
            logits = model(torch.tensor([backend.ids(prompt, LIMITS) + said])).logits[0, -1]
            said.append(max((one[len(said)] for one in left), key=lambda token: float(logits[token])))
            left = [one for one in left if one[: len(said)] == said]
    text: str = tokenizer.decode(said, skip_special_tokens=True)
    return text


@needs_vllm
def test_a_stop_ends_the_answer_and_is_no_part_of_it(backend: VLLMBackend) -> None:
    whole = backend.generator().generate(PROMPTS[:1], LIMITS)[0].text

    short = backend.generator().generate(PROMPTS[:1], Limits(8, (whole[2:4],)))[0]

    assert short.text == whole.split(whole[2:4])[0]
    assert "".join(backend.generator().stream(PROMPTS[0], LIMITS)) == whole


@needs_vllm
def test_transformers_gets_the_memory_and_vllm_answers_as_before(backend: VLLMBackend, tiny: Tiny) -> None:
    before = [one.text for one in backend.generator().generate(PROMPTS, LIMITS)]

    losses = backend.losses(["The red lamp costs seven coins."])
    assert backend._engine is None
    _, model = backend.fresh()

    assert losses == HFBackend(str(tiny.wide), "wide", threads=1).losses(["The red lamp costs seven coins."])
    assert model.config.hidden_size == 64
    assert [one.text for one in backend.generator().generate(PROMPTS, LIMITS)] == before


@needs_vllm
def test_what_is_no_adapter_is_named(backend: VLLMBackend, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="nowhere: not an adapter that vLLM can run"):
        backend.generator(tmp_path / "nowhere")


def test_the_engine_and_the_weights_are_never_in_memory_together(tiny: Tiny, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[str] = []
    core = SimpleNamespace(shutdown=lambda: seen.append("the engine ends"))
    engine = Engine(None, SimpleNamespace(llm_engine=SimpleNamespace(engine_core=core)), None)

    def start(backend: VLLMBackend, adapter: Path | None) -> Engine:
        seen.append("it starts beside weights" if backend._loaded else "it starts")
        return engine

    monkeypatch.setattr(importlib.util, "find_spec", lambda name: True)
    monkeypatch.setattr(VLLMBackend, "_start", start)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "empty_cache", lambda: seen.append("the GPU is cleared"))
    backend = VLLMBackend(str(tiny.wide), "wide", threads=1)
    monkeypatch.setattr(backend, "_read_weights", lambda: seen.append("weights are read"))

    with backend.using(None), backend.using(None):
        pass
    with backend.running(None), backend.running(None):
        pass
    backend.fresh()
    assert backend._engine is None

    cleared = "the GPU is cleared"
    once = [cleared, "weights are read", cleared, "it starts", "the engine ends", cleared, "weights are read"]
    assert seen == once


def test_without_vllm_it_is_said(tiny: Tiny, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)

    with pytest.raises(UserError, match=r'engine = "vllm": vLLM is not installed') as caught:
        load_backend(ModelTable(name=str(tiny.wide), engine="vllm"))
    assert 'engine = "transformers"' in caught.value.hint


def test_vllm_and_4_bits_are_not_chosen_together(tiny: Tiny) -> None:
    with pytest.raises(UserError, match=r'\[model\] engine = "vllm" answers without bits'):
        load_backend(ModelTable(name=str(tiny.wide), engine="vllm", bits=4))
