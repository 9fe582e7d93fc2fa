"""Bytes -> characters. UTF-8 unless the bytes say otherwise; what is no text is refused."""

from __future__ import annotations

import codecs

# The longer marks first: UTF-32's begins with UTF-16's.
_MARKS = {
    codecs.BOM_UTF8: "utf-8-sig",
    codecs.BOM_UTF32_LE: "utf-32",
    codecs.BOM_UTF32_BE: "utf-32",
    codecs.BOM_UTF16_LE: "utf-16",
    codecs.BOM_UTF16_BE: "utf-16",
}
_WIDE = ["utf_16_le", "utf_16_be", "utf_32_le", "utf_32_be"]
# What documents are in; the detector knows 80 more, from old mainframes and Macs, and takes short texts for them.
_NARROW = [f"cp125{number}" for number in range(9)] + ["koi8_r", "cp932", "euc_jp", "cp949", "gb18030", "big5"]


def decode(data: bytes, declared: str = "") -> str:
    """The text of a file, its line ends made "\\n". `declared`: the encoding that it says it has, if it does.

    Raises ValueError for bytes that are no text in any encoding (a binary file) and for damaged UTF-8.
    """
    text = _decode(data, declared)
    if "\0" in text:
        raise ValueError("a binary file: it holds NUL bytes")
    return text.replace("\r\n", "\n").replace("\r", "\n")


def _decode(data: bytes, declared: str) -> str:
    for mark, encoding in _MARKS.items():
        if data.startswith(mark):
            return data.decode(encoding)
    if b"\0" in data:
        return _guess(data, _WIDE)
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError as error:
        replaced = data.decode("utf-8", "replace")
        damaged = replaced.count("\ufffd")
        if sum(character > "\x7f" for character in replaced) > 3 * damaged:  # mostly right: surely meant as UTF-8
            raise ValueError(f"damaged UTF-8 at byte {error.start}") from error
    try:
        return data.decode(declared)
    except (LookupError, UnicodeDecodeError):
        return _guess(data, _NARROW)


def _guess(data: bytes, among: list[str]) -> str:
    """By charset-normalizer. A short Western text fits several encodings, so Windows-1252 wins every tie."""
    from charset_normalizer import from_bytes

    best = from_bytes(data, cp_isolation=among).best()
    western = from_bytes(data, cp_isolation=["cp1252"]).best() if among is _NARROW else None
    if western is not None and (best is None or best.coherence <= western.coherence):
        best = western
    if best is None:
        raise ValueError("a binary file, or text in no known encoding; save it as UTF-8")
    return str(best)
