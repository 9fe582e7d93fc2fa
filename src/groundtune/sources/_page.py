"""One page: what is remembered of it, whether its site wants it to be found, and the document that it makes."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection
from dataclasses import dataclass
from datetime import UTC
from email.utils import parsedate_to_datetime
from typing import Self

from httpx2 import URL

from groundtune.sources._fetch import Reply
from groundtune.sources._media import file_name, is_markup, recoded
from groundtune.sources._urls import FetchError
from groundtune.sources.folder import Parser
from groundtune.types import Document
from groundtune.workspace import digest, dumps

_HEAD_BYTES = 200_000  # where a page's <meta> elements stand; all of it is read in a process of its own alone
_LONGEST_TAG = 500  # characters of an ETag; a longer one is not worth keeping


@dataclass(frozen=True, slots=True)
class Stamp:
    """What two states of a page are told apart by.

    place: a digest of the address that it came from, after redirects: its ETag and Last-Modified hold there alone.
    options: a digest of the options that change what a page becomes; feed: of the feed that listed it, if one did.
    """

    place: str
    body: str
    etag: str
    modified: str
    options: str
    feed: str

    @classmethod
    def of(cls, reply: Reply, options: str, feed: str) -> Self:
        """The stamp of a page that was just read."""
        body = hashlib.sha256(reply.body).hexdigest()[:16]
        return cls(_place(reply.url), body, _kept(reply, "etag"), _kept(reply, "last-modified"), options, feed)

    @classmethod
    def loads(cls, text: str) -> Self | None:
        """The stamp that `dumps` wrote; None for anything else."""
        try:
            return cls(**json.loads(text))
        except (ValueError, TypeError):
            return None

    def dumps(self) -> str:
        """One line of JSON."""
        return dumps(self)

    def conditions(self, url: URL) -> dict[str, str]:
        """The headers by which a server answers 304 if what is there is still in this state."""
        told = {"If-None-Match": self.etag, "If-Modified-Since": self.modified} if self.place == _place(url) else {}
        return {name: value for name, value in told.items() if value}


def check_noindex(reply: Reply, agent: str) -> None:
    """Raises FetchError if the reply's X-Robots-Tag or, in a page of HTML, its <meta name="robots"> says noindex."""
    said = [reply.headers.get("x-robots-tag", "")]
    if is_markup(reply.url, reply.headers.get("content-type", "")):
        said += _metas(reply.body, {"robots", agent.lower()})
    tokens = {token.strip().lower() for value in said for token in value.split(",")}
    if tokens & {"noindex", "none", f"{agent.lower()}: noindex", f"{agent.lower()}: none"}:
        raise FetchError("it asks not to be indexed (noindex)")


def document(id: str, reply: Reply, stamp: Stamp, parser: Parser, readers: frozenset[str]) -> Document:
    """The document that a page makes. Raises FetchError for a type that no parser reads, and UserError as the parser.

    readers: who may read this source's pages; a page may name fewer, never others.
    """
    content_type = reply.headers.get("content-type", "")
    name = file_name(reply.url, content_type, parser.formats())
    parsed = parser.parse(name, recoded(name, content_type, reply.body))
    return Document(
        id=id,
        text=parsed.text,
        title=parsed.title,
        stamp=stamp.dumps(),
        changed=_time(reply.headers.get("last-modified", "")),
        sections=parsed.sections,
        readers=_readers(readers, parsed.readers),
        metadata=parsed.metadata,
    )


def _readers(of_source: frozenset[str], of_page: frozenset[str]) -> frozenset[str]:
    if not of_source or not of_page:
        return of_source | of_page
    if both := of_source & of_page:
        return both
    raise FetchError(f"its own readers ({', '.join(sorted(of_page))}) are none of the source's")


def _metas(body: bytes, names: Collection[str]) -> list[str]:
    """The contents of the <meta> elements of these names at a page's beginning."""
    from lxml import etree, html  # type: ignore[import-untyped]

    try:
        metas = html.document_fromstring(body[:_HEAD_BYTES]).iter("meta")
    except (etree.LxmlError, ValueError):  # no page at all: the parser will say so
        return []
    return [meta.get("content", "") for meta in metas if meta.get("name", "").strip().lower() in names]


def _place(url: URL) -> str:
    return digest(str(url))


def _kept(reply: Reply, name: str) -> str:
    value = reply.headers.get(name, "")
    return value if value.isascii() and len(value) <= _LONGEST_TAG else ""


def _time(http_date: str) -> str:
    """An HTTP date as ISO 8601 in UTC; "" for what is none."""
    try:
        moment = parsedate_to_datetime(http_date)
        moment = moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
    except (ValueError, TypeError, OverflowError):
        return ""
    return moment.isoformat(timespec="seconds")
