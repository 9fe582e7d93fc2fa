"""HTML: the main text, without what stands around it."""

import logging

import pytest

from groundtune.errors import UserError
from groundtune.parse import parse

PAGE = """<!doctype html><html><head><title>Returns - Acme</title></head><body>
<header><nav><ul><li><a href="/">Home</a></li><li><a href="/shop">Shop</a></li></ul></nav></header>
<main><h1>Returns</h1><p>You may send <b>anything</b> back within
 <em>30 days</em> of   delivery. See <a href="/x">the form</a>.</p>
<h2>Deadlines</h2><p>Lamps: 14 days &amp; no more.<br>Chairs: 9 days.</p>
<ul><li>Keep the <code>box</code></li><li>Print the label<ul><li>in colour</li></ul></li></ul>
<h3>Fees</h3><table><tr><th>Item</th><th>Fee</th></tr><tr><td>Lamp</td><td>3 EUR</td></tr></table>
<h2>Code</h2><pre><code>a = 1
  b = 2</code></pre><blockquote><p>Quoted words.</p></blockquote>
<details><summary>Is it free?</summary><p>It is.</p></details></main>
<script>alert("x")</script><footer>Copyright Acme 2026</footer></body></html>"""


def test_the_main_text_has_each_sentence_on_one_line() -> None:
    text = parse("a.html", PAGE.encode()).text
    lines = text.split("\n")
    assert "You may send anything back within 30 days of delivery. See the form." in lines
    assert "Lamps: 14 days & no more." in lines
    assert "Chairs: 9 days." in lines
    assert "Quoted words." in lines


def test_navigation_and_scripts_are_dropped() -> None:
    text = parse("a.html", PAGE.encode()).text
    for word in ("Home", "Shop", "Copyright", "alert"):
        assert word not in text


def test_headings_make_sections() -> None:
    parsed = parse("a.html", PAGE.encode())
    assert [section.heading for section in parsed.sections] == [
        "Returns",
        "Returns > Deadlines",
        "Returns > Deadlines > Fees",
        "Returns > Code",
        "Returns > Code > Is it free?",
    ]
    fees = parsed.sections[2]
    assert parsed.text[fees.start : fees.end] == "Fees\n\n| Item | Fee |\n| --- | --- |\n| Lamp | 3 EUR |\n\n"


def test_lists_and_program_text_keep_their_lines() -> None:
    text = parse("a.html", PAGE.encode()).text
    assert "- Keep the box\n- Print the label\n- in colour" in text
    assert "\n```\na = 1\n  b = 2\n```\n" in text


def test_program_text_that_shows_a_fence_stands_in_a_longer_one() -> None:
    page = "<main><h1>Markdown</h1><pre><code>````\na\n````</code></pre><p>So.</p></main>"
    assert "\n`````\n````\na\n````\n`````\n" in parse("a.html", page.encode()).text


def test_what_stands_in_a_cell_stays_in_its_row() -> None:
    cell = "3|EUR<br>net<p>or</p><ul><li>4<li>5</ul>"
    rows = f"<tr><th>Item</th><th>Fee</th></tr><tr><td>The <b>lamp</b>, <a href='x'>red</a></td><td>{cell}</td></tr>"
    text = parse("a.html", f"<main><h1>Fees</h1><table>{rows}</table></main>".encode()).text
    assert text == "Fees\n\n| Item | Fee |\n| --- | --- |\n| The lamp, red | 3\\|EUR net or - 4 - 5 |"


def test_the_title_is_the_first_heading_or_else_what_the_head_says() -> None:
    assert parse("a.html", PAGE.encode()).title == "Returns"
    assert (
        parse("a.html", b"<html><head><title>Only\n title</title></head><body><p>Words.</p></body></html>").title
        == "Only title"
    )


def test_a_bare_short_page_keeps_its_headings_and_loses_its_menu() -> None:
    parsed = parse("a.htm", b"<nav><a href='/'>Home</a></nav><h1>Hours</h1><p>From 9.</p><h2>Sunday</h2><p>Closed.</p>")
    assert parsed.text == "Hours\n\nFrom 9.\n\nSunday\n\nClosed."
    assert [section.heading for section in parsed.sections] == ["Hours", "Hours > Sunday"]


def test_a_sentence_that_stands_there_twice_is_kept_twice() -> None:
    sentence = "Delivery takes three working days in all countries that we deliver to, and it is free of charge."
    page = (
        f"<article><h2>Lamp</h2><p>{sentence}</p><h2>Chair</h2><p>{sentence}</p><h2>Bed</h2><p>{sentence}</p></article>"
    )
    assert parse("a.html", page.encode()).text.count(sentence) == 3


def test_a_table_without_a_header_names_values_by_the_first_column() -> None:
    rows = b"<tr><td>Weight</td><td>3 kg</td></tr><tr><td>Colour</td><td>red</td></tr>"
    page = b"<main><h1>Lamp</h1><table>" + rows + b"</table></main>"
    assert "Weight: 3 kg\nColour: red" in parse("a.html", page).text


def test_the_declared_encoding_is_believed() -> None:
    page = '<html><head><meta charset="iso-8859-7"></head><body><p>Οι επιστροφές</p></body></html>'
    assert parse("a.html", page.encode("iso-8859-7")).text == "Οι επιστροφές"
    assert parse("a.html", b'<meta charset="iso-8859-1"><p>It\x92s free.</p>').text == "It’s free."


def test_the_mark_that_links_a_heading_to_itself_is_dropped() -> None:
    page = '<main><h1>Setup<a class="headerlink" href="#s">¶</a></h1><p>Plug it in.</p></main>'
    assert parse("a.html", page.encode()).title == "Setup"


def test_xhtml_with_a_declaration_is_read() -> None:
    page = '<?xml version="1.0" encoding="utf-8"?><html xmlns="http://www.w3.org/1999/xhtml"><body><p>Größe.</p></body></html>'
    assert parse("a.xhtml", page.encode()).text == "Größe."


@pytest.mark.parametrize("data", [b"", b"<html><body></body></html>", b"<html><body><script>x</script></body></html>"])
def test_a_page_without_text_is_refused_quietly(data: bytes, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.DEBUG), pytest.raises(UserError, match="not readable as HTML"):
        parse("a.html", data)
    assert not [record for record in caplog.records if record.levelno >= logging.WARNING]


def test_a_page_nested_too_deep_is_refused_for_the_rest_would_be_lost_unnoticed() -> None:
    with pytest.raises(UserError, match=r"not readable as HTML \(its elements are nested too deep"):
        parse("a.html", b"<main><p>words</p>" + b"<div>" * 300 + b"<p>more words")
