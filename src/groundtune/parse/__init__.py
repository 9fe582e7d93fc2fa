"""Bytes -> text with structure. One file a family of formats.

A family's file holds `FORMATS`: suffix -> Format(its name for messages, the function that reads it). That function
gets the file's bytes, gives a Parsed and raises whatever it likes: here is the one guard that turns it into a reason.
"""

from __future__ import annotations

import dataclasses
import importlib
import warnings
from functools import cache
from pathlib import PurePosixPath

from groundtune import plug
from groundtune.errors import UserError
from groundtune.parse._parsed import Format, Parsed, one_line
from groundtune.workspace import dumps

__all__ = ["Format", "Parsed", "formats", "parse", "recognise"]


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

    Sections are sorted, do not overlap and lie within the text. Raises UserError where the file cannot be read; its
    message is the reason, without the file's name.
    """
    format = recognise(name)
    try:
        with warnings.catch_warnings(action="ignore"):
            parsed = format.read(data)
        dumps(parsed).encode()  # a half surrogate could not be stored
    except Exception as error:  # whatever a library does with a damaged file must not stop the others
        raise UserError(f"not readable as {format.name} ({_why(error)})") from error
    if not parsed.text.strip():
        raise UserError("it holds no text")
    return dataclasses.replace(parsed, title=parsed.title or PurePosixPath(name).stem)


def _why(error: Exception) -> str:
    message = one_line(str(error))[:200]
    return message if isinstance(error, ValueError) and message else f"{type(error).__name__}: {message}".rstrip(": ")
