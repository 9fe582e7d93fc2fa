"""Asks an approach every test example and keeps the scored answers: a killed run goes on where it stopped."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from groundtune.approach import Approach
from groundtune.examples.store import from_row, to_row
from groundtune.metrics import prompt_scores, retrieval_scores, score
from groundtune.types import Answer, Citation, Example, Hit, Json, NoProgress, Passage, Progress, Record
from groundtune.workspace import append_jsonl, read_jsonl, write_jsonl

AT_ONCE = 48  # examples asked and saved together
DEPTH = 10  # how deep a search is looked at for recall and nDCG


def measure(
    approach: Approach, examples: Sequence[Example], path: Path, run: str, progress: Progress | None = None
) -> list[Record]:
    """The approach's records of all examples, in order; those of this `run` that `path` holds are not asked again.

    run: the digest of all that the answers depend on. Raises WorkFailed where the disk is full.
    """
    progress = progress or NoProgress()
    done = _saved(path, run)
    write_jsonl(path, [_to_row(record, run) for record in done.values()])  # without other runs' rows and cut-off ones
    missing = [example for example in examples if example.id not in done]
    progress.start(f"measuring {approach.name}", len(examples))
    progress.advance(len(examples) - len(missing))
    for start in range(0, len(missing), AT_ONCE):
        records = _ask(approach, missing[start : start + AT_ONCE])
        append_jsonl(path, [_to_row(record, run) for record in records])
        done |= {record.example.id: record for record in records}
        progress.advance(len(records))
    progress.finish()
    return [done[example.id] for example in examples]


def read_records(path: Path) -> list[Record]:
    """The records in a file that `measure` wrote."""
    return [_from_row(row) for row in read_jsonl(path)]


def _ask(approach: Approach, examples: Sequence[Example]) -> list[Record]:
    questions = [example.question for example in examples]
    answers = approach.answer(questions)
    scores = [score(example, answer) for example, answer in zip(examples, answers, strict=True)]
    if approach.retriever is not None:  # whether or not it found anything
        deep = approach.retriever.search(questions, DEPTH)
        scores = [
            one | prompt_scores(example, answer) | retrieval_scores(example, hits)
            for one, example, answer, hits in zip(scores, examples, answers, deep, strict=True)
        ]
    return [Record(approach.name, *row) for row in zip(examples, answers, scores, strict=True)]


def _saved(path: Path, run: str) -> dict[str, Record]:
    if not path.exists():
        return {}
    return {row["example"]["id"]: _from_row(row) for row in read_jsonl(path) if row["run"] == run}


def _to_row(record: Record, run: str) -> Json:
    return {
        "run": run,
        "approach": record.approach,
        "example": to_row(record.example),
        "answer": asdict(record.answer),
        "scores": dict(record.scores),
    }


def _from_row(row: Json) -> Record:
    said = dict(row["answer"])
    said["citations"] = tuple(Citation(**citation) for citation in said["citations"])
    said["hits"] = tuple(Hit(Passage(**hit["passage"]), hit["score"], hit["parts"]) for hit in said["hits"])
    return Record(row["approach"], from_row(row["example"]), Answer(**said), row["scores"])
