"""Where an adapter comes from: document -> training row -> adapter, a line a row. Names and versions, never a text."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from groundtune.tune.rows import Row
from groundtune.types import Example, Json
from groundtune.workspace import write_jsonl

MADE = "made/"  # begins the ids of examples that a model made from documents
LINEAGE = "lineage.jsonl"  # in the adapter's folder, and in every export of it


def keep_lineage(rows: Iterable[Row], examples: Mapping[str, Example], path: Path) -> None:
    """Writes what each row that was learnt from was made of.

    examples: by id, those that rows name. A line holds the row's kind, the example's id, the documents that the row
    shows, each with its version, and the documents that the example's answer rests on.
    """
    write_jsonl(path, (_line(row, examples.get(row.example)) for row in rows))


def _line(row: Row, example: Example | None) -> Json:
    evidence = dict.fromkeys(piece.document for piece in example.evidence) if example else {}
    return {"kind": row.kind, "example": row.example, "shown": dict(row.sources), "evidence": list(evidence)}


def documents_of(lines: Sequence[Json]) -> set[str]:
    """The documents in a lineage: all that some row shows or rests on."""
    return {name for line in lines for name in (*line["shown"], *line["evidence"])}
