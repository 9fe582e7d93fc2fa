"""Before and after tuning compared: perplexities, shares of right answers, and what so few of them can tell."""

import math
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from groundtune.general import measured_text, questions
from groundtune.measure.forgetting import General, forgetting, general
from groundtune.models.hf.backend import HFBackend
from tests.tiny import OLD_NAME, Tiny, adapter

pytestmark = OLD_NAME

BEFORE = General(losses=(30.0, 44.0, 61.0), tokens=(10, 15, 20), right=(True, True, False, False))


def test_nothing_has_changed_where_nothing_was_tuned() -> None:
    found = forgetting(BEFORE, BEFORE, 0.95)

    assert (found.ratio, found.ratio_low, found.ratio_high) == (1.0, 1.0, 1.0)
    assert (found.right_before, found.right_after, found.difference) == (2, 2, 0.0)
    assert found.low < 0 < found.high  # four questions cannot show that nothing at all is lost


def test_perplexity_is_over_tokens_and_not_over_paragraphs() -> None:
    assert BEFORE.perplexity == pytest.approx(math.exp(135 / 45))


@given(st.floats(-1, 2))
def test_a_loss_that_rises_evenly_is_a_ratio_without_doubt(nats: float) -> None:
    risen = tuple(loss + nats * n for loss, n in zip(BEFORE.losses, BEFORE.tokens, strict=True))

    found = forgetting(BEFORE, General(risen, BEFORE.tokens, BEFORE.right), 0.95)

    assert found.ratio == pytest.approx(math.exp(nats))
    assert found.ratio_low == pytest.approx(found.ratio)
    assert found.ratio_high == pytest.approx(found.ratio)


def test_questions_are_compared_pair_by_pair() -> None:
    before = General(BEFORE.losses, BEFORE.tokens, (True, False) * 20)
    after = General(BEFORE.losses, BEFORE.tokens, (False, True) * 20)

    lost = General(BEFORE.losses, BEFORE.tokens, (False,) * 40)

    swapped, worse = forgetting(before, after, 0.95), forgetting(before, lost, 0.95)

    assert swapped.difference == 0.0
    assert swapped.high > 0.2  # as many gained as lost, but each of them changed
    assert worse.difference == -0.5
    assert worse.high < 0


def test_a_real_model_and_its_adapter_are_measured_on_all_of_it(tiny: Tiny, tmp_path: Path) -> None:
    backend = HFBackend(str(tiny.llama), "llama", threads=1)
    folder = adapter(tiny.llama, tmp_path / "adapter", seed=3)
    texts, asked = measured_text()[:4], questions()

    before, after = general(backend, None, texts, asked), general(backend, folder, texts, asked)

    assert before.tokens == after.tokens
    assert len(before.right) == len(asked)
    assert before != after
    assert general(backend, None, texts, asked) == before
