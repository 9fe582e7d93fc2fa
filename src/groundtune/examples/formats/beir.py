"""The BEIR layout (Thakur et al. 2021): a folder with corpus.jsonl, queries.jsonl and qrels/*.tsv.

It says which documents are relevant to a query, never what the answer is. So its examples have evidence and no answers,
which an unanswerable question (neither) never has: they measure retrieval alone.
"""

from __future__ import annotations

from collections import defaultdict
from pathlib import Path

from groundtune.errors import UserError
from groundtune.examples.formats import Format, Found, Reading
from groundtune.examples.formats._values import text, text_or_blank
from groundtune.examples.material import Material, json_rows
from groundtune.examples.tables import read_table
from groundtune.types import Document, Evidence, Example
from groundtune.workspace import digest


class Beir:
    def recognises(self, material: Material) -> bool:
        """By its three parts."""
        return not material.rows and all(
            (material.path / part).exists() for part in ("corpus.jsonl", "queries.jsonl", "qrels")
        )

    def read(self, material: Material) -> Reading:
        """One example a judged query, the judgements of all of qrels/ together; the corpus is the documents."""
        relevant = _judgements(material.path / "qrels")
        queries = json_rows(material.path / "queries.jsonl")
        found = [
            Found(row.where, Example(name, "qa", text(row, "text"), (), tuple(map(Evidence, relevant[name]))))
            for row in queries
            if (name := text(row, "_id")) in relevant
        ]
        documents = tuple(
            Document(text(row, "_id"), body, text_or_blank(row, "title"), digest(body), "")
            for row in json_rows(material.path / "corpus.jsonl")
            if (body := text_or_blank(row, "text"))
        )
        says = f"BEIR, {len(found):,} judged queries over {len(documents):,} documents; its corpus can be the documents"
        return Reading(says, found, documents)


def _judgements(folder: Path) -> dict[str, list[str]]:
    """Query id -> ids of the documents that are relevant to it (a score above 0)."""
    relevant: dict[str, list[str]] = defaultdict(list)
    for path in sorted(folder.glob("*.tsv")):
        for place, row in read_table(path, "tsv", by_number=False):
            try:
                query, document, score = row["query-id"], row["corpus-id"], float(row["score"])
            except (KeyError, ValueError) as error:
                raise UserError(
                    f"qrels/{path.name} {place}: not a judgement ({error})",
                    "the columns are query-id, corpus-id and score (a number), with a header line",
                ) from error
            if score > 0 and document not in relevant[query]:
                relevant[query].append(document)
    return {query: documents for query, documents in relevant.items() if documents}


def create() -> Format:
    return Beir()
