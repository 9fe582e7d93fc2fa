"""Sentence vectors from a transformer (Reimers and Gurevych 2019), computed by ONNX Runtime.

Texts of like length share a batch, so hardly any padding is computed. A batch is small, so what it computes with stays
in the processor's cache, and each core has a batch of its own: both are faster than one large batch on all cores.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any

from groundtune.errors import UserError
from groundtune.models.export import TOKENIZER, exported, fingerprint, local_folder, open_graph

if TYPE_CHECKING:
    from groundtune.types import Embedder, Vectors

BATCH_TOKENS = 512  # padding included; a longer text is a batch of its own
AT_ONCE = 1024  # texts that are tokens at the same time: 100,000 would take gigabytes


class OnnxEmbedder:
    """An Embedder over any Hugging Face encoder. The first use of its weights exports them, which takes seconds."""

    def __init__(self, weights: str, name: str) -> None:
        """weights: what `find_weights` gives for the name in the config. Reads them once through, for a fingerprint."""
        self._given = name
        self._folder = local_folder(weights, name)
        self._mark = fingerprint(self._folder)
        self.name = f"{Path(name).resolve().name}@{self._mark}"  # what an index is marked with
        self._lock = threading.Lock()
        self._loaded: tuple[Any, Any, int] | None = None

    def embed(self, texts: Sequence[str]) -> Vectors:
        """Unit vectors, float32, shape (len(texts), dimensions); any number of threads may call it at once.

        Raises UserError where the weights cannot be loaded or exported.
        """
        import numpy as np

        _, session, _ = self._load()
        vectors = np.empty((len(texts), session.get_outputs()[0].shape[1]), dtype=np.float32)
        with ThreadPoolExecutor(len(os.sched_getaffinity(0))) as cores:
            for start in range(0, len(texts), AT_ONCE):
                tokens = self._tokens(texts[start : start + AT_ONCE])
                batches = list(_batches([len(ids) for ids in tokens]))
                found = cores.map(lambda rows, tokens=tokens: self._run([tokens[row] for row in rows]), batches)
                for rows, result in zip(batches, found, strict=True):
                    vectors[[start + row for row in rows]] = result
        return vectors

    def embed_queries(self, queries: Sequence[str]) -> Vectors:
        """The same: its vectors of queries and of passages are of one kind."""
        return self.embed(queries)

    def _tokens(self, texts: Sequence[str]) -> list[list[int]]:
        """Each text's token ids, at least one; half a character (a lone surrogate) is read as "?"."""
        tokenizer, _, padding = self._load()
        whole = [text.encode("utf-8", "replace").decode() for text in texts]
        return [encoding.ids or [padding] for encoding in tokenizer.encode_batch_fast(whole)]

    def _run(self, tokens: list[list[int]]) -> Vectors:
        import numpy as np

        _, session, padding = self._load()
        ids = np.full((len(tokens), max(map(len, tokens))), padding, dtype=np.int64)
        mask = np.zeros_like(ids)
        for row, given in enumerate(tokens):
            ids[row, : len(given)] = given
            mask[row, : len(given)] = 1
        vectors: Vectors = session.run(None, {"input_ids": ids, "attention_mask": mask})[0]
        return vectors

    def _load(self) -> tuple[Any, Any, int]:
        """The tokenizer, the session, and the id of a padding token."""
        with self._lock:
            if self._loaded is None:
                from tokenizers import Tokenizer

                kept = exported(self._folder, self._given, self._mark)
                try:
                    tokenizer = Tokenizer.from_file(str(kept / TOKENIZER))
                    session = open_graph(kept)
                except Exception as error:  # (both libraries raise classes of their own)
                    raise UserError(f"{kept}: damaged ({error})", "remove this folder: it is made anew") from error
                padding: Any = tokenizer.padding
                tokenizer.no_padding()  # texts are padded batch by batch
                self._loaded = (tokenizer, session, padding["pad_id"])
            return self._loaded


class QueryTuned:
    """An Embedder whose side of the queries was tuned; passages keep their vectors, so no index has to be made anew."""

    def __init__(self, passages: Embedder, queries: Embedder) -> None:
        """queries: the tuned one; it started from the one for passages."""
        self._passages = passages
        self._queries = queries
        self.name = passages.name

    def embed(self, texts: Sequence[str]) -> Vectors:
        """Vectors of passages."""
        return self._passages.embed(texts)

    def embed_queries(self, queries: Sequence[str]) -> Vectors:
        """Vectors of queries."""
        return self._queries.embed_queries(queries)


def _batches(lengths: Sequence[int]) -> Iterator[list[int]]:
    """The numbers of the texts, longest first, in batches of up to BATCH_TOKENS."""
    batch: list[int] = []
    for row in sorted(range(len(lengths)), key=lambda row: -lengths[row]):
        if batch and (len(batch) + 1) * lengths[batch[0]] > BATCH_TOKENS:
            yield batch
            batch = []
        batch.append(row)
    if batch:
        yield batch
