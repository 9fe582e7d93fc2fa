"""Text files of a user, as text."""

from __future__ import annotations

from pathlib import Path

from groundtune.errors import UserError


def read_text(path: Path) -> str:
    """A file's text; UTF-8, with or without a byte order mark. Raises UserError naming the line that is not."""
    try:
        data = path.read_bytes()
    except OSError as error:
        raise UserError(f"{path}: not readable ({error.strerror})") from error
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise UserError(
            f"{path.name} line {line}: not UTF-8 (byte 0x{data[error.start]:02x})", "save the file as UTF-8"
        ) from error
