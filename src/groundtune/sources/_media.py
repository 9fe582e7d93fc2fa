"""What came over the wire as the file that a parser takes it for: a name with a suffix, and bytes."""

from __future__ import annotations

from collections.abc import Collection
from email.message import Message
from pathlib import PurePosixPath

from httpx2 import URL

from groundtune.sources._urls import FetchError

_OFFICE = "application/vnd.openxmlformats-officedocument"
_SUFFIXES = {
    "text/html": ".html",
    "application/xhtml+xml": ".xhtml",
    "application/pdf": ".pdf",
    "text/markdown": ".md",
    "text/plain": ".txt",
    "text/csv": ".csv",
    "text/tab-separated-values": ".tsv",
    "application/jsonl": ".jsonl",
    "application/x-ndjson": ".ndjson",
    "application/epub+zip": ".epub",
    "message/rfc822": ".eml",
    f"{_OFFICE}.wordprocessingml.document": ".docx",
    f"{_OFFICE}.presentationml.presentation": ".pptx",
    f"{_OFFICE}.spreadsheetml.sheet": ".xlsx",
}
_VAGUE = {"", "text/plain", "application/octet-stream", "binary/octet-stream", "application/zip"}  # the address may say
_MARKUP = {".html", ".htm", ".xhtml"}
_CHARACTERS = _MARKUP | {".md", ".markdown", ".txt", ".csv", ".tsv", ".jsonl", ".ndjson"}


def file_name(url: URL, content_type: str, formats: Collection[str]) -> str:
    """A name for a page, its suffix one of `formats`, by its content type or, where that is vague, its address.

    Raises FetchError for what no parser reads.
    """
    suffix = _suffix(url, content_type, formats)
    if suffix not in formats:
        kind = _header(content_type).get_content_type()
        raise FetchError(f"content type {kind[:80]} cannot be read" if content_type else "it has no content type")
    return f"{_path(url).stem or url.host}{suffix}"


def is_markup(url: URL, content_type: str) -> bool:
    """Whether a page is HTML."""
    return _suffix(url, content_type, _MARKUP) in _MARKUP


def recoded(name: str, content_type: str, body: bytes) -> bytes:
    """A text in UTF-8, where the header alone says that it is in another encoding. UTF-8 needs nobody to say so."""
    charset = _header(content_type).get_content_charset("")
    if PurePosixPath(name).suffix not in _CHARACTERS or not charset or _decodes(body, "utf-8"):
        return body
    charset = "cp1252" if charset in ("iso-8859-1", "latin1", "us-ascii") else charset  # as browsers do
    return body.decode(charset).encode() if _decodes(body, charset) else body


def _suffix(url: URL, content_type: str, formats: Collection[str]) -> str:
    kind = _header(content_type).get_content_type() if content_type else ""
    own = _path(url).suffix.lower()
    return own if kind in _VAGUE and own in formats else _SUFFIXES.get(kind, "")


def _path(url: URL) -> PurePosixPath:
    return PurePosixPath(" ".join(url.path.split()))


def _decodes(body: bytes, charset: str) -> bool:
    try:
        body.decode(charset)
    except (LookupError, UnicodeError):
        return False
    return True


def _header(content_type: str) -> Message:
    message = Message()
    message["Content-Type"] = content_type
    return message
