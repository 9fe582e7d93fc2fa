"""The formats that examples come in, one file each. A new format is one new file with a `create` (docs/examples.md)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from groundtune.examples.material import Material
from groundtune.types import Document, Example


@dataclass(frozen=True, slots=True)
class Found:
    """An example and where it stands. An empty id or group is filled in by the reader."""

    where: str
    example: Example


@dataclass(frozen=True, slots=True)
class Reading:
    """What a format makes of a file: `says` describes it to the user; `documents` are those that came with it."""

    says: str
    found: list[Found]
    documents: tuple[Document, ...] = ()
    notes: tuple[str, ...] = ()


class Format(Protocol):
    def recognises(self, material: Material) -> bool:
        """Whether this is the format, judged by names alone: the first row's keys, the files in a folder."""
        ...

    def read(self, material: Material) -> Reading:
        """The examples. Raises UserError with the place of the first row that is not as it should be."""
        ...
