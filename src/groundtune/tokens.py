"""Small things on lists of token ids."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import takewhile
from typing import Any


def common_prefix(rows: Sequence[list[int]]) -> list[int]:
    """The ids that all rows begin with."""
    return [ids[0] for ids in takewhile(lambda ids: len(set(ids)) == 1, zip(*rows, strict=False))]


def ids_of_words(tokenizer: Any, text: str) -> list[int]:
    """The ids of what a model says, with no end: a name of a control token in it is letters, as any other."""
    ids: list[int] = tokenizer(text, add_special_tokens=False, split_special_tokens=True)["input_ids"]
    return ids
