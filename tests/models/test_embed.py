"""Embeddings of tiny real encoders, held against torch, and the export that computes them."""

import json
import multiprocessing
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from groundtune.config import EmbedderTable
from groundtune.errors import UserError, WorkFailed
from groundtune.models import export, load_embedder
from groundtune.models.embed import BATCH_TOKENS, OnnxEmbedder, _batches
from tests.tiny import Tiny

TEXTS = [
    "the red lamp",
    "a",
    "",
    "north " * 400,
    "How long does it cost? 🌱",
    "half a character: \ud83c",
    "the red lamp",
]


@pytest.fixture(scope="module", autouse=True)
def cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The cache of this module's tests."""
    folder = tmp_path_factory.mktemp("cache")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("GROUNDTUNE_CACHE", str(folder))
        yield folder


@pytest.fixture(scope="module")
def embedder(tiny: Tiny) -> OnnxEmbedder:
    return OnnxEmbedder(str(tiny.bert), "bert")


@pytest.fixture
def bert(tiny: Tiny, tmp_path: Path) -> Path:
    """A copy of the tiny encoder, to be changed."""
    return shutil.copytree(tiny.bert, tmp_path / "bert")


def write(path: Path, value: Any) -> None:
    path.parent.mkdir(exist_ok=True)
    path.write_text(json.dumps(value))


def by_torch(folder: Path, texts: list[str], pooling: str = "mean", longest: int = 1024) -> Any:
    """The vectors by transformers, one text at a time."""
    import torch
    from transformers import AutoModel, AutoTokenizer

    tokenizer, model = AutoTokenizer.from_pretrained(folder), AutoModel.from_pretrained(folder).eval()
    vectors = []
    for text in texts:
        inputs = tokenizer(text.replace("\ud83c", "?"), truncation=True, max_length=longest, return_tensors="pt")
        with torch.inference_mode():
            states = model(**inputs).last_hidden_state[0]
        vectors.append(torch.nn.functional.normalize(states[0] if pooling == "cls" else states.mean(0), dim=0).numpy())
    return np.stack(vectors)


def test_vectors_are_those_of_torch_in_the_order_of_the_texts(tiny: Tiny, embedder: OnnxEmbedder) -> None:
    vectors = embedder.embed(TEXTS)

    assert vectors.dtype == np.float32
    np.testing.assert_allclose(vectors, by_torch(tiny.bert, TEXTS), atol=1e-4)
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-5)
    assert abs(float(vectors[0] @ vectors[1])) < 0.999


def test_a_text_has_the_same_vector_whatever_it_is_batched_with(embedder: OnnxEmbedder) -> None:
    alone = np.concatenate([embedder.embed([text]) for text in TEXTS])

    np.testing.assert_allclose(embedder.embed(TEXTS), alone, atol=1e-5)


def test_more_texts_than_are_embedded_at_once_keep_their_order(
    embedder: OnnxEmbedder, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = embedder.embed(TEXTS * 3)
    monkeypatch.setattr("groundtune.models.embed.AT_ONCE", 4)

    np.testing.assert_allclose(embedder.embed(TEXTS * 3), whole, atol=1e-5)


def test_threads_may_embed_at_once(embedder: OnnxEmbedder) -> None:
    right = embedder.embed(TEXTS)
    with ThreadPoolExecutor(8) as threads:
        for vectors in threads.map(embedder.embed, [TEXTS] * 40):
            np.testing.assert_allclose(vectors, right, atol=1e-5)


def test_no_text_has_no_vector(embedder: OnnxEmbedder) -> None:
    assert embedder.embed([]).shape == (0, 32)


@given(st.lists(st.integers(1, 2 * BATCH_TOKENS)))
def test_batches_hold_every_text_once_within_their_tokens(lengths: list[int]) -> None:
    batches = list(_batches(lengths))

    assert sorted(row for batch in batches for row in batch) == list(range(len(lengths)))
    for batch in batches:
        assert len(batch) == 1 or len(batch) * max(lengths[row] for row in batch) <= BATCH_TOKENS


@pytest.mark.parametrize(
    "settings",
    [{"pooling_mode": "cls"}, {"pooling_mode_cls_token": True, "pooling_mode_mean_tokens": False}],
    ids=["new", "old"],
)
def test_pooling_is_what_the_model_says(bert: Path, settings: dict[str, Any]) -> None:
    write(bert / "1_Pooling" / "config.json", settings)

    np.testing.assert_allclose(OnnxEmbedder(str(bert), "bert").embed(TEXTS), by_torch(bert, TEXTS, "cls"), atol=1e-4)


def test_so_many_tokens_are_read_as_the_model_says(bert: Path) -> None:
    write(bert / "sentence_bert_config.json", {"max_seq_length": 8})

    vectors = OnnxEmbedder(str(bert), "bert").embed(TEXTS)

    np.testing.assert_allclose(vectors, by_torch(bert, TEXTS, longest=8), atol=1e-4)


@pytest.mark.parametrize(
    ("file", "content", "problem"),
    [
        ("1_Pooling/config.json", {"pooling_mode": "lasttoken"}, r"has \['lasttoken'\]; known here: mean, cls"),
        ("1_Pooling/config.json", {"pooling_mode_max_tokens": True}, r"has \['pooling_mode_max_tokens'\]; known here"),
        ("modules.json", [{"type": "sentence_transformers.models.Dense"}], "a module that is unknown here: Dense"),
        ("sentence_bert_config.json", {"do_lower_case": True}, "do_lower_case in sentence_bert_config.json"),
    ],
)
def test_settings_that_would_give_other_vectors_are_refused(bert: Path, file: str, content: Any, problem: str) -> None:
    write(bert / file, content)

    with pytest.raises(UserError, match=rf"\[embedder\] name = 'bert': .*{problem}"):
        OnnxEmbedder(str(bert), "bert").embed(["x"])


@pytest.mark.parametrize("file", ["model.safetensors", "tokenizer.json", "1_Pooling/config.json"])
def test_a_damaged_embedder_is_named(bert: Path, file: str) -> None:
    write(bert / file, {})
    (bert / file).write_bytes(b"{")

    with pytest.raises(UserError, match=r"\[embedder\] name = .* cannot be loaded"):
        load_embedder(EmbedderTable(name=str(bert))).embed(["x"])


def test_weights_that_lack_a_layer_are_refused(bert: Path) -> None:
    from safetensors.torch import load_file, save_file

    weights = load_file(bert / "model.safetensors")
    save_file(
        {key: weights[key] for key in weights if "layer.1" not in key}, bert / "model.safetensors", {"format": "pt"}
    )

    with pytest.raises(UserError, match=r"cannot be loaded \(no weights for encoder.layer.1.*\)"):
        OnnxEmbedder(str(bert), "bert").embed(["x"])


def test_an_encoder_that_cannot_be_exported_is_named(bert: Path) -> None:
    from transformers import T5Config, T5Model

    T5Model(T5Config(d_model=16, d_kv=8, d_ff=16, num_layers=1, num_heads=2, vocab_size=500)).save_pretrained(bert)

    with pytest.raises(UserError, match=r"\[embedder\] name = 'bert': cannot be exported to ONNX \(ValueError"):
        OnnxEmbedder(str(bert), "bert").embed(["x"])


def test_a_graph_that_does_not_say_what_torch_says_is_not_kept(
    bert: Path, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(bert / "sentence_bert_config.json", {"max_seq_length": 9})
    monkeypatch.setattr(export, "TOLERANCE", -1.0)
    before = sorted(cache.rglob("*/"))

    with pytest.raises(UserError, match=r"cannot be exported to ONNX .* are not torch's"):
        OnnxEmbedder(str(bert), "bert").embed(["x"])
    assert sorted(cache.rglob("*/")) == before


def test_an_export_is_kept_for_the_same_weights_wherever_they_lie(
    tiny: Tiny, embedder: OnnxEmbedder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    right = embedder.embed(TEXTS)
    monkeypatch.setattr(export, "_export", lambda *_: pytest.fail("exported twice"))
    copy = shutil.copytree(tiny.bert, tmp_path / "elsewhere" / "bert")
    (copy / "README.md").write_text("no part of the vectors")

    again = OnnxEmbedder(str(copy), str(copy))

    assert again.name == embedder.name
    np.testing.assert_array_equal(again.embed(TEXTS), right)


@pytest.mark.parametrize("file", ["model.safetensors", "tokenizer.json", "1_Pooling/config.json"])
def test_what_changes_the_vectors_changes_the_name_that_marks_an_index(
    bert: Path, embedder: OnnxEmbedder, file: str
) -> None:
    write(bert / file, {})

    assert OnnxEmbedder(str(bert), "bert").name != embedder.name


def test_a_damaged_export_is_named_with_what_to_do(
    tiny: Tiny, embedder: OnnxEmbedder, tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    embedder.embed([])
    monkeypatch.setenv("GROUNDTUNE_CACHE", str(shutil.copytree(cache, tmp_path / "cache")))
    kept = tmp_path / "cache" / "embedders" / f"{embedder.name.partition('@')[2]}-{export.VERSION}"
    (kept / export.GRAPH).write_bytes(b"half")

    with pytest.raises(UserError, match="damaged") as caught:
        OnnxEmbedder(str(tiny.bert), "bert").embed(["x"])
    assert caught.value.message.startswith(f"{kept}: ")
    assert "remove this folder" in caught.value.hint


def test_once_exported_neither_torch_nor_transformers_is_loaded(tiny: Tiny, embedder: OnnxEmbedder) -> None:
    embedder.embed([])
    program = """
import sys
from groundtune.config import EmbedderTable
from groundtune.models import load_embedder
print(load_embedder(EmbedderTable(name=sys.argv[1])).embed(["x"]).shape)
print({"torch", "transformers", "onnx", "huggingface_hub"} & set(sys.modules))
"""
    run = subprocess.run([sys.executable, "-c", program, str(tiny.bert)], capture_output=True, text=True, check=True)
    assert run.stdout == "(1, 32)\nset()\n"


def export_for_ever(cache: str, folder: Path) -> None:
    """An export that is in the midst of writing."""

    def _export(folder: Path, name: str, target: Path) -> None:
        target.mkdir()
        (target / export.GRAPH).write_bytes(b"half")
        time.sleep(600)

    os.environ["GROUNDTUNE_CACHE"] = cache
    export._export = _export
    OnnxEmbedder(str(folder), "bert").embed(["x"])


def test_a_killed_export_leaves_nothing_half(tiny: Tiny, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GROUNDTUNE_CACHE", str(tmp_path))
    kept = tmp_path / "embedders"
    process = multiprocessing.get_context("spawn").Process(target=export_for_ever, args=(str(tmp_path), tiny.bert))
    process.start()
    while not list(kept.glob(".*.new/*")):
        assert process.is_alive()
        time.sleep(0.01)
    process.kill()
    process.join()
    assert list(kept.glob(".*.new"))

    assert OnnxEmbedder(str(tiny.bert), "bert").embed(["x"]).shape == (1, 32)

    assert not list(kept.glob(".*.new"))
    assert len([path for path in kept.iterdir() if path.is_dir()]) == 1


def test_a_full_disk_is_said_and_leaves_nothing_half(
    tiny: Tiny, small_disk: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GROUNDTUNE_CACHE", str(small_disk))
    (small_disk / "filler").write_bytes(b"x" * 1_900_000)

    with pytest.raises(WorkFailed, match="the disk is full"):
        OnnxEmbedder(str(tiny.bert), "bert").embed(["x"])
    assert not [path for path in (small_disk / "embedders").iterdir() if path.is_dir()]


def test_a_hub_name_is_found_in_the_hub_cache_and_named_where_it_is_not(
    tiny: Tiny, embedder: OnnxEmbedder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path))
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    commit = "1" * 40
    shutil.copytree(tiny.bert, tmp_path / "models--org--bert" / "snapshots" / commit)
    (tmp_path / "models--org--bert" / "refs").mkdir()
    (tmp_path / "models--org--bert" / "refs" / "main").write_text(commit)

    found = load_embedder(EmbedderTable(name="hf:org/bert"))

    np.testing.assert_array_equal(found.embed(TEXTS), embedder.embed(TEXTS))
    with pytest.raises(UserError, match=r"\[embedder\] name = 'hf:org/other': cannot be fetched"):
        load_embedder(EmbedderTable(name="hf:org/other"))
