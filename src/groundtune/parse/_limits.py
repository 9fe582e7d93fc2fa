"""What a file may hold: limits that are checked before, or while, a library reads it, and that cost next to nothing."""

from __future__ import annotations

import io
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager

MOST_TEXT = 50_000_000  # characters of one document: some 25,000 pages
_MOST_UNPACKED = 200_000_000  # bytes: a small file that unpacks to more is an attack, not a text
_MOST_MEMBERS = 10_000
_MEMBER = b"PK\x01\x02"  # what each line of a zip's table of contents begins with
_LOCKED = b"\xd0\xcf\x11\xe0"  # the container of encrypted files, and of Office files before 2007
_ENCRYPTED = 0x1


def check_text(length: int) -> None:
    """Raises ValueError for a text of more characters than one document may have."""
    if length > MOST_TEXT:
        raise ValueError(f"more than {MOST_TEXT // 1_000_000} million characters of text; cut it up")


@contextmanager
def unpacked(data: bytes) -> Iterator[zipfile.ZipFile]:
    """A zip container that is known to be harmless: its sizes are looked at before anything in it is.

    Raises ValueError where there is too much in it or it is encrypted, and for whatever shows damage while it is read:
    broken members, missing members, broken XML.
    """
    if data.startswith(_LOCKED):
        raise ValueError("it is encrypted, or in a format from before 2007; save it anew, without a password")
    if data.count(_MEMBER) > _MOST_MEMBERS:
        raise ValueError(f"it holds more than {_MOST_MEMBERS:,} files")
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            _check(archive.infolist())
            yield archive
    except (zipfile.BadZipFile, zlib.error, EOFError) as error:
        raise ValueError("the file is damaged or truncated") from error
    except KeyError as error:
        raise ValueError(f"the file is damaged: {error.args[0] if error.args else error!r}") from error
    except SyntaxError as error:  # XML's
        raise ValueError(f"the file is damaged: {error.msg}") from error
    except RecursionError as error:
        raise ValueError("what is in it is nested too deep") from error


@contextmanager
def office(data: bytes, kind: str, what: str) -> Iterator[None]:
    """Guards the reading of an Office file. kind: its content type; what: "a Word document". Raises as `unpacked`."""
    with unpacked(data) as archive:
        types = "[Content_Types].xml"
        if types not in archive.namelist() or f"{kind}.main+xml".encode() not in archive.read(types):
            raise ValueError(f"it is not {what} inside")
        yield


def _check(members: list[zipfile.ZipInfo]) -> None:
    size = sum(member.file_size for member in members)
    if size > _MOST_UNPACKED:
        raise ValueError(f"it unpacks to {size // 1_000_000} MB")
    if any(member.flag_bits & _ENCRYPTED for member in members):
        raise ValueError("it is encrypted; save it without a password")
