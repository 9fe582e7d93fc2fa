"""E-mail: the subject is the title, who wrote to whom and when stands above the text, attachments are named below."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from email import errors, message_from_bytes, policy
from email.message import EmailMessage, MIMEPart

from groundtune.parse import html
from groundtune.parse._encoding import decode
from groundtune.parse._parsed import Format, Outline, Parsed, one_line

_HEADERS = ("From", "To", "Cc", "Date")
_KNOWN = ("From", "Date", "Subject", "Message-ID", "Received")  # what has none of these is no e-mail
_MOST_PARTS = 100  # that hold parts themselves: reading takes the square of how deep they are nested
_LONGEST = 100_000  # characters of a header: thousands of people; reading takes the square of it
_HOLDS_PARTS = re.compile(rb"^content-type:\s*(multipart|message)/", re.IGNORECASE | re.MULTILINE)
_ESCAPED = ("iso-2022", "hz", "utf-7")  # encodings whose bytes are valid UTF-8, but mean something else
_PGP = "-----BEGIN PGP MESSAGE-----"


def eml(data: bytes) -> Parsed:
    """A message, the replies that it quotes included. Raises ValueError for an encrypted and for a truncated one."""
    if len(_HOLDS_PARTS.findall(data)) > _MOST_PARTS:
        raise ValueError(f"more than {_MOST_PARTS} messages or groups of parts are in it")
    message = message_from_bytes(data, _class=EmailMessage, policy=policy.default)
    if not any(name in message for name in _KNOWN):
        raise ValueError("it is no e-mail inside: no From, Date or Subject")
    if any(len(value) > _LONGEST for _, value in message.raw_items()):
        raise ValueError(f"a header of more than {_LONGEST:,} characters")
    try:
        return _read(message)
    except RecursionError as error:
        raise ValueError("what is in it is nested too deep") from error


def _read(message: EmailMessage) -> Parsed:
    _check(message)
    said = {name: one_line(str(message[name])) for name in _HEADERS if message[name]}
    outline = Outline()
    outline.heading(1, str(message["Subject"] or ""))
    outline.lines(f"{name}: {words}" for name, words in said.items())
    outline.verbatim(_body(message))
    names = [one_line(name) for name in _attachments(message)]
    outline.lines([f"Attachments: {', '.join(names)}"] if names else [])
    return replace(outline.parsed(), metadata={name.lower(): words for name, words in said.items()} | _time(message))


def _time(message: EmailMessage) -> dict[str, str]:
    """The time of a message in ISO 8601, where its date is one."""
    when = getattr(message["Date"], "datetime", None)
    return {"date": when.isoformat()} if when else {}


def _check(message: EmailMessage) -> None:
    for part in message.walk():
        kind = part.get_content_type()
        if kind == "multipart/encrypted":
            raise ValueError("it is encrypted (PGP)")
        if kind in ("application/pkcs7-mime", "application/x-pkcs7-mime"):
            signed = part.get_param("smime-type") == "signed-data"
            raise ValueError("its text is inside a signature (S/MIME)" if signed else "it is encrypted (S/MIME)")
        if any(isinstance(defect, errors.CloseBoundaryNotFoundDefect) for defect in part.defects):
            raise ValueError("the file is truncated")


def _body(message: EmailMessage) -> str:
    """The text of a message: its plain text or, where that is empty, its HTML."""
    plain = message.get_body(("plain",))
    text = _plain(plain) if plain is not None else ""
    if _PGP in text:
        raise ValueError("it is encrypted (PGP)")
    page = message.get_body(("html",))
    if text.strip() or page is None:
        return text
    words = _decoded(page)
    return html.page(words.encode()).text if words.strip() else ""


def _plain(part: MIMEPart) -> str:
    """Plain text, the lines of a flowed paragraph made one (RFC 3676)."""
    text = _decoded(part)
    if part.get_param("format") != "flowed":
        return text
    removed = "" if str(part.get_param("delsp")).lower() == "yes" else " "
    return re.sub(r"(?<!^--) \n(?=[^>\n])", removed, text, flags=re.MULTILINE)


def _decoded(part: MIMEPart) -> str:
    payload = part.get_payload(decode=True)
    if not isinstance(payload, bytes):
        return ""
    charset = str(part.get_content_charset() or "")
    if charset.startswith(_ESCAPED):
        return payload.decode(charset, "replace")
    return decode(payload, "cp1252" if charset in ("iso-8859-1", "us-ascii") else charset)


def _attachments(message: EmailMessage) -> Iterator[str]:
    """The names of a message's attachments; of a message in it, the subject."""
    for part in message.iter_attachments():
        if part.get_content_type() == "message/rfc822":
            inner = part.get_content()
            yield str(inner["Subject"] or "a message")
        elif name := part.get_filename():
            yield name


FORMATS = {".eml": Format("e-mail", eml)}
