"""EPUB: the chapters in reading order, each read as the HTML page that it is."""

from __future__ import annotations

import posixpath
from collections.abc import Iterator
from dataclasses import replace
from typing import Any
from urllib.parse import unquote
from zipfile import ZipFile

from groundtune.parse import html
from groundtune.parse._limits import check_text, unpacked
from groundtune.parse._parsed import Format, Parsed, one_line
from groundtune.types import Section

_PAGES = {"application/xhtml+xml", "text/html"}
_FONTS = ("http://www.idpf.org/2008/embedding", "http://ns.adobe.com/pdf/enc#RC")  # fonts made unreadable; no DRM


def epub(data: bytes) -> Parsed:
    """A book, its title and its author. Raises ValueError for one that is protected by DRM."""
    with unpacked(data) as archive:
        if "META-INF/container.xml" not in archive.namelist():
            raise ValueError("it is no EPUB inside")
        root = _xml(archive, "META-INF/container.xml").find(".//{*}rootfile")
        if root is None:
            raise ValueError("the file is damaged: it does not say where its contents are listed")
        package_path = root.get("full-path", "")
        package = _xml(archive, package_path)
        chapters = list(_chapters(package, posixpath.dirname(package_path)))
        _check_protection(archive)
        parsed = _join(archive, chapters)
    authors = ", ".join(filter(None, (one_line(author.text or "") for author in package.iterfind(".//{*}creator"))))
    title = one_line(package.findtext(".//{*}title") or "")
    return replace(parsed, title=title or parsed.title, metadata={"author": authors} if authors else {})


def _xml(archive: ZipFile, path: str) -> Any:
    from lxml import etree  # type: ignore[import-untyped]

    return etree.fromstring(archive.read(path), etree.XMLParser(resolve_entities=False, no_network=True))


def _chapters(package: Any, folder: str) -> Iterator[str]:
    """The paths of a book's pages in the order of its spine, each once, without its table of contents."""
    items = {item.get("id"): item for item in package.iterfind(".//{*}manifest/{*}item")}
    order = dict.fromkeys(reference.get("idref") for reference in package.iterfind(".//{*}spine/{*}itemref"))
    for item in (items[id] for id in order if id in items):
        if item.get("media-type") in _PAGES and "nav" not in item.get("properties", "").split():
            yield posixpath.normpath(posixpath.join(folder, unquote(item.get("href", ""))))


def _check_protection(archive: ZipFile) -> None:
    if "META-INF/encryption.xml" not in archive.namelist():
        return
    methods = _xml(archive, "META-INF/encryption.xml").iterfind(".//{*}EncryptedData/{*}EncryptionMethod")
    if any(method.get("Algorithm") not in _FONTS for method in methods):
        raise ValueError("it is protected by DRM")


def _join(archive: ZipFile, paths: list[str]) -> Parsed:
    texts: list[str] = []
    sections: list[Section] = []
    title = ""
    start = 0
    for path in paths:
        page = archive.read(path)
        if not _has_words(page):  # a cover
            continue
        chapter = html.page(page)
        texts.append(chapter.text)
        sections += [
            replace(section, start=start + section.start, end=start + section.end) for section in chapter.sections
        ]
        title = title or chapter.title
        start += len(chapter.text) + 2
        check_text(start)
    return Parsed("\n\n".join(texts), title, tuple(sections))


def _has_words(page: bytes) -> bool:
    from lxml import html as lxml_html

    if not page.strip():
        return False
    body = lxml_html.document_fromstring(page).find("body")
    return body is not None and bool("".join(body.itertext()).strip())


FORMATS = {".epub": Format("EPUB", epub)}
