"""Pages of a real site on this machine: what changed is read, what is gone goes, what fails for the moment stays."""

import gzip
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from email.utils import format_datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from lxml import etree  # type: ignore[import-untyped]

from groundtune import parse, plug
from groundtune.errors import UserError
from groundtune.sources import _lists, _robots
from groundtune.sources._page import Stamp, _time
from groundtune.types import Document, LeftOut, Unchanged
from tests.sources.web_server import MODIFIED, Page, Site, serving


@pytest.fixture
def site() -> Iterator[Site]:
    with serving() as one:
        yield one


class Scanned:
    """What one scan gave. `known` is what an index would know after it."""

    def __init__(self, site: Site, known: dict[str, str] | None = None, **options: Any) -> None:
        self.missed: dict[str, LeftOut] = {}
        settings = {"allow_hosts": [site.host], "pause": 0, "timeout": 5, **options}
        source = plug.make("sources", "web", settings, parse, where="[[sources]]")
        self.all: list[Document | Unchanged] = list(source.documents(known or {}, self.leave_out))
        self.ids = [one.id for one in self.all]
        self.documents = {one.id: one for one in self.all if isinstance(one, Document)}
        self.unchanged = [one.id for one in self.all if isinstance(one, Unchanged)]
        kept = {id for id in known or {} if id in self.unchanged or (id in self.missed and self.missed[id].passing)}
        self.known = {id: (known or {})[id] for id in kept} | {id: one.stamp for id, one in self.documents.items()}

    def leave_out(self, item: LeftOut) -> None:
        assert item.id not in self.missed
        self.missed[item.id] = item

    @property
    def reasons(self) -> dict[str, str]:
        return {id: item.reason for id, item in self.missed.items()}

    @property
    def one(self) -> Document:
        (document,) = self.documents.values()
        return document


def reason(site: Site, path: str, **options: Any) -> str:
    """Why one page is left out, beside another that is read."""
    site.html("/beside", "Beside")
    return Scanned(site, pages=[site.url("/beside"), site.url(path)], **options).reasons[site.url(path)]


def error(site: Site, **options: Any) -> UserError:
    with pytest.raises(UserError) as raised:
        Scanned(site, **options)
    return raised.value


def pages_of(site: Site, *names: str) -> list[str]:
    for name in names:
        site.html(f"/{name}", name)
    return [site.url(f"/{name}") for name in names]


def sitemap(*addresses: str) -> str:
    listed = "".join(f"<url><loc>{address}</loc><lastmod>2026-01-01</lastmod></url>" for address in addresses)
    return f'<?xml version="1.0"?><urlset xmlns="http://www.sitemaps.org/schemas/sitemap/0.9">{listed}</urlset>'


def sitemap_index(*addresses: str) -> str:
    listed = "".join(f"<sitemap><loc>{address}</loc></sitemap>" for address in addresses)
    return f'<sitemapindex xmlns="http://www.sitemaps.org/schemas/sitemap/0.9">{listed}</sitemapindex>'


def rss(*addresses: str) -> str:
    items = "".join(f"<item><title>T</title><link>{address}</link></item>" for address in addresses)
    return f'<rss version="2.0"><channel><title>News</title>{items}</channel></rss>'


def atom(*addresses: str) -> str:
    entries = "".join(
        f'<entry><id>urn:{address}</id><link rel="edit" href="/edit"/><link rel="alternate" href="{address}"/></entry>'
        for address in addresses
    )
    return f'<feed xmlns="http://www.w3.org/2005/Atom"><title>News</title>{entries}</feed>'


# ---------------------------------------------------------------- a page


def test_a_document_has_its_address_time_and_what_is_on_the_page(site: Site) -> None:
    site.html("/returns", "Returns", ETag='"1"', Last_Modified=MODIFIED)
    document = Scanned(site, pages=[site.url("/returns#top")]).one
    assert document.id == site.url("/returns")
    assert (document.title, document.text) == ("Returns", "Returns\n\nAbout Returns.")
    assert [section.heading for section in document.sections] == ["Returns"]
    assert document.changed == "2015-10-21T07:28:00+00:00"
    assert document.readers == frozenset()
    stamp = Stamp.loads(document.stamp)
    assert stamp
    assert (stamp.etag, stamp.modified) == ('"1"', MODIFIED)


def test_a_page_that_does_not_say_when_it_changed_has_no_time(site: Site) -> None:
    site.html("/a", "A", Last_Modified="yesterday")
    assert Scanned(site, pages=[site.url("/a")]).one.changed == ""


@given(st.datetimes(min_value=datetime(1900, 1, 1), timezones=st.just(UTC)))  # noqa: DTZ001 (hypothesis adds it)
def test_a_time_is_the_one_that_the_server_said(moment: datetime) -> None:
    moment = moment.replace(microsecond=0)
    assert _time(format_datetime(moment)) == _time(format_datetime(moment, usegmt=True)) == moment.isoformat()


@pytest.mark.parametrize("text", ["", "x", "Wed, 99 Oct 2015 07:28:00 GMT", "Fri, 31 Dec 9999 23:59:59 -2300"])
def test_what_is_no_time_is_none(text: str) -> None:
    assert _time(text) == ""


@pytest.mark.parametrize(
    ("path", "kind", "body", "title"),
    [
        ("/notes", "text/markdown; charset=utf-8", b"# Notes\n\nWords.", "Notes"),
        ("/notes.md", "text/plain", b"# Notes\n\nWords.", "Notes"),
        ("/notes.md", "application/octet-stream", b"# Notes\n\nWords.", "Notes"),
        ("/prices", "text/csv", b"Item,Fee\nLamp,3 EUR\n", "prices"),
        ("/letter", "text/plain", b"Dear Ann", "letter"),
        ("/", "text/plain", b"Dear Ann", "127.0.0.1"),
        ("/old.htm", "", b"<html><body><h1>Old</h1><p>Words.</p></body></html>", "Old"),
    ],
)
def test_a_page_is_parsed_by_its_content_type_or_its_suffix(
    site: Site, path: str, kind: str, body: bytes, title: str
) -> None:
    site.pages[path] = Page(body, headers={"Content-Type": kind} if kind else {})
    assert Scanned(site, pages=[site.url(path)]).one.title == title


@pytest.mark.parametrize(
    ("charset", "body"),
    [("windows-1252", b"caf\xe9"), ("ISO-8859-1", b"caf\xe9"), ("latin1", "café".encode()), ("nonsense", b"caf\xe9")],
)
def test_an_encoding_that_the_header_alone_names_is_read(site: Site, charset: str, body: bytes) -> None:
    site.pages["/a"] = Page(body, headers={"Content-Type": f"text/plain; charset={charset}"})
    assert Scanned(site, pages=[site.url("/a")]).one.text == "café"


@pytest.mark.parametrize(
    ("page", "why"),
    [
        (Page(b"\x89PNG", headers={"Content-Type": "image/png"}), "content type image/png cannot be read"),
        (Page(b"{}", headers={"Content-Type": "application/json"}), "content type application/json cannot be read"),
        (Page(b"words"), "it has no content type"),
        (Page(b"%PDF-1.7", headers={"Content-Type": "application/pdf"}), "not readable as PDF (the file is truncated)"),
        (Page(b"", headers={"Content-Type": "text/plain"}), "it holds no text"),
        (Page(b"x" * 2_000, headers={"Content-Type": "text/plain"}), "it is larger than 0.001 MB"),
        (Page(b"", status=403), "HTTP 403 Forbidden"),
        (Page(b"", status=204), "HTTP 204 No Content"),
        (Page(b"", status=304), "HTTP 304 Not Modified"),
        (Page(b"", status=599), "HTTP 599"),
    ],
)
def test_a_page_that_cannot_be_read_is_left_out_with_the_reason(site: Site, page: Page, why: str) -> None:
    site.pages["/a"] = page
    assert reason(site, "/a", max_megabytes=0.001) == why


# ---------------------------------------------------------------- what changed


def test_a_page_whose_etag_is_as_known_is_neither_sent_nor_parsed(site: Site) -> None:
    site.html("/a", "A", ETag='"1"', Last_Modified=MODIFIED)
    first = Scanned(site, pages=[site.url("/a")])
    again = Scanned(site, first.known, pages=[site.url("/a")])
    assert again.all == [Unchanged(site.url("/a"))]
    headers = site.asked[-1][1]
    assert (headers["if-none-match"], headers["if-modified-since"]) == ('"1"', MODIFIED)


def test_a_page_without_an_etag_is_told_by_its_text(site: Site) -> None:
    site.html("/a", "A", Last_Modified=MODIFIED)
    first = Scanned(site, pages=[site.url("/a")])
    assert Scanned(site, first.known, pages=[site.url("/a")]).all == [Unchanged(site.url("/a"))]


def test_a_page_whose_etag_alone_is_new_is_asked_for_by_the_new_one_from_then_on(site: Site) -> None:
    site.html("/a", "A", ETag='"1"')
    first = Scanned(site, pages=[site.url("/a")])
    site.html("/a", "A", ETag='"2"')
    second = Scanned(site, first.known, pages=[site.url("/a")])
    assert second.one.text == first.one.text
    third = Scanned(site, second.known, pages=[site.url("/a")])
    assert third.all == [Unchanged(site.url("/a"))]
    assert site.asked[-1][1]["if-none-match"] == '"2"'


def test_a_changed_page_is_read_again(site: Site) -> None:
    site.html("/a", "A", ETag='"1"')
    first = Scanned(site, pages=[site.url("/a")])
    site.html("/a", "B", ETag='"2"')
    again = Scanned(site, first.known, pages=[site.url("/a")])
    assert again.one.title == "B"
    assert again.one.stamp != first.one.stamp
    assert Scanned(site, again.known, pages=[site.url("/a")]).unchanged == [site.url("/a")]


def test_an_etag_is_not_told_to_another_page_that_a_redirect_now_leads_to(site: Site) -> None:
    site.html("/one", "One", ETag='"1"')
    site.html("/two", "Two", ETag='"1"')
    site.redirect("/a", "/one")
    first = Scanned(site, pages=[site.url("/a")])
    assert Scanned(site, first.known, pages=[site.url("/a")]).unchanged == [site.url("/a")]
    site.redirect("/a", "/two")
    again = Scanned(site, first.known, pages=[site.url("/a")])
    assert (again.one.id, again.one.title) == (site.url("/a"), "Two")


def test_who_may_read_is_not_kept_from_before(site: Site) -> None:
    site.html("/a", "A", ETag='"1"')
    first = Scanned(site, pages=[site.url("/a")])
    again = Scanned(site, first.known, pages=[site.url("/a")], readers=["staff"])
    assert again.one.readers == {"staff"}
    assert Scanned(site, again.known, pages=[site.url("/a")], readers=["staff"]).unchanged == [site.url("/a")]


@pytest.mark.parametrize("stamp", ["", "x", "[]", "{}", '{"etag": 1}', "null"])
def test_a_stamp_of_something_else_is_no_stamp(site: Site, stamp: str) -> None:
    site.html("/a", "A")
    assert Scanned(site, {site.url("/a"): stamp}, pages=[site.url("/a")]).one.title == "A"


@pytest.mark.parametrize("status", [404, 410])
def test_a_page_that_is_gone_goes(site: Site, status: int) -> None:
    site.html("/a", "A")
    site.html("/b", "B")
    pages = [site.url("/a"), site.url("/b")]
    first = Scanned(site, pages=pages)
    site.pages["/a"] = Page(status=status)
    again = Scanned(site, first.known, pages=pages)
    assert set(again.known) == {site.url("/b")}
    assert not again.missed[site.url("/a")].passing


@pytest.mark.parametrize("status", [408, 429, 500, 502, 503])
def test_a_page_that_fails_for_the_moment_stays(site: Site, status: int) -> None:
    site.html("/a", "A")
    site.html("/b", "B")
    pages = [site.url("/a"), site.url("/b")]
    first = Scanned(site, pages=pages)
    site.pages["/a"] = Page(status=status)
    again = Scanned(site, first.known, pages=pages)
    assert set(again.known) == set(pages)
    assert again.missed[site.url("/a")].reason.startswith(f"HTTP {status} ")


def test_a_slow_page_stays(site: Site) -> None:
    site.pages["/slow"] = lambda handler: time.sleep(3)
    assert reason(site, "/slow", timeout=0.5) == "not answered within 0.5 seconds"


def test_a_server_that_is_down_is_the_sources_failure_so_that_nothing_goes() -> None:
    with serving() as site:
        site.html("/a", "A")
        first = Scanned(site, pages=[site.url("/a")])
    message = error(site, known=first.known, pages=[site.url("/a")]).message
    assert "no page could be read; 1 left out, the first: " in message
    assert "robots.txt: the connection failed" in message


def test_a_server_that_fails_again_and_again_is_not_asked_for_every_page(site: Site) -> None:
    pages = [site.url(f"/{number}") for number in range(20)]
    for number in range(20):
        site.pages[f"/{number}"] = Page(status=503)
    with serving() as other:
        other.html("/", "Other")
        there, host = f"http://localhost:{other.port}/", f"localhost:{other.port}"
        scanned = Scanned(site, pages=[*pages, there], allow_hosts=[site.host, host])
    assert scanned.ids == [there]
    assert len(site.paths()) == 5
    assert scanned.missed[pages[-1]] == LeftOut(
        pages[-1], "127.0.0.1 failed 5 times in a row and was not asked again", passing=True
    )


# ---------------------------------------------------------------- who may be asked, and for what


def test_a_private_host_that_no_one_allowed_is_not_asked(site: Site) -> None:
    site.html("/a", "A")
    assert "is not a public address" in error(site, pages=[site.url("/a")], allow_hosts=[]).message
    assert site.asked == []


def test_lists_pages_and_robots_lead_to_no_private_host(site: Site) -> None:
    with serving() as inner:
        inner.html("/secret", "Secret")
        inner.pages["/robots.txt"] = Page(b"")
        site.html("/a", "A")
        site.redirect("/b", inner.url("/secret"))
        site.xml("/feed", rss(inner.url("/secret"), site.url("/b"), site.url("/a")))
        scanned = Scanned(site, feed=site.url("/feed"))
        assert scanned.ids == [site.url("/a")]
        assert all("not a public address" in why for why in scanned.reasons.values())
        assert not any(item.passing for item in scanned.missed.values())
        for path in ("/sitemap.xml", "/robots.txt"):
            site.redirect(path, inner.url("/secret"))
        assert "not a public address" in error(site, sitemap=site.url("/sitemap.xml")).message
        assert "robots.txt: 127.0.0.1 is at 127.0.0.1, which is not" in error(site, pages=[site.url("/a")]).message
        assert inner.asked == []


def test_a_password_in_a_list_is_never_shown(site: Site) -> None:
    site.html("/a", "A")
    site.xml("/feed", rss(f"http://ann:secret@{site.host}/b", site.url("/a")))
    scanned = Scanned(site, feed=site.url("/feed"))
    assert "user name or password" in scanned.reasons[site.url("/b")]
    assert "secret" not in str(scanned.missed)
    site.xml("/sitemap", sitemap_index(f"http://ann:secret@{site.host}/1.xml"))
    message = error(site, sitemap=site.url("/sitemap")).message
    assert f"its sitemap {site.url('/1.xml')}: it has a user name or password in it" in message
    assert "secret" not in message


# ---------------------------------------------------------------- robots.txt and noindex


def robots(site: Site, text: str) -> None:
    site.pages["/robots.txt"] = Page(text.encode())


def test_what_robots_txt_disallows_is_not_asked_for(site: Site) -> None:
    robots(site, "User-agent: *\nDisallow: /private/\nAllow: /private/not/\nDisallow: /*.pdf$\n")
    assert reason(site, "/private/a") == "its site's robots.txt disallows it"
    assert reason(site, "/a.pdf") == "its site's robots.txt disallows it"
    assert reason(site, "/private/not/a") == "HTTP 404 Not Found"
    assert set(site.paths()) == {"/beside", "/private/not/a"}


def test_robots_txt_is_read_once_a_scan_and_by_our_own_name(site: Site) -> None:
    robots(site, "User-agent: *\nDisallow: /\nUser-agent: Friend\nAllow: /\n")
    site.html("/a", "A")
    site.html("/b", "B")
    pages = [site.url("/a"), site.url("/b")]
    assert Scanned(site, pages=pages, user_agent="Friend/2.0 (+http://friend.example)").ids == pages
    assert [path for path, _ in site.asked] == ["/robots.txt", "/a", "/b"]
    assert {headers["user-agent"] for _, headers in site.asked} == {"Friend/2.0 (+http://friend.example)"}
    assert "robots.txt disallows it" in error(site, pages=pages).message


def test_a_redirect_into_what_robots_txt_disallows_is_not_followed(site: Site) -> None:
    robots(site, "User-agent: *\nDisallow: /private/\n")
    site.redirect("/a", "/private/b")
    assert reason(site, "/a") == "its site's robots.txt disallows it"
    assert "/private/b" not in site.paths()


def test_of_a_robots_txt_that_is_too_long_the_beginning_counts(site: Site) -> None:
    robots(site, "User-agent: *\nDisallow: /a\n" + "# etc.\n" * 100_000 + "Disallow: /b\n")
    pages = pages_of(site, "a", "b")
    scanned = Scanned(site, pages=pages)
    assert scanned.ids == [pages[1]]
    assert scanned.reasons == {pages[0]: "its site's robots.txt disallows it"}


@pytest.mark.parametrize("status", [500, 503, 429])
def test_a_robots_txt_that_fails_stops_everything_for_the_moment(site: Site, status: int) -> None:
    with serving() as other:
        other.html("/a", "A")
        pages = [site.url("/a"), other.url("/a")]
        site.html("/a", "A")
        site.pages["/robots.txt"] = Page(status=status)
        scanned = Scanned(site, pages=pages, allow_hosts=[site.host, other.host])
    assert scanned.ids == [other.url("/a")]
    assert scanned.missed[site.url("/a")].passing
    assert f"robots.txt: HTTP {status}" in scanned.reasons[site.url("/a")]
    assert site.paths() == []


@pytest.mark.parametrize("status", [401, 403, 404])
def test_where_there_is_no_robots_txt_everything_is_allowed(site: Site, status: int) -> None:
    site.html("/a", "A")
    site.pages["/robots.txt"] = Page(b"User-agent: *\nDisallow: /", status)
    assert Scanned(site, pages=[site.url("/a")]).ids == [site.url("/a")]


@pytest.mark.parametrize(
    ("options", "robots_txt"),
    [({"pause": 0.1}, ""), ({}, "User-agent: *\nCrawl-delay: 0.1\n"), ({}, "User-agent: *\nCrawl-delay: 9999\n")],
)
def test_a_host_is_given_time_between_requests(
    site: Site, options: dict[str, Any], robots_txt: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_robots, "_LONGEST_PAUSE", 0.1)
    robots(site, robots_txt)
    for name in "abc":
        site.html(f"/{name}", name)
    began = time.monotonic()
    Scanned(site, pages=[site.url(f"/{name}") for name in "abc"], **options)
    assert 0.2 <= time.monotonic() - began < 4


@pytest.mark.parametrize(
    ("head", "headers"),
    [
        ('<meta name="robots" content="noindex">', {}),
        ('<META NAME="Robots" CONTENT="follow, NoIndex">', {}),
        ('<meta name="groundtune" content="none">', {}),
        ("", {"X_Robots_Tag": "noindex"}),
        ("", {"X_Robots_Tag": "nofollow, noindex"}),
        ("", {"X_Robots_Tag": "groundtune: noindex"}),
    ],
)
def test_a_page_that_asks_not_to_be_indexed_is_not(site: Site, head: str, headers: dict[str, str]) -> None:
    site.html("/a", "A", head, **headers)
    assert reason(site, "/a") == "it asks not to be indexed (noindex)"


@pytest.mark.parametrize(
    ("head", "headers"),
    [
        ('<meta name="robots" content="nofollow">', {}),
        ('<meta name="otherbot" content="noindex">', {}),
        ("", {"X_Robots_Tag": "otherbot: noindex"}),
    ],
)
def test_what_is_asked_of_others_is_not_asked_of_us(site: Site, head: str, headers: dict[str, str]) -> None:
    site.html("/a", "A", head, **headers)
    assert Scanned(site, pages=[site.url("/a")]).ids == [site.url("/a")]


def test_of_a_page_only_the_beginning_is_searched_for_noindex(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    noindex = '<meta name="robots" content="noindex">'
    site.html("/a", "A", f"<style>{' ' * 100_000}</style>{noindex}")
    assert reason(site, "/a") == "it asks not to be indexed (noindex)"
    site.html("/a", "A", f"<style>{' ' * 200_000}</style>{noindex}")
    assert Scanned(site, pages=[site.url("/a")]).ids == [site.url("/a")]


def test_a_page_that_asks_not_to_be_indexed_any_more_goes_though_its_text_is_the_same(site: Site) -> None:
    site.html("/a", "A")
    site.html("/b", "B")
    pages = [site.url("/a"), site.url("/b")]
    first = Scanned(site, pages=pages)
    site.html("/a", "A", X_Robots_Tag="noindex")
    assert set(Scanned(site, first.known, pages=pages).known) == {site.url("/b")}


def test_a_page_under_repair_stays_whatever_the_sign_on_the_door_says(site: Site) -> None:
    pages = pages_of(site, "a", "b")
    first = Scanned(site, pages=pages)
    site.pages["/a"] = Page(status=503, headers={"X-Robots-Tag": "noindex"})
    assert set(Scanned(site, first.known, pages=pages).known) == set(pages)


def test_on_ones_own_site_robots_can_be_set_aside(site: Site) -> None:
    robots(site, "User-agent: *\nDisallow: /\n")
    site.html("/a", "A", '<meta name="robots" content="noindex">', X_Robots_Tag="none", ETag='"1"')
    own = Scanned(site, pages=[site.url("/a")], robots=False)
    assert own.ids == [site.url("/a")]
    assert [path for path, _ in site.asked] == ["/a"]
    robots(site, "")
    assert "noindex" in error(site, known=own.known, pages=[site.url("/a")]).message


# ---------------------------------------------------------------- sitemaps


@pytest.mark.parametrize("zipped", [False, True])
def test_a_sitemap_lists_the_pages(site: Site, zipped: bool) -> None:
    pages = pages_of(site, "a", "b")
    site.xml("/sitemap.xml", sitemap(*pages, pages[0]), zipped)
    assert Scanned(site, sitemap=site.url("/sitemap.xml")).ids == pages


def test_a_sitemap_of_plain_text_lists_the_pages(site: Site) -> None:
    pages = pages_of(site, "a", "b")
    site.pages["/sitemap.txt"] = Page("\n".join(pages).encode())
    assert Scanned(site, sitemap=site.url("/sitemap.txt")).ids == pages


def test_an_index_of_sitemaps_lists_the_pages_of_all(site: Site) -> None:
    pages = pages_of(site, "a", "b", "c")
    site.xml("/index.xml", sitemap_index(site.url("/1.xml"), site.url("/2.xml.gz"), site.url("/old.xml")))
    site.xml("/1.xml", sitemap(pages[0]))
    site.xml("/2.xml.gz", sitemap(*pages[1:]), zipped=True)
    scanned = Scanned(site, sitemap=site.url("/index.xml"))
    assert scanned.ids == pages
    assert scanned.reasons == {site.url("/old.xml"): "HTTP 404 Not Found"}


def test_sitemaps_that_list_each_other_come_to_an_end(site: Site) -> None:
    site.xml("/1.xml", sitemap_index(site.url("/2.xml"), site.url("/1.xml")))
    site.xml("/2.xml", sitemap_index(site.url("/1.xml"), site.url("/3.xml")))
    site.xml("/3.xml", sitemap(*pages_of(site, "a")))
    assert Scanned(site, sitemap=site.url("/1.xml")).ids == [site.url("/a")]
    assert site.paths() == ["/1.xml", "/2.xml", "/3.xml", "/a"]


def test_an_index_of_too_many_sitemaps_is_refused(site: Site) -> None:
    site.xml("/1.xml", sitemap_index(*(site.url(f"/{number}.xml") for number in range(2_000))))
    assert "it leads to more than 1000 sitemaps" in error(site, sitemap=site.url("/1.xml")).message
    assert len(site.asked) == 1


@pytest.mark.parametrize("write", [sitemap, lambda *pages: "\n".join(pages)], ids=["XML", "text"])
def test_a_sitemap_of_too_many_pages_is_refused(site: Site, monkeypatch: pytest.MonkeyPatch, write: Any) -> None:
    monkeypatch.setattr(_lists, "MOST_PAGES", 3)
    pages = pages_of(site, "a", "b", "c", "d")
    site.xml("/1.xml", write(*pages[:2]))
    site.xml("/2.xml", write(*pages[2:]))
    site.xml("/index.xml", sitemap_index(site.url("/1.xml")))
    assert Scanned(site, sitemap=site.url("/index.xml")).ids == pages[:2]
    site.xml("/1.xml", write(*pages))
    assert "it lists more than 3 pages" in error(site, sitemap=site.url("/1.xml")).message
    site.xml("/1.xml", write(*pages[:2]))
    site.xml("/index.xml", sitemap_index(site.url("/1.xml"), site.url("/2.xml")))
    message = error(site, sitemap=site.url("/index.xml")).message
    assert f"its sitemap {site.url('/2.xml')}: it lists more than 3 pages" in message


def test_of_a_sitemap_nothing_is_kept_but_the_addresses(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    (page,) = pages_of(site, "a")
    site.xml("/sitemap.xml", sitemap(page).replace("<url>", "<a/><?x y?><url><b/>"))
    readings: list[Any] = []
    iterparse = etree.iterparse

    def noted(*args: Any, **named: Any) -> Any:
        readings.append(iterparse(*args, **named))
        return readings[-1]

    monkeypatch.setattr(etree, "iterparse", noted)
    assert Scanned(site, sitemap=site.url("/sitemap.xml")).ids == [page]
    (left,) = readings[0].root  # the last one, emptied
    assert len(left) == 0


def test_a_sitemap_of_countless_elements_is_refused(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_lists, "MOST_ELEMENTS", 1_000)
    site.xml("/sitemap.xml", f"<urlset>{'<a/>' * 1_001}</urlset>")
    assert "it has more than 1000 elements" in error(site, sitemap=site.url("/sitemap.xml")).message


def test_the_addresses_of_pictures_in_a_sitemap_are_no_pages(site: Site) -> None:
    (page,) = pages_of(site, "a")
    picture = '<i:image xmlns:i="http://www.google.com/schemas/sitemap-image/1.1"><i:loc>/x.png</i:loc></i:image>'
    site.xml("/sitemap.xml", sitemap(f"{page}</loc>{picture}<loc>"))
    assert Scanned(site, sitemap=site.url("/sitemap.xml")).ids == [page]


def test_a_sitemap_speaks_for_its_own_site_alone(site: Site) -> None:
    (page,) = pages_of(site, "a")
    site.xml("/sitemap.xml", sitemap("https://elsewhere.example/", page, "https://elsewhere.example/"))
    scanned = Scanned(site, sitemap=site.url("/sitemap.xml"))
    assert scanned.ids == [page]
    assert "speaks for its own pages alone" in scanned.reasons["https://elsewhere.example/"]


def test_a_sitemap_that_cannot_be_read_is_the_sources_failure(site: Site) -> None:
    address = site.url("/sitemap.xml")
    for page, why in [
        (Page(status=404), "HTTP 404 Not Found"),
        (Page(status=503), "HTTP 503 Service Unavailable"),
        (Page(b"<urlset><url>"), "not readable as a sitemap (Premature end of data"),
        (Page(b"<html></html>"), "it is no sitemap but <html>"),
        (Page(rss().encode()), "it is no sitemap but <rss>; use feed"),
        (Page(b"Not found, sorry"), "it is no sitemap: neither XML nor a list of addresses"),
        (Page(gzip.compress(b"<urlset/>")[:-9]), "it broke off"),
        (Page(sitemap_index(site.url("/1.xml")).encode()), f"its sitemap {site.url('/1.xml')}: HTTP 500"),
    ]:
        site.pages["/sitemap.xml"] = page
        site.pages["/1.xml"] = Page(status=500)
        assert f"sitemap = '{address}': {why}" in error(site, sitemap=address).message


def test_an_empty_sitemap_is_the_sources_failure_so_that_nothing_goes(site: Site) -> None:
    site.xml("/sitemap.xml", sitemap())
    assert "no page could be read" in error(site, sitemap=site.url("/sitemap.xml")).message


HOSTILE = [
    '<!DOCTYPE urlset [<!ENTITY e SYSTEM "file:///etc/passwd">]>',
    '<!DOCTYPE urlset [<!ENTITY e SYSTEM "http://{host}/secret">]>',
    '<!DOCTYPE urlset [<!ENTITY % p SYSTEM "http://{host}/secret"> %p; <!ENTITY e "x">]>',
    '<!DOCTYPE urlset SYSTEM "http://{host}/secret" [<!ENTITY e "x">]>',
]


def test_a_billion_laughs_end_before_they_begin(site: Site) -> None:
    (page,) = pages_of(site, "a")
    entities = "".join(f'<!ENTITY l{n + 1} "{f"&l{n};" * 10}">' for n in range(12))
    head = f'<!DOCTYPE any [<!ENTITY l0 "http://x/">{entities}]>'
    site.xml("/sitemap", head + sitemap(page, "&l12;").removeprefix('<?xml version="1.0"?>'))
    site.xml("/feed", head + rss(page, "&l12;"))
    began = time.monotonic()
    assert "not readable as a sitemap" in error(site, sitemap=site.url("/sitemap")).message
    assert Scanned(site, feed=site.url("/feed")).ids == [page]
    assert time.monotonic() - began < 4


@pytest.mark.parametrize("doctype", HOSTILE)
def test_entities_in_a_list_are_neither_expanded_nor_fetched(site: Site, doctype: str) -> None:
    (page,) = pages_of(site, "a")
    head = doctype.replace("{host}", site.host)
    for option, text in {"sitemap": sitemap(page, "&e;"), "feed": rss(page, "&e;")}.items():
        site.xml(f"/{option}", head + text.removeprefix('<?xml version="1.0"?>'))
        began = time.monotonic()
        options: dict[str, Any] = {option: site.url(f"/{option}")}
        scanned = Scanned(site, **options)
        assert time.monotonic() - began < 4
        assert scanned.ids == [page]
        assert len(str(scanned.missed)) < 2_000
        assert "root:" not in str(scanned.missed)
    assert "/secret" not in site.paths()


def test_a_list_that_nests_without_end_is_refused_in_time(site: Site) -> None:
    site.xml("/deep", "<urlset>" + "<url>" * 1_000_000)
    assert "not readable as a sitemap" in error(site, sitemap=site.url("/deep")).message


def test_a_gzip_bomb_for_a_sitemap_does_not_go_off(site: Site) -> None:
    site.pages["/s.gz"] = Page(gzip.compress(bytes(200_000_000), compresslevel=1))
    assert "it is larger than 52.4288 MB" in error(site, sitemap=site.url("/s.gz")).message


# ---------------------------------------------------------------- feeds


@pytest.mark.parametrize("write", [rss, atom])
def test_the_links_of_a_feed_are_the_pages(site: Site, write: Any) -> None:
    pages = pages_of(site, "a", "b")
    site.redirect("/feed", "/real/feed")
    site.xml("/real/feed", write(pages[0], "../b"))
    assert Scanned(site, feed=site.url("/feed")).ids == pages


def test_an_entry_without_a_page_is_left_out(site: Site) -> None:
    (page,) = pages_of(site, "a")
    site.xml("/feed", rss("", "mailto:ann@example.com", "javascript:alert(1)", page))
    scanned = Scanned(site, feed=site.url("/feed"))
    assert scanned.ids == [page]
    assert scanned.reasons[f"entry 1 of {site.url('/feed')}"] == "it has no link to a page"
    assert len(scanned.missed) == 3


def test_a_page_that_has_left_the_feed_stays_as_long_as_it_is_there(site: Site) -> None:
    old, new = pages_of(site, "old", "new")
    site.xml("/feed", rss(old))
    first = Scanned(site, feed=site.url("/feed"))
    site.xml("/feed", rss(new))
    second = Scanned(site, first.known, feed=site.url("/feed"))
    assert (second.ids, second.unchanged) == ([new, old], [old])
    assert Scanned(site, second.known, feed=site.url("/feed"), ignore=["/old"]).ids == [new]
    site.pages["/old"] = Page(status=410)
    third = Scanned(site, second.known, feed=site.url("/feed"))
    assert set(third.known) == {new}


def test_a_page_that_has_left_the_feed_stays_although_its_stamp_says_nothing_any_more(site: Site) -> None:
    old, gone, new, named = pages_of(site, "old", "gone", "new", "named")
    site.xml("/feed", rss(old, gone))
    known = Scanned(site, feed=site.url("/feed"), pages=[named]).known
    site.xml("/feed", rss(new))
    del site.pages["/gone"]
    nothing = dict.fromkeys(known, "")
    scanned = Scanned(site, nothing, feed=site.url("/feed"), pages=[named])
    assert (scanned.ids, scanned.unchanged) == ([named, new, old], [])
    assert list(scanned.missed) == [gone]
    again = Scanned(site, scanned.known, feed=site.url("/feed"))
    assert again.ids == [new, old], "a page named alone became one of the feed's"
    assert Scanned(site, nothing, pages=[named]).ids == [named]


def test_a_page_that_has_left_the_feed_stays_whatever_options_change(site: Site) -> None:
    old, new = pages_of(site, "old", "new")
    site.xml("/feed", rss(old))
    known = Scanned(site, feed=site.url("/feed")).known
    site.xml("/feed", rss(new))
    scanned = Scanned(site, known, feed=site.url("/feed"), readers=["staff"])
    assert {id: one.readers for id, one in scanned.documents.items()} == {new: {"staff"}, old: {"staff"}}


def test_pages_of_another_feed_and_pages_named_alone_do_not_stay(site: Site) -> None:
    a, b, c = pages_of(site, "a", "b", "c")
    site.xml("/one", rss(a))
    site.xml("/two", rss(b))
    known = Scanned(site, feed=site.url("/one"), pages=[c]).known
    assert set(known) == {a, c}
    assert Scanned(site, known, feed=site.url("/two")).ids == [b]


def test_a_feed_that_cannot_be_read_is_the_sources_failure(site: Site) -> None:
    for page, why in [
        (Page(status=404), "HTTP 404 Not Found"),
        (Page(b"<html></html>"), "it is no RSS or Atom feed"),
        (Page(b""), "it is no RSS or Atom feed"),
    ]:
        site.pages["/feed"] = page
        assert f"feed = '{site.url('/feed')}': {why}" in error(site, feed=site.url("/feed")).message


def test_a_feed_of_more_than_2_megabytes_is_refused(site: Site) -> None:
    site.xml("/feed", rss(*pages_of(site, "a")) + "<!--" + "x" * 2_000_000 + "-->", zipped=True)
    assert "it is larger than 2 MB" in error(site, feed=site.url("/feed")).message


def test_a_feed_that_is_the_name_of_a_file_here_opens_no_file(site: Site, tmp_path: Path) -> None:
    file = tmp_path / "feed.xml"
    file.write_text(rss(*pages_of(site, "a")))
    site.pages["/feed"] = Page(str(file).encode())
    assert "it is no RSS or Atom feed" in error(site, feed=site.url("/feed")).message


# ---------------------------------------------------------------- options


def test_pages_sitemap_and_feed_go_together_each_page_once(site: Site) -> None:
    a, b, c = pages_of(site, "a", "b", "c")
    site.xml("/sitemap.xml", sitemap(b, a))
    site.xml("/feed", rss(c, a))
    assert Scanned(site, pages=[a], sitemap=site.url("/sitemap.xml"), feed=site.url("/feed")).ids == [a, b, c]


def test_include_and_ignore_are_patterns_of_what_is_listed(site: Site) -> None:
    pages = pages_of(site, "", "docs/a", "docs/old/b", "docs/ü", "blog/c")
    site.xml("/sitemap.xml", sitemap(*pages))
    listed: dict[str, Any] = {"sitemap": site.url("/sitemap.xml")}
    site.pages["/docs/%C3%BC"] = site.pages["/docs/ü"]
    assert Scanned(site, **listed, include=["/docs/"], ignore=["old/", "ü"]).ids == [pages[1]]
    assert Scanned(site, **listed, ignore=["/docs/"]).ids == [pages[0], pages[4]]
    assert Scanned(site, **listed, include=["/docs/*"], ignore=["/docs/"], pages=[pages[4]]).ids == [pages[4]]


def test_no_more_pages_than_max_pages_are_read(site: Site) -> None:
    pages = pages_of(site, "a", "b", "c", "d")
    site.xml("/sitemap.xml", sitemap(*pages))
    scanned = Scanned(site, sitemap=site.url("/sitemap.xml"), max_pages=2)
    assert scanned.ids == pages[:2]
    assert list(scanned.missed) == [pages[2]]
    assert "more pages are listed than max_pages = 2" in scanned.reasons[pages[2]]
    assert Scanned(site, sitemap=site.url("/sitemap.xml"), max_pages=4).ids == pages


def test_the_sources_readers_may_read_its_pages_and_a_page_may_name_fewer(site: Site) -> None:
    site.html("/a", "A")
    for name, groups in {"b": "[board]", "c": "[board, staff]", "d": "[guests]"}.items():
        text = f"---\nreaders: {groups}\n---\nWords.\n"
        site.pages[f"/{name}.md"] = Page(text.encode(), headers={"Content-Type": "text/markdown"})
    pages = [site.url(path) for path in ("/a", "/b.md", "/c.md", "/d.md")]
    scanned = Scanned(site, pages=pages, readers=["staff", "board"])
    assert [one.readers for one in scanned.documents.values()] == [
        {"staff", "board"},
        {"board"},
        {"staff", "board"},
    ]
    assert scanned.reasons == {pages[3]: "its own readers (guests) are none of the source's"}
    assert Scanned(site, pages=pages[1:2]).one.readers == {"board"}


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({}, r'kind = "web" names no page'),
        ({"pages": ["example.com"]}, "pages: 'example.com': not a web address: it must begin with http://"),
        ({"pages": ["https://ann:secret@h/"]}, "pages: 'https://h/': it has a user name or password in it"),
        ({"sitemap": "ftp://h/"}, "sitemap: 'ftp://h/': not a web address"),
        ({"feed": "feed://h/"}, "feed: 'feed://h/': not a web address"),
        ({"feed": "http://h/", "ignore": ["!"]}, r"ignore = \['!'\]"),
        ({"feed": "http://h/", "readers": []}, "readers = "),
        ({"feed": "http://h/", "readers": [""]}, "readers = "),
        ({"feed": "http://h/", "allow_hosts": ["http://h"]}, "allow_hosts: 'http://h' is no host"),
        ({"feed": "http://h/", "max_pages": 0}, "max_pages = 0"),
        ({"feed": "http://h/", "timeout": 0}, "timeout = 0"),
        ({"feed": "http://h/", "user_agent": "a\r\nX: y"}, "user_agent = "),
        ({"feed": "http://h/", "url": "x"}, "url is unknown for kind = 'web'; one of: pages, sitemap, feed, include"),
    ],
)
def test_a_wrong_option_is_named(options: dict[str, Any], message: str) -> None:
    with pytest.raises(UserError, match=message) as raised:
        plug.make("sources", "web", options, parse, where="[[sources]]")
    assert "secret" not in raised.value.message
