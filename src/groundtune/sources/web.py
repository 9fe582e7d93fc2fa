"""Documents from the web: pages named one by one, by a sitemap, or by an RSS or Atom feed.

A document's id is the address that it is listed under. A page is asked for with the ETag and Last-Modified that the
index knows, so one that has not changed costs a short "304". What fails for the moment is kept; what is gone, goes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Annotated

from httpx2 import URL
from pydantic import Field

from groundtune.errors import UserError
from groundtune.sources._fetch import Fetcher
from groundtune.sources._options import nothing, patterns
from groundtune.sources._scan import Options, Scan
from groundtune.sources._urls import FetchError, allowed_hosts, read_url, shown
from groundtune.sources.folder import Parser
from groundtune.types import Document, LeftOut, Source, Unchanged

Group = Annotated[str, Field(min_length=1)]


def create(
    parser: Parser,
    *,
    pages: Sequence[str] = (),
    sitemap: str | None = None,
    feed: str | None = None,
    include: Sequence[str] = (),
    ignore: Sequence[str] = (),
    readers: Annotated[Sequence[Group], Field(min_length=1)] | None = None,
    allow_hosts: Sequence[str] = (),
    robots: bool = True,
    max_pages: Annotated[int, Field(ge=1, le=100_000)] = 1_000,
    max_megabytes: Annotated[float, Field(gt=0, le=1_000)] = 20,
    timeout: Annotated[float, Field(gt=0, le=600)] = 30,
    pause: Annotated[float, Field(ge=0, le=600)] = 0.5,
    user_agent: Annotated[str, Field(pattern=r"^[A-Za-z]([ -~]*[!-~])?$")] = "Groundtune",
) -> Source:
    """A source of pages of the web.

    pages, sitemap, feed: addresses; at least one of the three. include, ignore: patterns as in .gitignore, of the paths
    that a sitemap or feed lists; no include: all. readers: the groups who may read these pages; none named: everyone.
    allow_hosts: hosts that may be asked though their addresses are private: "intranet.example" (ports 80 and 443),
    "localhost:8080" (this port alone). robots: whether robots.txt and noindex are obeyed. max_pages: how many are read,
    in the order of the lists. max_megabytes: larger pages are left out. timeout: seconds that one request may take in
    all. pause: seconds between two requests to one host. Raises UserError for an address or a pattern that is none.
    """
    if not pages and not sitemap and not feed:
        raise UserError('[[sources]] kind = "web" names no page', "set pages, sitemap or feed")
    return Web(
        parser,
        Options(
            pages=tuple(_address("pages", page) for page in pages),
            sitemap=_address("sitemap", sitemap) if sitemap else None,
            feed=_address("feed", feed) if feed else None,
            include=patterns("include", include),
            ignore=patterns("ignore", ignore),
            readers=frozenset(readers or ()),
            allowed=allowed_hosts(allow_hosts),
            robots=robots,
            max_pages=max_pages,
            max_bytes=int(max_megabytes * 1_000_000),
            timeout=timeout,
            pause=pause,
            user_agent=user_agent,
        ),
    )


class Web:
    """The pages that are listed now."""

    def __init__(self, parser: Parser, options: Options) -> None:
        self.parser = parser
        self.options = options

    def documents(
        self, known: Mapping[str, str], left_out: Callable[[LeftOut], None]
    ) -> Iterator[Document | Unchanged]:
        """Every page, one in memory at a time; those that cannot be read go to `left_out`.

        Where there is a feed, known pages that no list names any more are read too, as long as they are there: those
        whose stamp says that this feed named them, and those whose stamp is "", for it may have.

        Raises UserError where the sitemap or the feed cannot be read or, at the end, where no page could be.
        """
        missed: dict[str, LeftOut] = {}  # a list may name what cannot be read again and again

        def leave_out(id: str, error: FetchError | UserError) -> None:
            if id not in missed:
                missed[id] = LeftOut(id, str(error), passing=isinstance(error, FetchError) and error.passing)
                left_out(missed[id])

        found = 0
        with Fetcher(self.options.user_agent, self.options.timeout, self.options.allowed) as fetcher:
            scan = Scan(self.parser, self.options, fetcher, known, leave_out)
            for id in scan.listed():
                try:
                    page = scan.read(id)
                except (FetchError, UserError) as error:
                    leave_out(id, error)
                else:
                    found += 1
                    yield page
        if not found:
            what = '[[sources]] kind = "web": no page could be read'
            raise nothing(what, list(missed.values()), "docs/sources.md says what each reason means")


def _address(option: str, text: str) -> URL:
    try:
        return read_url(text)
    except FetchError as error:
        raise UserError(f"[[sources]] {option}: {shown(text)!r}: {error.reason}") from error
