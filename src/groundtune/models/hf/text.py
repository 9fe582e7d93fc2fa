"""Token ids to text: where a completion ends."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from groundtune.types import Limits


@dataclass(frozen=True, slots=True)
class Said:
    """A completion's text, how many tokens were generated for it, and how probable it was where that is known."""

    text: str
    tokens: int
    confidence: float | None = None


def text_of(
    tokenizer: Any, tokens: list[int], ends: frozenset[int], limits: Limits, confidence: float | None = None
) -> Said:
    """A completion's text up to its first stop."""
    length = next((n for n, token in enumerate(tokens, start=1) if token in ends), len(tokens))
    text: str = tokenizer.decode(tokens[:length], skip_special_tokens=True)
    for stop in limits.stop:
        text = text.split(stop)[0]
    return Said(text, length, confidence)


def until_stop(pieces: Iterable[str], stops: tuple[str, ...]) -> Iterator[str]:
    """The text of the pieces up to the first stop, in pieces again."""
    held_back = max(map(len, stops), default=1) - 1
    text = ""
    for piece in pieces:
        text += piece
        if any(stop in text for stop in stops):
            break
        sure = max(0, len(text) - held_back)
        yield text[:sure]
        text = text[sure:]
    for stop in stops:
        text = text.split(stop)[0]
    yield text
