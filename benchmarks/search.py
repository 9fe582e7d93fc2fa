"""Hybrid search over 100,000 passages with a reader's filter, beside bm25s and an exact numpy scan, in one run.

python -m benchmarks.search [--json] [--passages 100000] [--queries 300]

Passages are windows of two and three sentences out of SciFact, SQuAD and PubMedQA; one in ten is closed to the reader.
Vectors are made before the clock starts: a sentence's by the default embedder, a window's as their mean.
"""

from __future__ import annotations

import argparse
import json
import re
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.data import data
from groundtune import plug
from groundtune.config import EmbedderTable
from groundtune.index import matrix
from groundtune.index.sqlite import SqliteIndex
from groundtune.index.sync import sync
from groundtune.models import load_embedder
from groundtune.retrieve.hybrid import POOL
from groundtune.types import Document, Hit, LeftOut, Reader, Unchanged

K = 10
CLOSED = 10  # every so many-th document
READER = Reader(frozenset({"guests"}))
Array = NDArray[np.float32]


class Known:
    """An embedder whose vectors were made before. Texts that it does not know have none."""

    name = "known"

    def __init__(self, vectors: dict[str, Array]) -> None:
        self.vectors = vectors

    def embed(self, texts: Sequence[str]) -> Array:
        return np.stack([self.vectors[text] for text in texts])

    def embed_queries(self, queries: Sequence[str]) -> Array:
        return self.embed(queries)


class Windows:
    """A source of one document a window."""

    def __init__(self, windows: Sequence[str]) -> None:
        self.windows = windows

    def documents(
        self, known: Mapping[str, str], left_out: Callable[[LeftOut], None]
    ) -> Iterator[Document | Unchanged]:
        for number, text in enumerate(self.windows):
            readers = frozenset({"staff"}) if number % CLOSED == 0 else frozenset()
            yield Document(f"{number:06}", text, "", str(number), "2026-11-22", readers=readers)


def main() -> None:
    """Builds both, asks both the same queries in turn, and prints a table."""
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--json", action="store_true")
    arguments.add_argument("--passages", type=int, default=100_000)
    arguments.add_argument("--queries", type=int, default=300)
    given = arguments.parse_args()
    windows, vectors, queries, asked = corpus(given.passages, given.queries)
    with tempfile.TemporaryDirectory() as folder:
        began = time.perf_counter()
        index = built(Path(folder), windows, vectors, queries, asked)
        building = time.perf_counter() - began
        ours = plug.make("retrieve", "hybrid", {"min_similarity": -1}, index, where="benchmark")
        reference = Reference(windows, vectors, dict(zip(queries, asked, strict=True)))
        result = compared(lambda query: ours.search([query], K, READER)[0], reference.search, queries)
        index.close()
    result |= {"passages": len(windows), "queries": len(queries), "indexing_seconds": round(building, 1)}
    if given.json:
        print(json.dumps(result))
        return
    print(f"{len(windows):,} passages, {len(queries)} queries, {K} of each; indexed in {building:.0f} s")
    print("| search | p50 ms | p95 ms |\n|---|---|---|")
    for name in ("groundtune", "bm25s + numpy"):
        print(f"| {name} | {result[name]['p50_ms']:.2f} | {result[name]['p95_ms']:.2f} |")
    print(f"p50 ratio {result['p50_ratio']:.2f}; p95 over p50 {result['p95_over_p50']:.2f}")
    print(f"recall@10 of the exact result {result['recall@10']:.4f}")


class Reference:
    """bm25s and an exact scan, fused as ours are, among the passages that the reader may read."""

    def __init__(self, windows: Sequence[str], vectors: Array, asked: dict[str, Array]) -> None:
        import bm25s
        import Stemmer

        self.stemmer = Stemmer.Stemmer("english")
        self.tokenize = bm25s.tokenize
        tokens = bm25s.tokenize(list(windows), stopwords=None, stemmer=self.stemmer, show_progress=False)
        self.words = bm25s.BM25(backend="numba")
        self.words.index(tokens, show_progress=False)
        self.vectors, self.asked = vectors, asked
        self.permitted = np.arange(len(windows)) % CLOSED != 0
        self.weights = self.permitted.astype(np.float32)

    def search(self, query: str) -> list[int]:
        tokens = self.tokenize([query], stopwords=None, stemmer=self.stemmer, show_progress=False)
        found, bm25 = self.words.retrieve(tokens, k=POOL, show_progress=False, n_threads=1, weight_mask=self.weights)
        cosines = np.where(self.permitted, self.vectors @ self.asked[query], -1)
        near = np.argpartition(cosines, -POOL)[-POOL:]
        words = scaled(dict(zip(found[0].tolist(), bm25[0].tolist(), strict=True)))
        vectors = scaled(dict(zip(near.tolist(), cosines[near].tolist(), strict=True)))
        score = {id: 0.4 * words.get(id, 0) + 0.6 * vectors.get(id, 0) for id in words | vectors}
        return sorted(score, key=lambda id: -score[id])[:K]


def scaled(scores: dict[int, float]) -> dict[int, float]:
    low, high = min(scores.values()), max(scores.values())
    return {id: (score - low) / ((high - low) or 1) for id, score in scores.items()}


def compared(
    ours: Callable[[str], list[Hit]], reference: Callable[[str], list[int]], queries: Sequence[str]
) -> dict[str, Any]:
    """Times of both, query by query in turn, and how much of the exact result ours has."""
    for query in queries[:20]:  # what is loaded or compiled at first use
        ours(query), reference(query)
    times: dict[str, list[float]] = {"groundtune": [], "bm25s + numpy": []}
    found = []
    for query in queries:
        began = time.perf_counter()
        found.append([hit.passage.id for hit in ours(query)])
        between = time.perf_counter()
        reference(query)
        times["groundtune"].append(between - began)
        times["bm25s + numpy"].append(time.perf_counter() - between)
    least, matrix.COARSE_FROM = matrix.COARSE_FROM, 10**9  # the same search, every vector compared exactly
    exact = [[hit.passage.id for hit in ours(query)] for query in queries]
    matrix.COARSE_FROM = least
    recall = np.mean([len(set(a) & set(b)) / len(b) for a, b in zip(found, exact, strict=True)])
    result: dict[str, Any] = {
        name: {"p50_ms": float(np.median(took)) * 1e3, "p95_ms": float(np.quantile(took, 0.95)) * 1e3}
        for name, took in times.items()
    }
    ours_ms = result["groundtune"]
    return result | {
        "p50_ratio": ours_ms["p50_ms"] / result["bm25s + numpy"]["p50_ms"],
        "p95_over_p50": ours_ms["p95_ms"] / ours_ms["p50_ms"],
        "recall@10": float(recall),
    }


def built(folder: Path, windows: Sequence[str], vectors: Array, queries: Sequence[str], asked: Array) -> SqliteIndex:
    """The product's own index over the windows."""
    known = dict(zip(windows, vectors, strict=True)) | dict(zip(queries, asked, strict=True))
    index = SqliteIndex(folder, Known(known))
    summary = sync(index, {"windows": Windows(windows)}, 10_000)
    assert len(summary.added) == len(windows), summary
    return index


def corpus(most: int, n_queries: int) -> tuple[list[str], Array, list[str], Array]:
    """Windows of sentences with their vectors, and queries with theirs. The sentences' vectors are kept."""
    sentences, queries = texts()
    embedder = load_embedder(EmbedderTable())
    sentences = sentences[:most]
    kept = Path(tempfile.gettempdir()) / f"groundtune-benchmark-{len(sentences)}.npy"
    if not kept.exists():
        np.save(kept, embedder.embed(sentences))
    made = np.load(kept)
    windows, vectors = [], []
    for size in (3, 2):
        for start in range(len(sentences) - size + 1):
            windows.append(" ".join(" ".join(sentences[start : start + size]).split()))
            mean = made[start : start + size].mean(0)
            vectors.append(mean / np.linalg.norm(mean))
    first = {text: number for number, text in reversed(list(enumerate(windows)))}
    chosen = list(dict.fromkeys(windows))[:most]
    asked = queries[:: max(1, len(queries) // n_queries)][:n_queries]
    matrix_of = np.stack([vectors[first[text]] for text in chosen]).astype(np.float32)
    return chosen, matrix_of, asked, embedder.embed(asked)


def texts() -> tuple[list[str], list[str]]:
    """Sentences of all corpora, and their questions."""
    squad = json.loads(data("squad/dev-v1.1.json").read_text())["data"]
    paragraphs = [paragraph for article in squad for paragraph in article["paragraphs"]]
    bodies = [paragraph["context"] for paragraph in paragraphs]
    questions = [paragraph["qas"][0]["question"] for paragraph in paragraphs if paragraph["qas"]]
    folder = data("scifact")
    bodies += [json.loads(line)["text"] for line in (folder / "corpus.jsonl").read_text().splitlines()]
    questions += [json.loads(line)["text"] for line in (folder / "queries.jsonl").read_text().splitlines()]
    pubmed = json.loads(data("pubmedqa/ori_pqal.json").read_text())
    bodies += [" ".join(one["CONTEXTS"]) for one in pubmed.values()]
    questions += [one["QUESTION"] for one in pubmed.values()]
    sentences = [part for body in bodies for part in re.split(r"(?<=[.!?])\s+", body) if len(part) > 30]
    return sentences, [question for question in questions if question.strip()]


if __name__ == "__main__":
    main()
