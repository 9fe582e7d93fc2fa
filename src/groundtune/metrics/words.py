"""Text as words, the way answers are compared: case, punctuation, articles and white space do not count."""

from __future__ import annotations

import re
import string
import unicodedata

# Scripts that put no spaces between words: each of their characters counts as one word, as MLQA has it for Chinese.
_UNSPACED = "\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff"
_WORD = re.compile(rf"[{_UNSPACED}]|[^\s{_UNSPACED}]+")
_ARTICLE = re.compile(r"\b(a|an|the)\b")
_ASCII_PUNCTUATION = frozenset(string.punctuation)


def words(text: str) -> list[str]:
    """The words of a text in SQuAD's normal form: lower case, without punctuation, without English articles.

    Source: SQuAD's evaluate-v2.0.py; punctuation means all of Unicode's, after MLQA's script. Where nothing would be
    left (an answer "A" to a multiple choice, an operator "+"), the lower-cased text is kept as it is.
    """
    lower = unicodedata.normalize("NFC", text).lower()
    bare = "".join(character for character in lower if not _is_punctuation(character))
    return _WORD.findall(_ARTICLE.sub(" ", bare)) or _WORD.findall(lower)


def stands_in(part: list[str], whole: list[str]) -> bool:
    """Whether the words of `part`, at least one, stand next to each other and in this order in `whole`."""
    return bool(part) and f" {' '.join(part)} " in f" {' '.join(whole)} "


def _is_punctuation(character: str) -> bool:
    return character in _ASCII_PUNCTUATION or unicodedata.category(character).startswith("P")
