"""Embeddings of a tiny real encoder."""

import shutil
from pathlib import Path

import numpy as np
import pytest

from groundtune.config import EmbedderTable
from groundtune.errors import UserError
from groundtune.models import load_embedder
from groundtune.models.embed import TransformersEmbedder
from tests.tiny import Tiny

TEXTS = ["the red lamp", "a", "", "north " * 400, "How long does it cost? 🌱", "the red lamp"]


@pytest.fixture(scope="module")
def embedder(tiny: Tiny) -> TransformersEmbedder:
    return TransformersEmbedder(str(tiny.bert), "bert", batch=2)


def test_vectors_have_length_1_and_come_in_the_order_of_the_texts(embedder: TransformersEmbedder) -> None:
    vectors = embedder.embed(TEXTS)

    assert vectors.dtype == np.float32
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-5)
    np.testing.assert_allclose(vectors[0], vectors[5], atol=1e-6)
    assert abs(float(vectors[0] @ vectors[1])) < 0.999


def test_a_text_has_the_same_vector_whatever_it_is_batched_with(embedder: TransformersEmbedder) -> None:
    alone = np.concatenate([embedder.embed([text]) for text in TEXTS])

    np.testing.assert_allclose(embedder.embed(TEXTS), alone, atol=1e-5)


def test_no_text_has_no_vector(embedder: TransformersEmbedder) -> None:
    assert embedder.embed([]).shape == (0, 32)


def test_a_damaged_embedder_is_named(tiny: Tiny, tmp_path: Path) -> None:
    folder = shutil.copytree(tiny.bert, tmp_path / "bert")
    (folder / "model.safetensors").write_bytes(b"{")

    with pytest.raises(UserError, match=r"\[embedder\] name = .* cannot be loaded"):
        load_embedder(EmbedderTable(name=str(folder))).embed(["x"])
