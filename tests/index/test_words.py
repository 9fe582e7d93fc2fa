"""Words are found by their stems, whatever stands in a query; damaged or missing ones are mended by the next sync."""

import random
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from groundtune.errors import UserError
from groundtune.index import words as words_module
from groundtune.index.sqlite import SqliteIndex
from groundtune.index.words import LONGEST, Words
from tests.corpus import HashingEmbedder, document, sync

TEXTS = {
    1: "Die Häuser stehen in Mannheim.",
    2: "The kettles are boiling.",
    3: "热水壶可以烧开水。",
    4: "A naïve café, part XK-22_b.",
    5: "x" * LONGEST + " " + "y" * (LONGEST + 1) + " stays",
    6: "half a \ud800 letter",
}
DOCUMENTS = [document(f"{n}.md", f"# Number {n}\n\nEverywhere stands the number {n}.") for n in range(30)]


def made(language: str) -> Words:
    words = Words(None, language)
    words.change([], TEXTS.items())
    return words


def found(words: Words, query: str) -> list[int]:
    return sorted(words.search(query, 10)[0].tolist())


@pytest.mark.parametrize(
    ("language", "query", "expected"),
    [
        ("german", "Haus", []),  # stems, no dictionary: "Häuser" becomes "haus" only where umlauts are folded first
        ("german", "haeuser", []),
        ("german", "Häusern", [1]),
        ("german", "steht stehend", [1]),
        ("english", "Häusern", []),
        ("english", "kettle boils", [2]),
        ("german", "boil", []),
        ("none", "kettle", []),
        ("none", "KETTLES", [2]),
        ("none", "naive", [4]),
        ("english", "xk 22", [4]),
        ("english", "x" * LONGEST, [5]),
        ("english", "y" * (LONGEST + 1), []),
        ("english", "stays", [5]),
        ("english", "half letter", [6]),
        ("english", "half \udfff letter", [6]),
        ("english", "热水壶可以烧开水", [3]),
        ("english", "", []),
        ("english", "?! - \x00", []),
    ],
)
def test_a_word_is_found_by_its_stem(language: str, query: str, expected: list[int]) -> None:
    assert found(made(language), query) == expected
