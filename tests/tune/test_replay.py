"""General text among the rows: as much as was asked for, and the model keeps more of it."""

import random
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from groundtune.config import TuneTable
from groundtune.models.hf.backend import HFBackend
from groundtune.prompts import trained
from groundtune.tune.replay import general_rows, replay_rows
from groundtune.tune.rows import Row
from groundtune.tune.trainer import Trainer
from tests.tiny import OLD_NAME, Tiny

pytestmark = OLD_NAME

TEXTS = ["red lamp\nred pump", "green garden\ngreen lamp", "Which price? This price."]


@given(st.integers(1, 500), st.floats(0.01, 0.9), st.integers(0, 5))
def test_replay_is_the_share_of_all_rows_that_was_asked_for(others: int, share: float, seed: int) -> None:
    rows = replay_rows(TEXTS, others, share, seed)

    assert len(rows) == 1 or len(rows) / (len(rows) + others) == pytest.approx(share, abs=1 / (len(rows) + others))
    assert {row.prompt.messages[0].content + row.completion for row in rows} <= set(TEXTS)
    assert len({row.pack for row in rows}) == len(rows)
    assert rows == replay_rows(TEXTS, others, share, seed)


def test_no_share_is_no_row() -> None:
    assert replay_rows(TEXTS, 100, 0.0, 1) == []


def test_a_model_that_replays_text_forgets_less_of_other_text_of_its_kind(tiny: Tiny, tmp_path: Path) -> None:
    backend = HFBackend(str(tiny.llama), "llama", threads=1)
    rng = random.Random(2)
    words = ["red", "green", "blue", "yellow", "lamp", "pump", "garden"]
    general = [" ".join(rng.choices(words, k=16)) for _ in range(40)]
    learnt = [Row(trained("qa").prompt(f"How long {n}?"), " seven eight nine", "closed", f"{n}") for n in range(40)]

    def after(share: float) -> float:
        rows = [*learnt, *replay_rows(general[:20], len(learnt), share, 1)]
        table = TuneTable(minutes=5, epochs=3, rank=4, rate=1e-2)
        tokenizer, model = backend.fresh()
        job = Trainer(tokenizer, model, backend.render, rows, table, tmp_path / f"{share}")
        job.train(job.plan())
        return sum(map(sum, backend.losses(general[20:], tmp_path / f"{share}")))

    assert after(0.3) < after(0.0)


def test_of_replayed_text_nothing_is_learnt(tiny: Tiny, tmp_path: Path) -> None:
    backend = HFBackend(str(tiny.llama), "llama", threads=1)
    texts = ["red lamp in the green garden costs seven coins"] * 4
    tokenizer, model = backend.fresh()
    table = TuneTable(minutes=5, epochs=30, rank=4, rate=5e-3, batch=2)
    job = Trainer(tokenizer, model, backend.render, general_rows(texts), table, tmp_path / "adapter")

    assert float(job._learner.drift(job._packs).detach()) == pytest.approx(0, abs=1e-4)
    assert job.train(job.plan()).steps == 60
    assert float(job._learner.drift(job._packs).detach()) == pytest.approx(0, abs=0.05)  # for 32 tokens
    (before,), (after,) = backend.losses(texts[:1]), backend.losses(texts[:1], tmp_path / "adapter")
    assert after == pytest.approx(before, abs=0.1)


def test_what_has_drifted_is_held_to_what_it_was(tiny: Tiny, tmp_path: Path) -> None:
    backend = HFBackend(str(tiny.llama), "llama", threads=1)
    learnt = [Row(trained("qa").prompt("How long?"), " seven eight nine", "closed", f"{n}") for n in range(8)]
    tokenizer, model = backend.fresh()
    rows, general = learnt, general_rows(["How long is the red lamp in the garden? seven coins"])
    job = Trainer(tokenizer, model, backend.render, [*rows, *general], TuneTable(rank=4), tmp_path / "adapter")
    text = [one for one in job._packs if one.replayed]
    optimizer = job._learner.optimizer()
    for _ in range(20):
        job._learner.step(optimizer, [one for one in job._packs if not one.replayed], 0.1, 5e-3)
    drifted = float(job._learner.drift(text).detach())

    for _ in range(20):
        assert job._learner.step(optimizer, text, 0.1, 5e-3) is None

    assert drifted > 1
    assert float(job._learner.drift(text).detach()) < drifted / 2
