"""Choices' probabilities are those that the model gives them one by one."""

import random
from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import AutoModelForCausalLM

from groundtune.models.hf import HFBackend
from groundtune.models.hf_choices import Tokens, probabilities
from groundtune.models.hf_decoding import read_prefix
from groundtune.types import Limits, Message, Prompt
from tests.tiny import Tiny


@pytest.fixture(scope="module", params=["llama", "neox"])
def folder(tiny: Tiny, request: pytest.FixtureRequest) -> Path:
    path: Path = getattr(tiny, request.param)
    return path


@pytest.fixture(scope="module")
def model(folder: Path) -> Any:
    model: Any = AutoModelForCausalLM.from_pretrained(folder)
    return model.eval()


def begun(model: Any, row: list[int], choice: Tokens) -> float:
    """The probability that what follows a row begins with a choice."""
    with torch.inference_mode():
        logprobs = model(torch.tensor([[*row, *choice]])).logits[0].double().log_softmax(-1)
    return float(sum(logprobs[len(row) - 1 + n, token] for n, token in enumerate(choice)).exp())


def test_they_are_those_of_each_choice_read_alone(model: Any) -> None:
    rng = random.Random(2)
    choices = [(5,), (5, 6, 7), (5, 6, 8), (9, 5), (9, 5, 4, 3, 2), (11,)]
    beginning = [rng.randrange(1, 400) for _ in range(20)]
    rows = [[*beginning, *(rng.randrange(1, 400) for _ in range(n))] for n in (1, 30, 7)]

    found = probabilities(model, rows, [choices] * 3)

    for row, shares in zip(rows, found, strict=True):
        alone = {choice: begun(model, row, choice) for choice in choices}
        alone[5,] -= alone[5, 6, 7] + alone[5, 6, 8]  # the reply goes on to no longer choice
        alone[9, 5] -= alone[9, 5, 4, 3, 2]
        assert shares == pytest.approx([alone[choice] / sum(alone.values()) for choice in choices], abs=1e-3)


def test_many_choices_and_prompts_that_share_a_beginning_change_nothing(model: Any) -> None:
    rng = random.Random(3)
    choices = [tuple(rng.randrange(1, 400) for _ in range(rng.choice([1, 2, 4]))) for _ in range(77)]
    rows = [[*range(1, 31), *(rng.randrange(1, 400) for _ in range(5))] for _ in range(12)]

    together = probabilities(model, rows, [choices] * 12, read_prefix(model, list(range(1, 31))))

    for row, shares in zip(rows, together, strict=True):
        assert sum(shares) == pytest.approx(1)
        assert shares == pytest.approx(probabilities(model, [row], [choices])[0], abs=1e-4)


def test_a_prompt_with_choices_is_answered_with_its_share_as_confidence(folder: Path) -> None:
    generator = HFBackend(str(folder), "tiny", threads=1).generator()
    asked = [Prompt((Message("user", f"red lamp {n}"),), ("red", "red lamp", "north")) for n in range(4)]
    free = Prompt((Message("user", "what does it cost?"),))

    *chosen, said = generator.generate([*asked, free], Limits(4))

    assert all(1 / 3 <= one.confidence <= 1 for one in chosen if one.confidence is not None)
    assert None not in [one.confidence for one in (*chosen, said)]
    [sure] = generator.generate([Prompt((Message("user", "x"),), ("red",))], Limits(4))
    assert (sure.text, sure.confidence) == ("red", 1.0)
