"""Documents, a source and an embedder for tests: small, deterministic, without weights."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from groundtune.index.store import Store
from groundtune.index.sync import Summary
from groundtune.index.sync import sync as sync_all
from groundtune.parse.text import markdown
from groundtune.types import Document, LeftOut, Unchanged
from groundtune.workspace import digest

if TYPE_CHECKING:
    from groundtune.types import Vectors


class HashingEmbedder:
    """Every word has a direction of its own, so texts are as near as the words that they share."""

    def __init__(self, name: str = "hashing", dimensions: int = 64) -> None:
        self.name = name
        self.dimensions = dimensions
        self.embedded: list[str] = []  # every text so far

    def embed(self, texts: Sequence[str]) -> Vectors:
        self.embedded += texts
        vectors = np.full((len(texts), self.dimensions), 1e-3, dtype=np.float32)
        for row, text in enumerate(texts):
            for word in re.findall(r"\w+", text.lower()):
                vectors[row] += self._direction(word)
        unit: Vectors = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
        return unit

    def embed_queries(self, queries: Sequence[str]) -> Vectors:
        return self.embed(queries)

    def _direction(self, word: str) -> Vectors:
        seed = int.from_bytes(hashlib.sha256(word.encode(errors="replace")).digest()[:8])
        return np.random.default_rng(seed).normal(size=self.dimensions).astype(np.float32)


def document(id: str, text: str, readers: Iterable[str] = (), changed: str = "2026-11-22T00:00:00+00:00") -> Document:
    """A document as the folder source makes it from a Markdown file; no two states of it have the same stamp."""
    parsed = markdown(text.encode())
    return Document(
        id, parsed.text, parsed.title, digest([text, sorted(readers)]), changed, parsed.sections, frozenset(readers)
    )


class Given:
    """A source of the documents that it is given."""

    def __init__(self, *documents: Document) -> None:
        self._documents = documents

    def documents(
        self, known: Mapping[str, str], left_out: Callable[[LeftOut], None]
    ) -> Iterator[Document | Unchanged]:
        for document in self._documents:
            yield Unchanged(document.id) if known.get(document.id) == document.stamp else document


def sync(index: Store, documents: Sequence[Document], passage_chars: int = 200) -> Summary:
    """Brings an index in step with one source of these documents."""
    return sync_all(index, {"given": Given(*documents)}, passage_chars)
