"""Lists of pages: sitemaps (sitemaps.org: XML, indexes of others, plain text; gzipped too), RSS and Atom feeds.

They come from outside: no entity is expanded, nothing that they name is loaded, and all is bounded.
"""

from __future__ import annotations

import io
import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any, TypeVar

from groundtune.sources._urls import FetchError, GoneError, shown

MOST_SITEMAPS = 1_000  # of one index
MOST_PAGES = 1_000_000  # of all its sitemaps
MOST_ELEMENTS = 2_000_000  # of one sitemap; it may have 50,000 pages

Read = Callable[[str], bytes]
T = TypeVar("T")


def sitemap_pages(start: str, read: Read, left_out: Callable[[str, FetchError], None]) -> Iterator[str]:
    """The pages that a sitemap lists, those of the sitemaps in it included.

    read: gives what is at an address, or raises FetchError. A sitemap of an index that is gone goes to `left_out`; any
    other that cannot be read raises FetchError, for without it nobody could say which pages there are.
    """
    pending, seen, count = [start], {start}, 0
    for address in pending:  # grows meanwhile
        try:
            pages, sitemaps = _sitemap(read(address), MOST_PAGES - count)
        except GoneError as error:
            if address == start:
                raise
            left_out(shown(address), error)
            continue
        except FetchError as error:
            if address == start:
                raise
            raise FetchError(f"its sitemap {shown(address)}: {error.reason}", error.passing) from error
        count += len(pages)
        yield from pages
        pending += [one for one in dict.fromkeys(sitemaps) if one not in seen]
        seen.update(sitemaps)
        if len(pending) > MOST_SITEMAPS:
            raise FetchError(f"it leads to more than {MOST_SITEMAPS} sitemaps")


def _sitemap(data: bytes, most: int) -> tuple[list[str], list[str]]:
    """The pages and the sitemaps that one sitemap lists. Raises FetchError where there are more than `most`."""
    from lxml import etree  # type: ignore[import-untyped]

    data = data.lstrip()
    if not data.startswith((b"<", b"\xef\xbb\xbf<", b"\xff\xfe", b"\xfe\xff")):
        return list(_at_most(most, _plain(data))), []
    found: dict[str, list[str]] = {"url": [], "sitemap": []}
    reading = etree.iterparse(
        io.BytesIO(data),
        resolve_entities=False,
        no_network=True,
        load_dtd=False,
        huge_tree=False,
        remove_comments=True,
        remove_pis=True,
    )
    try:
        for kind, address in _at_most(most, _places(reading)):
            found[kind].append(address)
    except etree.XMLSyntaxError as error:
        raise FetchError(f"not readable as a sitemap ({error.msg})") from error
    root = etree.QName(reading.root).localname
    if root not in ("urlset", "sitemapindex"):
        raise FetchError(f"it is no sitemap but <{root[:40]}>" + ("; use feed" if root in ("rss", "feed") else ""))
    return found["url"], found["sitemap"]


def _places(reading: Iterator[tuple[str, Any]]) -> Iterator[tuple[str, str]]:
    """ "url" or "sitemap", and its address. Each element is let go as soon as it is read."""
    for number, (_, element) in enumerate(reading, 1):
        if number > MOST_ELEMENTS:
            raise FetchError(f"it has more than {MOST_ELEMENTS} elements")
        above = element.getparent()
        if above is None:
            continue
        kind, name = (one.tag.rpartition("}")[2] for one in (above, element))
        address = (element.text or "").strip()
        element.clear()
        while element.getprevious() is not None:  # else it would stay, though empty
            del above[0]
        if name == "loc" and kind in ("url", "sitemap") and address:
            yield kind, address


def _plain(data: bytes) -> Iterator[str]:
    none = True
    for word in re.finditer(rb"\S+", data):
        address = word[0].decode("utf-8", "replace")
        if none := not address.startswith(("http://", "https://")):
            break
        yield address
    if none:
        raise FetchError("it is no sitemap: neither XML nor a list of addresses, one a line")


def _at_most(most: int, found: Iterator[T]) -> Iterator[T]:
    for number, one in enumerate(found, 1):
        if number > most:
            raise FetchError(f"it lists more than {MOST_PAGES} pages")
        yield one


def feed_entries(data: bytes, address: str, headers: Mapping[str, str]) -> list[tuple[str, str]]:
    """Of each entry of a feed what it is called and the address of its page, "" where it has none.

    address: where the feed was found; relative links start from there. Raises FetchError for what is no feed.
    """
    import feedparser  # type: ignore[import-untyped]

    told = {"content-location": address, "content-type": headers.get("content-type", "application/xml")}
    try:
        # A stream: of bytes, feedparser would first see whether they name a file, and open it.
        feed: Any = feedparser.parse(io.BytesIO(data), response_headers=told, sanitize_html=False)
    except Exception as error:  # whatever it stumbles over
        raise FetchError(f"not readable as a feed ({type(error).__name__})") from error
    if not feed.get("version"):
        raise FetchError("it is no RSS or Atom feed")
    return [
        (f"entry {number} of {address}", str(entry.get("link", ""))) for number, entry in enumerate(feed.entries, 1)
    ]
