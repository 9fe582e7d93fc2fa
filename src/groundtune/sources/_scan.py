"""One walk over the pages of a web source: which there are, and each as it is now."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import chain, islice

from httpx2 import URL
from pathspec import GitIgnoreSpec

from groundtune.errors import UserError
from groundtune.sources._fetch import GZIP, Fetcher, Reply, accept, gunzip
from groundtune.sources._lists import feed_entries, sitemap_pages
from groundtune.sources._page import Stamp, check_noindex, document
from groundtune.sources._robots import Manners
from groundtune.sources._urls import FetchError, read_url, shown
from groundtune.sources.folder import Parser
from groundtune.types import Document, Unchanged
from groundtune.workspace import digest

_MOST_SITEMAP = 52_428_800  # bytes, what sitemaps.org allows
_MOST_FEED = 2_000_000  # reading it takes seconds a megabyte


@dataclass(frozen=True, slots=True)
class Options:
    """What a web source was asked for, checked; see its factory."""

    pages: tuple[URL, ...]
    sitemap: URL | None
    feed: URL | None
    include: GitIgnoreSpec
    ignore: GitIgnoreSpec
    readers: frozenset[str]
    allowed: frozenset[tuple[str, int]]
    robots: bool
    max_pages: int
    max_bytes: int
    timeout: float
    pause: float
    user_agent: str


class Scan:
    """known: id -> stamp of what the index has ("": to be read again, whatever it was); leave_out: gets the id of a
    listed thing that is not read, and why."""

    def __init__(
        self,
        parser: Parser,
        options: Options,
        fetcher: Fetcher,
        known: Mapping[str, str],
        leave_out: Callable[[str, FetchError], None],
    ) -> None:
        self._parser = parser
        self._options = options
        self._fetcher = fetcher
        self._leave_out = leave_out
        self._manners = Manners(fetcher, options.user_agent, options.pause, options.robots)
        self._known = {id: Stamp.loads(text) for id, text in known.items()}
        self._digest = digest([options.readers, options.robots])
        self._feed = digest(str(options.feed)) if options.feed else ""
        self._listed: set[str] = set()
        self._of_feed: set[str] = set()

    # ------------------------------------------------------------ which pages there are

    def listed(self) -> list[str]:
        """The ids of the pages to read, each once. Raises UserError where the sitemap or the feed cannot be read."""
        most = self._options.max_pages
        every = chain(map(str, self._options.pages), self._in_sitemap(), self._in_feed())
        first = list(islice(self._once(every), most + 1))
        if len(first) > most:
            reason = f"more pages are listed than max_pages = {most}: neither it nor those after it are read"
            self._leave_out(first.pop(), FetchError(reason))
        return first

    def _once(self, ids: Iterator[str]) -> Iterator[str]:
        for id in ids:
            if id not in self._listed:
                self._listed.add(id)
                yield id

    def _in_sitemap(self) -> Iterator[str]:
        start = self._options.sitemap
        if start is None:
            return
        with _whole("sitemap", start):
            for address in sitemap_pages(str(start), lambda one: self._list(one, _MOST_SITEMAP).body, self._leave_out):
                yield from self._wanted(address, only=_site(start))

    def _in_feed(self) -> Iterator[str]:
        start = self._options.feed
        if start is None:
            return
        with _whole("feed", start):
            reply = self._list(str(start), _MOST_FEED)
            entries = feed_entries(reply.body, str(reply.url), reply.headers)
        for entry, address in entries:
            if address:
                yield from self._of_this_feed(address)
            else:
                self._leave_out(entry, FetchError("it has no link to a page"))
        for id, stamp in self._known.items():  # a feed drops its oldest entries; their pages are still there
            if id not in self._listed and (stamp is None or stamp.feed == self._feed):
                yield from self._of_this_feed(id)

    def _of_this_feed(self, address: str) -> Iterator[str]:
        for id in self._wanted(address):
            self._of_feed.add(id)
            yield id

    def _wanted(self, address: str, only: str = "") -> Iterator[str]:
        """The id of a page, if the options want it; `only`: the site that it must be of."""
        try:
            url = read_url(address)
            if only and _site(url) != only:
                raise FetchError(f"the sitemap of {only} speaks for its own pages alone; name it in pages")
        except FetchError as error:
            self._leave_out(shown(address), error)
            return
        path = url.path.lstrip("/")
        include, ignore = self._options.include, self._options.ignore
        if (not include or include.match_file(path)) and not ignore.match_file(path):
            yield str(url)

    def _list(self, address: str, most: int) -> Reply:
        reply = accept(self._fetcher.get(read_url(address), most, self._manners.wait))
        if not reply.body.startswith(GZIP):
            return reply
        return Reply(reply.url, reply.status, reply.headers, gunzip(reply.body, most))

    # ------------------------------------------------------------ a page as it is now

    def read(self, id: str) -> Document | Unchanged:
        """A listed page. Raises FetchError or, from the parser, UserError where it cannot be read."""
        try:
            page = self._read(id)
        except FetchError as error:
            self._manners.note(URL(id), failed=error.passing)
            raise
        self._manners.note(URL(id), failed=False)
        return page

    def _read(self, id: str) -> Document | Unchanged:
        feed = self._feed if id in self._of_feed else ""
        old = self._known.get(id)
        if old and (old.options, old.feed) != (self._digest, feed):
            old = None  # the same page would become another document now

        def before(hop: URL) -> Mapping[str, str]:
            self._manners.permit(hop)
            return self._manners.wait(hop) | (old.conditions(hop) if old else {})

        reply = self._fetcher.get(URL(id), self._options.max_bytes, before)
        unchanged = reply.status == 304 and old is not None and bool(old.conditions(reply.url))
        if not unchanged:
            accept(reply)
        if self._options.robots:
            check_noindex(reply, self._manners.agent)
        if unchanged:
            return Unchanged(id)
        stamp = Stamp.of(reply, self._digest, feed)
        if stamp == old:
            return Unchanged(id)
        return document(id, reply, stamp, self._parser, self._options.readers)


@contextmanager
def _whole(option: str, url: URL) -> Iterator[None]:
    """Without a list nobody could tell what is gone, so its failure is the whole source's."""
    try:
        yield
    except FetchError as error:
        raise UserError(f"[[sources]] {option} = {str(url)!r}: {error.reason}") from error


def _site(url: URL) -> str:
    return url.host.removeprefix("www.")
