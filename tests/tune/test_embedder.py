"""Tuning a tiny real embedder: what helps on held-out questions is kept, what does not help is not."""

import random
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from groundtune.models.trainable import Trainable
from groundtune.tune import embedder as tuning
from groundtune.tune.embedder import Asked, Encoder, Tuned, tune_embedder
from tests.tiny import Tiny

# What the passages are about, and another word that questions have for it: nothing but examples can teach that.
MEANT = {"lamp": "red", "seed": "green", "pump": "blue", "water": "black", "garden": "white", "price": "yellow"}
PASSAGES = [f"the {word} is {place}" for word in MEANT for place in ("north", "south", "east", "west")]


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """So large steps suit a model so small."""
    monkeypatch.setattr(tuning, "RATE", 3e-3)
    monkeypatch.setattr(tuning, "BATCH", 8)


def encoder(weights: Path) -> Encoder:
    source = Trainable(str(weights), "tiny")
    return Encoder(source.module, source.tokenizer, source.save)


def embed(folder: Path, texts: Sequence[str]) -> Any:
    source = Trainable(str(folder), "tiny")
    inputs = source.tokenizer(list(texts), padding=True, return_tensors="pt")
    with torch.inference_mode():
        return source.module(inputs["input_ids"], inputs["attention_mask"]).numpy()


def asked(n: int, *, right: bool = True) -> list[Asked]:
    """Questions with their passages; or, not `right`, with any."""
    rng = random.Random(2)
    questions = []
    for _ in range(n):
        word = rng.choice(list(MEANT))
        text = f"{rng.choice(['what', 'which', 'where', 'when', 'who'])} {rng.choice(WORDS)} {MEANT[word]}"
        rows = [row for row, passage in enumerate(PASSAGES) if word in passage.split()]
        questions.append(Asked(text, tuple(rows if right else rng.sample(range(len(PASSAGES)), 4))))
    return questions


WORDS = ["does it cost", "is the", "are two", "how long", "in days", "of ten", "or not", "a return"]


def tune(tiny: Tiny, folder: Path, questions: list[Asked], minutes: float = 5, seed: int = 1) -> Tuned | None:
    vectors = embed(tiny.bert, PASSAGES)

    def judge(numbers: Sequence[int], queries: Any) -> list[float]:
        best = (queries @ vectors.T).argmax(1)
        return [float(row in questions[number].right) for number, row in zip(numbers, best, strict=True)]

    held_out = range(0, len(questions), 3)
    return tune_embedder(encoder(tiny.bert), vectors, questions, held_out, judge, folder, minutes=minutes, seed=seed)


def test_what_questions_mean_is_learnt_and_kept(tiny: Tiny, tmp_path: Path) -> None:
    questions = asked(120)
    tuned = tune(tiny, tmp_path / "tuned", questions)
    assert tuned is not None
    assert tuned.kept
    assert tuned.after > 0.4 > 0.2 > tuned.before
    assert tuned.held_out == tuple(range(0, 120, 3))
    assert tuned.vectors.shape == (40, 32)
    queries = embed(tmp_path / "tuned", [question.text for question in questions])
    best = (queries @ embed(tiny.bert, PASSAGES).T).argmax(1)
    assert np.mean([row in question.right for row, question in zip(best, questions, strict=True)]) > 0.5


def test_what_cannot_be_learnt_is_not_kept(tiny: Tiny, tmp_path: Path) -> None:
    tuned = tune(tiny, tmp_path / "tuned", asked(120, right=False))
    assert tuned is not None
    assert not tuned.kept
    assert tuned.after - tuned.before <= tuned.error
    assert not list(tmp_path.iterdir())


def test_the_same_questions_give_the_same_weights(tiny: Tiny, tmp_path: Path) -> None:
    weights = []
    for name, seed in (("one", 1), ("again", 1), ("other", 2)):
        assert tune(tiny, tmp_path / name, asked(90), seed=seed) is not None
        weights.append(load_file(tmp_path / name / "model.safetensors"))
    one, again, other = weights
    assert all(torch.equal(one[key], again[key]) for key in one)
    assert not all(torch.equal(one[key], other[key]) for key in one)


def test_the_words_themselves_stay_as_they_were(tiny: Tiny, tmp_path: Path) -> None:
    tune(tiny, tmp_path / "tuned", asked(120))
    before, after = load_file(tiny.bert / "model.safetensors"), load_file(tmp_path / "tuned" / "model.safetensors")
    same = {key for key in before if torch.equal(before[key], after[key])}
    assert "embeddings.word_embeddings.weight" in same
    assert "encoder.layer.1.output.dense.weight" not in same


def test_too_few_questions_teach_nothing(tiny: Tiny, tmp_path: Path) -> None:
    assert tune(tiny, tmp_path / "tuned", asked(59)) is not None
    assert tune(tiny, tmp_path / "other", asked(57)) is None


def test_too_little_time_means_fewer_steps(tiny: Tiny, tmp_path: Path) -> None:
    whole, short = (tune(tiny, tmp_path / "tuned", asked(120), minutes) for minutes in (5, 1e-6))
    assert whole is not None
    assert short is not None
    assert whole.steps == 40 + 60
    assert short.steps <= 2
