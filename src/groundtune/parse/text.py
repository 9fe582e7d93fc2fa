"""Markdown and plain text: kept word for word, after the front matter and with line ends made "\\n"."""

from __future__ import annotations

from itertools import accumulate, pairwise

from groundtune.parse._encoding import decode
from groundtune.parse._frontmatter import split
from groundtune.parse._parsed import Format, Heading, Parsed, one_line, sections

_HEADING_CHARS = 500  # of a heading are read for its words


def markdown(data: bytes) -> Parsed:
    """A Markdown file; its headings make the sections, the first one is the title unless the front matter has one."""
    front, text = split(decode(data))
    headings = _headings(text)
    title = front.title or next((heading.words for heading in headings if heading.words), "")
    return Parsed(text, title, sections(text, headings), front.readers, front.metadata)


def plain(data: bytes) -> Parsed:
    """A text file. It may have a front matter too."""
    front, text = split(decode(data))
    return Parsed(text, front.title, (), front.readers, front.metadata)


def _headings(text: str) -> list[Heading]:
    """The headings of a CommonMark text; a # in a code block is none, and one in a list or quote divides nothing."""
    from markdown_it import MarkdownIt

    blocks = MarkdownIt("commonmark").disable("inline")  # what stands inside paragraphs does not matter here
    words = MarkdownIt("commonmark")
    starts = list(accumulate((len(line) + 1 for line in text.split("\n")), initial=0))
    found = []
    tokens = blocks.parse(text)
    for token, inside in pairwise(tokens):
        if token.type == "heading_open" and token.level == 0 and token.map:
            (inline,) = words.parseInline(inside.content[:_HEADING_CHARS])
            heading = one_line(" ".join(part.content for part in inline.children or [] if part.content))
            found.append(Heading(starts[token.map[0]], int(token.tag[1]), heading))
    return found


FORMATS = {
    ".md": Format("Markdown", markdown),
    ".markdown": Format("Markdown", markdown),
    ".txt": Format("text", plain),
}
