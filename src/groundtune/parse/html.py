"""HTML: the main text of a page, without its navigation.

Headings make the sections; tables and program text become Markdown.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Iterator
from configparser import ConfigParser
from functools import cache
from typing import Any
from xml.etree import ElementTree

from groundtune.parse._encoding import decode
from groundtune.parse._grid import table
from groundtune.parse._parsed import Format, Outline, Parsed, one_line

_CHARSET = re.compile(rb"""<meta[^>]+charset\s*=\s*["']?([\w-]+)""", re.IGNORECASE)
_BLOCKS = {"p", "head", "list", "table", "quote", "div", "code"}
_APART = _BLOCKS - {"code"} | {"cell", "th", "td"}  # spaces stand around what is in them
_LOWEST = 6  # the level of a heading that has none: what opens when it is clicked


def page(data: bytes) -> Parsed:
    """A page. Raises ValueError if nothing on it is its main text."""
    import trafilatura
    from lxml import html  # type: ignore[import-untyped]

    logging.getLogger("trafilatura").setLevel(logging.CRITICAL)  # what it complains of, we say in the reason
    text = decode(data, _declared(data))
    if not text.strip():
        raise ValueError("there is no page in it")
    parser = html.HTMLParser(encoding="utf-8")
    tree = html.document_fromstring(text.encode(), parser=parser)
    if any(error.type_name == "ERR_RESOURCE_LIMIT" for error in parser.error_log):
        raise ValueError("its elements are nested too deep, or one is too long")  # the parser dropped the rest
    title = tree.findtext("head/title") or ""
    _frame(tree)
    xml = trafilatura.extract(
        tree, output_format="xml", include_comments=False, favor_recall=True, fast=True, config=_settings()
    )
    if not xml:
        raise ValueError("no main text on the page")
    outline = Outline()
    for main in ElementTree.fromstring(xml).iter("main"):
        _write(main, outline)
    return outline.parsed(title)


def _declared(data: bytes) -> str:
    """The encoding that a page says it has. Latin-1 is read as Windows-1252, as browsers do."""
    found = _CHARSET.search(data[:2048])
    name = found[1].decode("ascii").lower() if found else ""
    return "cp1252" if name in ("iso-8859-1", "latin1", "us-ascii") else name


@cache
def _settings() -> ConfigParser:
    """Short pages and repeated sentences are wanted as well: this is a handbook, not the web."""
    from trafilatura.settings import use_config

    settings: ConfigParser = use_config()
    settings["DEFAULT"].update({"MIN_EXTRACTED_SIZE": "0", "MIN_FILE_SIZE": "0", "MIN_DUPLCHECK_SIZE": "1000000"})
    return settings


def _frame(tree: Any) -> None:
    """Makes the body of a page that does not say where its main text is an article.

    trafilatura otherwise takes the paragraphs of a bare body and drops its headings (seen in 2.3).
    """
    body = tree.find("body")
    if body is not None and not tree.xpath("//main | //article | //*[@role='main']"):
        body.tag = "article"
        frame = tree.makeelement("body")
        tree.replace(body, frame)
        frame.append(body)


def _write(element: ElementTree.Element, outline: Outline) -> None:
    """Writes what trafilatura found, block by block; text between blocks is a block."""
    outline.lines([element.text or ""])
    for child in element:
        if child.tag == "head":
            level = int(child.get("rend", "")[1:] or _LOWEST)
            outline.heading(level, _words(child).rstrip(" ¶"))  # ¶: the heading's link to itself
        elif child.tag == "table":
            outline.lines(_table(child))
        elif child.tag == "list":
            outline.lines(_items(child))
        elif child.tag == "code":
            outline.verbatim(_fenced("".join(child.itertext())))
        elif child.tag != "p" and any(inner.tag in _BLOCKS for inner in child):
            _write(child, outline)
        else:
            outline.lines(_words(child).split("\n"))
        outline.lines([child.tail or ""])


def _fenced(code: str) -> str:
    """Program text as Markdown, so that what is in it is taken for nothing else; a single line needs no fence."""
    code = code.strip("\n")
    if "\n" not in code:
        return code
    fence = "`" * max([3, *(len(run) + 1 for run in re.findall("`+", code))])
    return f"{fence}\n{code}\n{fence}"


def _words(element: ElementTree.Element) -> str:
    """The words of an element, without those of lists in it. The only line breaks are the page's own (<br>)."""
    pieces = [element.text or ""]
    for child in element:
        if child.tag == "lb":
            pieces.append("\0")
        elif child.tag != "list":
            space = " " if child.tag in _APART else ""
            pieces.append(space + _words(child).replace("\n", "\0") + space)
        pieces.append(child.tail or "")
    return re.sub(r"\s+", " ", "".join(pieces)).replace("\0", "\n")


def _items(items: ElementTree.Element) -> Iterator[str]:
    for item in items:
        yield f"- {_words(item)}" if _words(item).strip() else ""
        for nested in item.findall("list"):
            yield from _items(nested)


def _cell(cell: ElementTree.Element) -> str:
    return one_line(" ".join([_words(cell), *(item for items in cell.findall("list") for item in _items(items))]))


def _table(element: ElementTree.Element) -> list[str]:
    """A table's lines. Two columns without a header are names with their values: "Weight: 3 kg"."""
    rows = [row.findall("cell") for row in element.iter("row")]
    cells = [[_cell(cell) for cell in row] for row in rows]
    has_header = bool(rows) and all(cell.get("role") == "head" for cell in rows[0])
    if not has_header and max(map(len, cells), default=0) == 2:
        return [": ".join(filter(None, row)) for row in cells]
    return table(cells)


FORMATS = {
    ".html": Format("HTML", page),
    ".htm": Format("HTML", page),
    ".xhtml": Format("HTML", page),
}
