"""Embedding throughput beside sentence-transformers at its defaults (batch 32, fp32), on the same model and texts.

python -m benchmarks.embedding [--json] [--texts 400] [--rounds 5]   (about 3 minutes on 2 cores)

The two take turns, and the ratio is the median of the rounds' ratios: what else runs on the machine slows both down.
Texts: SQuAD 1.1 dev paragraphs and SciFact abstracts, half each. Needs `pip install sentence-transformers`.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import random
import statistics
import sys
import time
from collections.abc import Callable
from typing import Any

from benchmarks.data import data
from groundtune.config import EmbedderTable
from groundtune.models import load_embedder
from groundtune.models.weights import find_weights
from groundtune.workspace import read_jsonl


def main() -> None:
    """Measures both and prints a table, or one JSON object."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--texts", type=int, default=400)
    parser.add_argument("--rounds", type=int, default=5)
    given = parser.parse_args()
    texts = _texts(given.texts)
    if importlib.util.find_spec("sentence_transformers") is None:
        sys.exit("skipped: sentence-transformers is not installed (pip install sentence-transformers)")
    result = _measure(texts, given.rounds)
    if given.json:
        print(json.dumps(result))
        return
    print(f"all-MiniLM-L6-v2, {len(texts)} texts, {given.rounds} rounds of each in turn, medians")
    print(f"{'groundtune':24}{result['ours']:8.1f} texts/s")
    print(f"{'sentence-transformers':24}{result['sentence_transformers']:8.1f} texts/s")
    print(f"{'ratio':24}{result['ratio']:8.2f}")
    print(f"{'least cosine':24}{result['min_cosine']:8.6f}")


def _texts(number: int) -> list[str]:
    articles = json.loads(data("squad/dev-v1.1.json").read_text(encoding="utf-8"))["data"]
    paragraphs = [paragraph["context"] for article in articles for paragraph in article["paragraphs"]]
    abstracts = [f"{row['title']}\n{row['text']}" for row in read_jsonl(data("scifact") / "corpus.jsonl")]
    rng = random.Random(1)
    texts = rng.sample(paragraphs, number - number // 2) + rng.sample(abstracts, number // 2)
    rng.shuffle(texts)
    return texts


def _measure(texts: list[str], rounds: int) -> dict[str, float]:
    from sentence_transformers import SentenceTransformer

    ours = load_embedder(EmbedderTable())
    theirs = SentenceTransformer(find_weights("all-minilm-l6-v2", "[embedder] name", embeds=True), device="cpu")
    sides: dict[str, Callable[[list[str]], Any]] = {"ours": ours.embed, "sentence_transformers": theirs.encode}
    vectors = {side: embed(texts) for side, embed in sides.items()}  # the first round warms up
    speeds: dict[str, list[float]] = {side: [] for side in sides}
    for number in range(rounds):
        for side in list(sides)[:: 1 if number % 2 else -1]:  # each is first in every other round
            began = time.perf_counter()
            sides[side](texts)
            speeds[side].append(len(texts) / (time.perf_counter() - began))
    cosines = (vectors["ours"] * vectors["sentence_transformers"]).sum(axis=1)
    ratios = [a / b for a, b in zip(speeds["ours"], speeds["sentence_transformers"], strict=True)]
    return {
        "ratio": round(statistics.median(ratios), 3),
        "min_cosine": round(float(cosines.min()), 6),
        **{side: round(statistics.median(speed), 2) for side, speed in speeds.items()},
    }


if __name__ == "__main__":
    main()
