"""Texts cut to a readable length, and quotes with the answer marked. Data only: the template does the escaping."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

SHORT = 280  # characters of a text that are shown at once
FULL = 20_000  # characters that a page carries of any text at the most
EXCERPT = 240  # characters of a cited passage
_LONGEST_MARK = 200  # longer texts are not looked for in passages

Mark = Literal["", "said", "right"]


@dataclass(frozen=True, slots=True)
class Cut:
    """A text as it is shown first, and in full where that is less; `dropped` characters are not in the page at all."""

    short: str
    full: str = ""
    dropped: int = 0


@dataclass(frozen=True, slots=True)
class Piece:
    """A stretch of a passage; mark: the approach said it, or it is a right answer."""

    text: str
    mark: Mark = ""


def cut(text: str) -> Cut:
    """A text, cut at a space and ended by an ellipsis where it is long."""
    if len(text) <= SHORT:
        return Cut(text)
    short = text[:SHORT].rsplit(maxsplit=1)[0] if " " in text[SHORT // 2 : SHORT] else text[:SHORT]
    return Cut(short + " …", text[:FULL], max(0, len(text) - FULL))


def marked(text: str, *, said: str, right: Sequence[str]) -> tuple[Piece, ...]:
    """A passage in pieces: right answers marked, else the answer that was given. Case and white space do not count."""
    text = text[:FULL]
    patterns: list[tuple[str, Mark]] = [(_pattern(answer), "right") for answer in sorted(right, key=len, reverse=True)]
    patterns.append((_pattern(said), "said"))
    sought = [(pattern, mark) for pattern, mark in patterns if pattern]
    if not sought:
        return (Piece(text),)
    pieces, done = [], 0
    for match in re.finditer("|".join(f"({pattern})" for pattern, _ in sought), text, re.IGNORECASE):
        if match.start() > done:
            pieces.append(Piece(text[done : match.start()]))
        pieces.append(Piece(match[0], sought[(match.lastindex or 1) - 1][1]))
        done = match.end()
    return (*pieces, Piece(text[done:])) if done < len(text) else tuple(pieces)


def excerpt(pieces: tuple[Piece, ...]) -> tuple[Piece, ...]:
    """The stretch of a marked passage around its first mark, of readable length, with an ellipsis where it was cut."""
    length = sum(len(piece.text) for piece in pieces)
    if length <= EXCERPT:
        return pieces
    first = next((index for index, piece in enumerate(pieces) if piece.mark), 0)
    before = sum(len(piece.text) for piece in pieces[:first])
    start = max(0, min(before - EXCERPT // 3, length - EXCERPT))
    end, at, kept = start + EXCERPT, 0, []
    for piece in pieces:
        inside = piece.text[max(0, start - at) : max(0, end - at)]
        if inside:
            kept.append(Piece(inside, piece.mark))
        at += len(piece.text)
    if start > 0:
        kept.insert(0, Piece("… "))
    if end < length:
        kept.append(Piece(" …"))
    return tuple(kept)


def _pattern(answer: str) -> str:
    """A regular expression for an answer's words as whole words; nothing for what is too long or has no words."""
    bare = answer.strip().strip(".,;:!?\"'")
    if not bare or len(bare) > _LONGEST_MARK:
        return ""
    return r"(?<!\w)" + r"\s+".join(re.escape(word) for word in bare.split()) + r"(?!\w)"
