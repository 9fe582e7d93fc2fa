"""Questions that are the same, or nearly."""

from __future__ import annotations

import re
import unicodedata
from collections import defaultdict
from collections.abc import Iterator, Sequence
from itertools import pairwise

from groundtune.types import Example

NEAR = 0.85  # Jaccard similarity of character 5-shingles; "What is X's duty?" and "What's X's duty?" are about there
SHINGLE = 5
# 20 bands of 6 rows find a pair at 0.85 with a probability of 0.9999; what they find is then compared exactly.
BANDS, ROWS = 20, 6
MANY = 10


def normalise(text: str) -> str:
    """The words of a text in lower case, without punctuation; of a text without any word, the text."""
    folded = unicodedata.normalize("NFKC", text).casefold()
    return " ".join(re.findall(r"\w+", folded)) or folded.strip()


def near_duplicates(examples: Sequence[Example]) -> Iterator[tuple[Example, Example, float]]:
    """Pairs of examples, in order, that ask the same, with their similarity (1.0: the same words).

    The same words are a pair whatever the answers are. Nearly the same words are one only where an answer is shared:
    "the capital of Iran" and "the capital of Iraq" do not give each other away. Of more than two with the same words,
    neighbours are paired, so that pairs connect them all. Method: MinHash with LSH (Broder 1997; datasketch), checked
    by the exact Jaccard similarity. One letter of a short question weighs much: short ones are mostly found if equal.
    """
    same: dict[str, list[Example]] = defaultdict(list)
    for example in examples:
        same[normalise(example.question)].append(example)
    for alike in same.values():
        yield from ((first, second, 1.0) for first, second in pairwise(alike))
    groups = list(same.values())
    answers = [frozenset(key for example in alike for key in _answers(example)) for alike in groups]
    for first, second, similarity in _similar(_without_common_start(list(same))):
        if answers[first] & answers[second]:
            yield groups[first][0], groups[second][0], similarity


def _answers(example: Example) -> tuple[str, ...]:
    """What near duplicates must share one of. Long outputs are hardly ever equal, so there nothing need be shared."""
    if example.task == "text":
        return ("",)
    if example.answers:
        return tuple(normalise(answer) for answer in example.answers)
    return tuple(evidence.document for evidence in example.evidence) or ("",)


def _without_common_start(texts: list[str]) -> list[str]:
    """Cuts what all of many texts begin with: the same instruction before every input would make all of them alike."""
    if len(texts) < MANY:
        return texts
    first, last = min(texts), max(texts)  # what these two share, all between them share
    length = next((place for place, (a, b) in enumerate(zip(first, last, strict=False)) if a != b), len(first))
    start = first[:length].rpartition(" ")[0]
    return [text[len(start) :] for text in texts]


def _similar(texts: list[str]) -> Iterator[tuple[int, int, float]]:
    from datasketch import MinHash, MinHashLSH  # type: ignore[import-untyped]  # 1 s: it imports scipy

    shingles = [_shingles(text) for text in texts]
    hashes = MinHash.generator(([piece.encode() for piece in pieces] for pieces in shingles), num_perm=BANDS * ROWS)
    seen = MinHashLSH(num_perm=BANDS * ROWS, params=(BANDS, ROWS))
    for second, signature in enumerate(hashes):
        for first in sorted(seen.query(signature)):
            similarity = len(shingles[first] & shingles[second]) / len(shingles[first] | shingles[second])
            if similarity >= NEAR:
                yield first, second, similarity
        seen.insert(second, signature)


def _shingles(text: str) -> set[str]:
    return {text[start : start + SHINGLE] for start in range(max(1, len(text) - SHINGLE + 1))}
