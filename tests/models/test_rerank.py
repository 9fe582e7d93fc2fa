"""A cross-encoder scores pairs as transformers does, and says so where a model is none."""

from pathlib import Path

import pytest

from groundtune.errors import UserError
from groundtune.models import load_reranker
from tests.tiny import Tiny

PASSAGES = ["The red lamp costs seven.", "Pump.", "A garden in the north, with water and a seed and a pump."] * 7


def cross_encoder(bert: Path, folder: Path, labels: int) -> Path:
    """The tiny encoder with a head that was trained for nothing."""
    import torch
    from transformers import AutoModelForSequenceClassification, AutoTokenizer

    torch.manual_seed(1)
    model = AutoModelForSequenceClassification.from_pretrained(bert, num_labels=labels)
    model.classifier.weight.data *= 1000
    model.save_pretrained(folder)
    AutoTokenizer.from_pretrained(bert).save_pretrained(folder)
    return folder


@pytest.mark.parametrize("labels", [1, 2])
def test_each_pair_gets_the_score_that_it_has_alone(tiny: Tiny, tmp_path: Path, labels: int) -> None:
    import torch
    from transformers import AutoModelForSequenceClassification, AutoTokenizer

    folder = cross_encoder(tiny.bert, tmp_path / "cross", labels)
    scores = load_reranker(str(folder)).score("What does the lamp cost?", PASSAGES)

    tokenizer = AutoTokenizer.from_pretrained(folder)
    model = AutoModelForSequenceClassification.from_pretrained(folder).eval()
    for passage, score in zip(PASSAGES, scores, strict=True):
        with torch.inference_mode():
            logits = model(**tokenizer("What does the lamp cost?", passage, return_tensors="pt")).logits[0]
        assert score == pytest.approx(float(logits[0] if labels == 1 else logits[1] - logits[0]), abs=1e-3)
    assert len({round(score, 4) for score in scores}) >= 2


def test_no_passages_have_no_scores(tiny: Tiny, tmp_path: Path) -> None:
    assert load_reranker(str(cross_encoder(tiny.bert, tmp_path / "cross", 1))).score("What?", []) == []


def test_an_encoder_without_a_head_is_no_cross_encoder(tiny: Tiny) -> None:
    with pytest.raises(UserError, match=r"\[retrieve\] reranker = .* is no cross-encoder"):
        load_reranker(str(tiny.bert)).score("What?", ["It is."])


def test_more_labels_than_two_are_refused(tiny: Tiny, tmp_path: Path) -> None:
    folder = cross_encoder(tiny.bert, tmp_path / "cross", 3)
    with pytest.raises(UserError, match="is no cross-encoder"):
        load_reranker(str(folder)).score("What?", ["It is."])
