"""SQuAD 1.1 and 2.0 (Rajpurkar et al. 2016, 2018). Its paragraphs come along as documents, its articles are groups."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any
from urllib.parse import unquote

from groundtune.errors import UserError
from groundtune.examples.formats import Format, Found, Reading
from groundtune.examples.material import Material
from groundtune.examples.wording import count
from groundtune.types import Document, Evidence, Example
from groundtune.workspace import digest

# White space after a sentence's end. Words of less than three letters end none (J., U.S., St., No.): an uncut sentence
# only makes a quote longer.
SENTENCE_END = re.compile(r"""(?:(?<=\w\w\w[.!?])|(?<=\w\w\w[.!?]["')\]]))\s+(?=["'(\[]?[A-Z0-9])""")


class Squad:
    def recognises(self, material: Material) -> bool:
        """By `data`, a list of articles with `paragraphs`."""
        articles = material.rows[0].values.get("data") if len(material.rows) == 1 else None
        return isinstance(articles, list) and any(isinstance(one, dict) and "paragraphs" in one for one in articles)

    def read(self, material: Material) -> Reading:
        """One example a question. Raises UserError naming the article where something is missing."""
        whole = material.rows[0].values
        found: list[Found] = []
        documents: list[Document] = []
        title = ""
        try:
            for article in whole["data"]:
                title = article["title"]
                for paragraph in article["paragraphs"]:
                    document = _document(title, documents, paragraph["context"])
                    documents.append(document)
                    found += _examples(material.name, title, document, paragraph["qas"])
        except (KeyError, TypeError, AttributeError) as error:
            raise UserError(
                f"{material.name}: not whole as SQuAD near article {title!r} ({type(error).__name__}: {error})",
                "a question needs id, question and answers; a paragraph context and qas; an article a title",
            ) from error
        version = str(whole.get("version", "")).lstrip("v")
        says = (
            f"SQuAD{' ' + version if version else ''}, {count(len(found), 'question')} over "
            f"{count(len({one.example.group for one in found}), 'article')}; its paragraphs can be the documents"
        )
        return Reading(says, found, tuple(documents))


def _document(title: str, before: list[Document], context: str) -> Document:
    """A paragraph, numbered from 1 within its article: "Super_Bowl_50/12"."""
    number = 1
    if before and before[-1].id.rpartition("/")[0] == title:
        number = int(before[-1].id.rpartition("/")[2]) + 1
    return Document(f"{title}/{number}", context, unquote(title).replace("_", " "), digest(context), "")


def _examples(name: str, title: str, document: Document, questions: list[dict[str, Any]]) -> Iterator[Found]:
    ends = [0, *(match.end() for match in SENTENCE_END.finditer(document.text)), len(document.text)]
    for question in questions:
        where = f"{name} article {title!r}, question {question['id']!r}"
        asked = question["question"].strip()
        if not asked:
            raise UserError(f'{where}: no "question"', "mend or remove it")
        given = [] if question.get("is_impossible") else question["answers"]
        answers = tuple(dict.fromkeys(answer["text"].strip() for answer in given if answer["text"].strip()))
        evidence = (Evidence(document.id, _sentence(document.text, ends, given[0])),) if answers else ()
        yield Found(where, Example(str(question["id"]), "qa", asked, answers, evidence, title))


def _sentence(context: str, ends: list[int], answer: dict[str, Any]) -> str:
    """The sentence that holds the answer; "" where the answer does not stand in the context."""
    words, start = answer["text"], answer.get("answer_start", -1)
    if start < 0 or not context.startswith(words, start):
        start = context.find(words)
    if start < 0:
        return ""
    first = max(end for end in ends if end <= start)
    last = min(end for end in ends if end >= start + len(words))
    return context[first:last].strip()


def create() -> Format:
    return Squad()
