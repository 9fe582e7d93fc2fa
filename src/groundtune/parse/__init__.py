"""Bytes -> text with structure. One file a family of formats.

A family's file holds `FORMATS`: suffix -> Format(its name for messages, the function that reads it). That function
gets the file's bytes, gives a Parsed and may raise, hang or crash as it likes: it runs in a process of its own, and
whatever happens there becomes a reason.
"""

from __future__ import annotations

import dataclasses
import importlib
from functools import cache
from pathlib import PurePosixPath

from groundtune import plug
from groundtune.errors import UserError
from groundtune.parse._bounded import Bounded
from groundtune.parse._frontmatter import sidecar
from groundtune.parse._parsed import Format, Parsed

__all__ = ["Format", "Parsed", "formats", "parse", "recognise", "sidecar"]

_process = Bounded()


@cache
def formats() -> dict[str, Format]:
    """Every format that can be read, by its suffix: ".md"."""
    found: dict[str, Format] = {}
    for family in plug.kinds("parse"):
        found.update(importlib.import_module(f"groundtune.parse.{family}").FORMATS)
    return found


def recognise(name: str) -> Format:
    """The format of a file, by its name. Raises UserError for one that nothing here can read."""
    suffix = PurePosixPath(name).suffix.lower()
    if suffix not in formats():
        what = f"unknown format {suffix}" if suffix else "unknown format (its name has no suffix)"
        raise UserError(what, f"formats: {', '.join(sorted(formats()))}")
    return formats()[suffix]


def parse(name: str, data: bytes) -> Parsed:
    """The text of a file, its title (the file's name where it has none) and its sections.

    Sections are sorted, do not overlap and lie within the text. Raises UserError where the file cannot be read, or not
    within the limits of `_bounded`; its message is the reason, without the file's name.
    """
    format = recognise(name)
    path = PurePosixPath(name)
    try:
        parsed = _process.read(path.suffix.lower(), data)
    except ValueError as error:
        raise UserError(f"not readable as {format.name} ({error})") from error
    if not parsed.text.strip():
        raise UserError("it holds no text")
    return dataclasses.replace(parsed, title=parsed.title or path.stem)
