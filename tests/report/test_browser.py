"""report.html in a real browser: light and dark, wide and narrow."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import pytest

from groundtune.report import ReportContext, html
from groundtune.types import Answer, Json, Record

if TYPE_CHECKING:
    from playwright.sync_api import Browser

sync_api = pytest.importorskip("playwright.sync_api")
CHROMIUM = shutil.which("chromium")
pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(CHROMIUM is None, reason="no chromium: apt-get install chromium"),
]
QUIET = ("--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
         "--disable-component-update", "--disable-sync")  # fmt: skip


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with sync_api.sync_playwright() as playwright:
        running = playwright.chromium.launch(executable_path=CHROMIUM, args=QUIET)
        yield running
        running.close()


class Look:
    """A page that was opened, with everything that it asked for and complained about."""

    def __init__(self, browser: Browser, path: Path, width: int, scheme: Literal["light", "dark"]) -> None:
        self.page = browser.new_page(viewport={"width": width, "height": 900}, color_scheme=scheme)
        self.complaints: list[str] = []
        self.requests: list[str] = []
        self.page.on("console", lambda message: self.complaints.append(message.text))
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))
        self.page.on("dialog", lambda dialog: self.complaints.append(dialog.message))
        self.page.on("request", lambda request: self.requests.append(request.url))
        self.page.goto(path.as_uri())

    def overflow(self) -> int:
        self.page.evaluate("document.querySelectorAll('details').forEach(one => { one.open = true })")
        return int(self.page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth"))

    def luminance(self, what: str) -> float:
        colour = self.page.evaluate(f"getComputedStyle(document.body).{what}").removeprefix("rgb(").rstrip(")")
        return sum(map(float, colour.split(","))) / 3 / 255


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1280, 390])
def test_the_page_opens_in_silence_shows_the_verdict_and_fits(
    browser: Browser, tmp_path: Path, verdict: Json, records: dict[str, list[Record]], context: ReportContext,
    width: int, scheme: Literal["light", "dark"],
) -> None:  # fmt: skip
    path = tmp_path / "report.html"
    path.write_text(html(verdict, records, context), encoding="utf-8")
    look = Look(browser, path, width, scheme)
    assert look.complaints == []
    assert [url for url in look.requests if url not in (path.as_uri(), "data:,")] == []
    title = look.page.get_by_role("heading", level=1)
    assert title.is_visible()
    assert title.inner_text() == "Ship hybrid: F1 0.81, 0.24 better than rag, the next best."
    box = title.bounding_box()
    assert box is not None
    assert box["y"] < 200
    assert look.overflow() == 0
    paper, ink = look.luminance("backgroundColor"), look.luminance("color")
    assert (paper > 0.9 and ink < 0.2) if scheme == "light" else (paper < 0.2 and ink > 0.8)
    look.page.close()


def test_plots_have_words_and_their_text_is_text(
    browser: Browser, tmp_path: Path, verdict: Json, records: dict[str, list[Record]], context: ReportContext
) -> None:
    path = tmp_path / "report.html"
    path.write_text(html(verdict, records, context), encoding="utf-8")
    look = Look(browser, path, 1280, "light")
    plots = look.page.get_by_role("img").all()
    assert len(plots) == 4
    assert all("hybrid" in (plot.get_attribute("aria-label") or "") for plot in plots)
    assert "hybrid" in plots[0].locator("text").all_text_contents()
    # An approach has one colour: in the table, in the plots, above its answers.
    swatch = look.page.evaluate(
        "getComputedStyle(document.querySelector('th .approach.a3'), '::before').backgroundColor"
    )
    bar = look.page.evaluate("getComputedStyle(document.querySelector('.answers .a3')).borderTopColor")
    lines = look.page.evaluate(
        "[...document.querySelectorAll('figure svg path')].map(one => getComputedStyle(one).stroke)"
    )
    assert swatch == bar
    assert swatch in lines
    look.page.close()


def test_hostile_and_endless_text_does_nothing_on_a_phone(
    browser: Browser, tmp_path: Path, verdict: Json, records: dict[str, list[Record]]
) -> None:
    evil = "<script>alert(1)</script><img src=x onerror=alert(2)>" + "x" * 3000
    rows = {name: [Record(name, r.example, Answer(evil), {"f1": 0.0}) for r in some] for name, some in records.items()}
    path = tmp_path / "report.html"
    path.write_text(html(verdict, rows, ReportContext(title=evil, model=evil, config=evil)), encoding="utf-8")
    look = Look(browser, path, 390, "light")
    assert look.complaints == []
    assert look.requests == [path.as_uri()] or look.requests == [path.as_uri(), "data:,"]
    assert look.overflow() == 0
    look.page.close()
