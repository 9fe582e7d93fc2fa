"""EPUB: chapters in the order of the spine, read as the pages that they are."""

import io
import zipfile

import pytest

from groundtune.errors import UserError
from groundtune.parse import parse

CONTAINER = """<container xmlns="urn:oasis:names:tc:opendocument:xmlns:container" version="1.0"><rootfiles>
<rootfile full-path="OEBPS/book.opf" media-type="application/oebps-package+xml"/></rootfiles></container>"""
PACKAGE = """<package xmlns="http://www.idpf.org/2007/opf" version="3.0" xmlns:dc="http://purl.org/dc/elements/1.1/">
<metadata><dc:title>The  handbook</dc:title><dc:creator>Ann Lee</dc:creator><dc:creator>Bob</dc:creator></metadata>
<manifest><item id="n" href="nav.xhtml" media-type="application/xhtml+xml" properties="nav"/>
<item id="c" href="cover.xhtml" media-type="application/xhtml+xml"/>
<item id="p" href="cover.png" media-type="image/png"/>
<item id="b" href="text/two.xhtml" media-type="application/xhtml+xml"/>
<item id="a" href="text/chapter%201.xhtml" media-type="application/xhtml+xml"/></manifest>
<spine><itemref idref="c"/><itemref idref="n"/><itemref idref="a"/><itemref idref="b"/><itemref idref="a"/></spine>
</package>"""


def page(body: str) -> str:
    return (
        '<?xml version="1.0" encoding="utf-8"?><html xmlns="http://www.w3.org/1999/xhtml">'
        f"<head><title>x</title></head><body>{body}</body></html>"
    )


BOOK = {
    "mimetype": "application/epub+zip",
    "META-INF/container.xml": CONTAINER,
    "OEBPS/book.opf": PACKAGE,
    "OEBPS/nav.xhtml": page("<nav><h1>Contents</h1><ol><li><a href='text/two.xhtml'>Fees</a></li></ol></nav>"),
    "OEBPS/cover.xhtml": page('<img src="cover.png"/>'),
    "OEBPS/text/chapter 1.xhtml": page("<h1>Returns</h1><p>Send it back.</p><h2>Lamps</h2><p>Größe zählt.</p>"),
    "OEBPS/text/two.xhtml": page(
        "<h1>Fees</h1><table><tr><th>Item</th><th>Fee</th></tr><tr><td>Lamp</td><td>3 EUR</td></tr></table>"
    ),
}


def book(**changes: str | None) -> bytes:
    """The book with members changed; None: without it."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, text in (BOOK | changes).items():
            if text is not None:
                archive.writestr(name, text)
    return file.getvalue()


def test_chapters_come_in_the_order_of_the_spine_each_once_without_the_contents_list() -> None:
    parsed = parse("a.epub", book())
    assert parsed.text == (
        "Returns\n\nSend it back.\n\nLamps\n\nGröße zählt.\n\nFees\n\n| Item | Fee |\n| --- | --- |\n| Lamp | 3 EUR |"
    )
    assert [(section.heading, parsed.text[section.start :][:4]) for section in parsed.sections] == [
        ("Returns", "Retu"),
        ("Returns > Lamps", "Lamp"),
        ("Fees", "Fees"),
    ]


def test_the_title_and_the_authors_are_the_books() -> None:
    parsed = parse("a.epub", book())
    assert parsed.title == "The handbook"
    assert parsed.metadata == {"author": "Ann Lee, Bob"}
    untitled = PACKAGE.replace("<dc:title>The  handbook</dc:title>", "")
    assert parse("a.epub", book(**{"OEBPS/book.opf": untitled})).title == "Returns"


def encryption(method: str) -> str:
    return (
        '<encryption xmlns="urn:oasis:names:tc:opendocument:xmlns:container" xmlns:e="http://www.w3.org/2001/04/xmlenc#">'
        f'<e:EncryptedData><e:EncryptionMethod Algorithm="{method}"/></e:EncryptedData></encryption>'
    )


def test_a_protected_book_is_refused_and_one_with_scrambled_fonts_is_read() -> None:
    aes = encryption("http://www.w3.org/2001/04/xmlenc#aes128-cbc")
    with pytest.raises(UserError, match=r"not readable as EPUB \(it is protected by DRM\)"):
        parse("a.epub", book(**{"META-INF/encryption.xml": aes}))
    font = encryption("http://www.idpf.org/2008/embedding")
    assert "Send it back." in parse("a.epub", book(**{"META-INF/encryption.xml": font})).text


@pytest.mark.parametrize(
    ("member", "text", "reason"),
    [
        ("META-INF/container.xml", None, "it is no EPUB inside"),
        ("META-INF/container.xml", "<container/>", "damaged: it does not say where"),
        ("META-INF/container.xml", "<container>" * 1000, "damaged: .*[Dd]epth"),
        ("OEBPS/book.opf", None, "damaged: .*book.opf"),
        ("OEBPS/book.opf", "<package", "damaged: "),
        ("OEBPS/text/two.xhtml", None, "damaged: .*two.xhtml"),
    ],
)
def test_a_damaged_book_is_refused_with_what_is_wrong(member: str, text: str | None, reason: str) -> None:
    with pytest.raises(UserError, match=rf"not readable as EPUB \(.*{reason}"):
        parse("a.epub", book(**{member: text}))


@pytest.mark.parametrize("share", [0.0, 0.2, 0.99])
def test_a_truncated_or_empty_book_is_refused(share: float) -> None:
    data = book()
    with pytest.raises(UserError, match=r"not readable as EPUB \(the file is damaged or truncated\)"):
        parse("a.epub", data[: int(len(data) * share)])


def test_a_path_that_leads_out_of_the_book_leads_nowhere() -> None:
    outside = PACKAGE.replace("text/two.xhtml", "../../../../etc/passwd")
    with pytest.raises(UserError, match=r"damaged: .*passwd"):
        parse("a.epub", book(**{"OEBPS/book.opf": outside}))


def test_a_book_of_pictures_holds_no_text() -> None:
    spine = PACKAGE.replace('<itemref idref="a"/>', "").replace('<itemref idref="b"/>', "")
    with pytest.raises(UserError, match="it holds no text"):
        parse("a.epub", book(**{"OEBPS/book.opf": spine}))
