"""What every family of formats makes: a text, and where its sections are."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from groundtune.types import Section


@dataclass(frozen=True, slots=True)
class Parsed:
    """A file's text with what is known about it. `readers`: the groups who may read it; empty means everyone."""

    text: str
    title: str = ""
    sections: tuple[Section, ...] = ()
    readers: frozenset[str] = frozenset()
    metadata: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Format:
    """A format's name, as a user says it, and the function that reads it."""

    name: str
    read: Callable[[bytes], Parsed]


class Heading(NamedTuple):
    """A heading that begins at `text[start]`; a smaller level stands above (0: a title, 6: the least in Markdown)."""

    start: int
    level: int
    words: str


def sections(text: str, headings: Sequence[Heading]) -> tuple[Section, ...]:
    """The stretches of a text from one heading to the next, each named by its way down: "Returns > Deadlines"."""
    if not headings:
        return ()
    found = [Section(0, headings[0].start)] if text[: headings[0].start].strip() else []
    ends = [heading.start for heading in headings[1:]] + [len(text)]
    above: list[Heading] = []
    for heading, end in zip(headings, ends, strict=True):
        above = [one for one in above if one.level < heading.level] + [heading]
        found.append(Section(heading.start, end, " > ".join(one.words for one in above if one.words)))
    return tuple(found)


def one_line(words: str) -> str:
    """The words with single spaces between them and no line breaks."""
    return " ".join(words.split())


class Outline:
    """A text that is written block by block, with a blank line between two; it remembers its headings."""

    def __init__(self) -> None:
        self._blocks: list[str] = []
        self._length = 0
        self._headings: list[Heading] = []

    def heading(self, level: int, words: str) -> None:
        """Begins a section."""
        if words := one_line(words):
            self._headings.append(Heading(self._length, level, words))
            self._add(words)

    def lines(self, lines: Iterable[str]) -> None:
        """Adds a block: a paragraph of one line, or the lines of a list or table. Empty lines are dropped."""
        self._add("\n".join(line for line in map(one_line, lines) if line))

    def verbatim(self, block: str) -> None:
        """Adds a block whose spaces matter: program text."""
        self._add(block.strip("\n"))

    def parsed(self, title: str = "") -> Parsed:
        """The whole. `title` is for a text without headings; else the first heading is the title."""
        text = "\n\n".join(self._blocks)
        first = self._headings[0].words if self._headings else ""
        return Parsed(text, first or one_line(title), sections(text, self._headings))

    def _add(self, block: str) -> None:
        if block.strip():
            self._blocks.append(block)
            self._length += len(block) + 2
