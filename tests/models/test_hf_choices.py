"""Choices' probabilities are those that the model gives them one by one."""

import random
from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import AutoModelForCausalLM

from groundtune.models.hf.backend import HFBackend
from groundtune.models.hf.choices import Tokens, probabilities
from groundtune.models.hf.decoding import read_prefix
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


def going_on(model: Any, row: list[int], token: int) -> Tokens:
    """The token, and what the model says behind it."""
    said = [token]
    with torch.inference_mode():
        for _ in range(2):
            said.append(int(model(torch.tensor([[*row, *said]])).logits[0, -1].argmax()))
    return tuple(said)


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


def test_where_the_model_is_sure_unlikely_choices_stay_unread_and_the_best_is_the_same(folder: Path) -> None:
    rng = random.Random(4)
    model: Any = AutoModelForCausalLM.from_pretrained(folder)
    model.eval()
    with torch.no_grad():
        model.get_output_embeddings().weight.mul_(100)
    rows = [[rng.randrange(1, 400) for _ in range(9)] for _ in range(8)]
    choices = [[going_on(model, row, first) for first in range(1, 78)] for row in rows]
    counted = []
    handle = model.register_forward_pre_hook(
        lambda _, given, named: counted.append(named["input_ids"].numel()), with_kwargs=True
    )

    found = probabilities(model, rows, choices)
    handle.remove()

    assert sum(counted) < 8 * 9 + 8 * 77 * 2 / 2  # half of all their tokens
    for row, some, shares in zip(rows, choices, found, strict=True):
        alone = [begun(model, row, choice) for choice in some]
        assert shares.index(max(shares)) == alone.index(max(alone))
        assert sum(shares) == pytest.approx(1)
        assert max(shares) == pytest.approx(max(alone) / sum(alone), rel=0.012)


def test_a_prompt_with_choices_is_answered_with_its_share_as_confidence(folder: Path) -> None:
    generator = HFBackend(str(folder), "tiny", threads=1).generator()
    asked = [Prompt((Message("user", f"red lamp {n}"),), ("red", "red lamp", "north")) for n in range(4)]
    free = Prompt((Message("user", "what does it cost?"),))

    *chosen, said = generator.generate([*asked, free], Limits(4))

    assert all(1 / 3 <= one.confidence <= 1 for one in chosen if one.confidence is not None)
    assert None not in [one.confidence for one in (*chosen, said)]
    [sure] = generator.generate([Prompt((Message("user", "x"),), ("red",))], Limits(4))
    assert (sure.text, sure.confidence) == ("red", 1.0)
