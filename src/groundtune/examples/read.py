"""Reads examples in any known format and says what it found."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from groundtune import plug
from groundtune.errors import UserError
from groundtune.examples.formats import Format, Found
from groundtune.examples.material import Material, open_material
from groundtune.examples.tables import TABLES
from groundtune.examples.wording import PAGE, count
from groundtune.types import Document, Example, Task
from groundtune.workspace import digest

FEWEST = 10
FORMATS = "examples.formats"  # the folder, as plug names it


@dataclass(frozen=True, slots=True)
class Loaded:
    """The examples of a file. `documents` are those that came with them (SQuAD, BEIR); `notes` are for the user."""

    examples: tuple[Example, ...]
    task: Task
    format: str
    notes: tuple[str, ...]
    documents: tuple[Document, ...]

    @property
    def retrieval_only(self) -> bool:
        """No example has an answer, yet all have evidence: only retrieval can be measured, and nothing tuned."""
        return all(example.evidence and not example.answers for example in self.examples)


def read_examples(
    path: Path, *, format: str = "auto", task: Task | Literal["auto"] = "auto", columns: dict[str, str] | None = None
) -> Loaded:
    """The examples at `path`, a file or a folder.

    format: "auto", a kind in formats/, "csv", "tsv", "parquet", or "package.module:name" of a format of your own.
    columns: our name -> the file's name (or number, counted from 1, where there is no header line).
    Raises UserError, with file and line, for whatever cannot be an example, and for fewer than 10 examples.
    """
    table = format in TABLES
    material = open_material(path, format if table else "auto", columns or {})
    kind = _recognise(material) if table or format == "auto" else format
    chosen = _format(kind)
    if material.container == "folder" and not chosen.recognises(material):
        raise _nothing_in(material.path)
    reading = chosen.read(material)
    found = _with_ids(reading.found)
    if len(found) < FEWEST:
        raise UserError(
            f"{material.name}: {count(len(found), 'example')}; at least {FEWEST} are needed",
            f"a few hundred make a verdict likely; how they look: {PAGE}",
        )
    examples, told = _with_task([one.example for one in found], task)
    for one, example in zip(found, examples, strict=True):
        _check(one.where, example)
    loaded = Loaded(examples, examples[0].task, kind, (), reading.documents)
    notes = (f"{material.name}: {reading.says}", *reading.notes, *told, *_remarks(loaded))
    return replace(loaded, notes=notes)


def _format(kind: str) -> Format:
    known = plug.kinds(FORMATS)
    if kind not in known and ":" not in kind:
        raise UserError(f"[examples] format = {kind!r} is unknown; one of: auto, {', '.join((*known, *TABLES))}")
    made: Format = plug.make(FORMATS, kind, {}, where="[examples] format")
    return made


def _recognise(material: Material) -> str:
    """The kind of format; native, which says what is missing, where none is recognised."""
    for kind in plug.kinds(FORMATS):
        if kind != "native" and _format(kind).recognises(material):
            return kind
    return "native"


def _nothing_in(folder: Path) -> UserError:
    there = sorted(item.name for item in folder.iterdir())
    return UserError(
        f"{folder}: a folder without examples; there are: {', '.join(there[:8]) or 'no files'}",
        "[examples] path names a file, or a folder in the BEIR layout (corpus.jsonl, queries.jsonl, qrels/)",
    )


def _with_ids(found: list[Found]) -> list[Found]:
    """Every example with an id and a group. An id that is made is a digest of the question: it outlives a new order."""
    places: dict[str, str] = {}
    repeats: Counter[str] = Counter()
    for one in found:
        name = one.example.id
        if name in places:
            raise UserError(f"{one.where}: the id {name!r} was used before, at {places[name]}", "give each its own")
        if name:
            places[name] = one.where
    whole = []
    for one in found:
        name = one.example.id
        if not name:
            stem = digest(one.example.question)[:10]
            repeats[stem] += 1
            name = stem if repeats[stem] == 1 else f"{stem}-{repeats[stem]}"
        evidence = one.example.evidence
        group = one.example.group or (evidence[0].document if evidence else "") or name
        whole.append(replace(one, example=replace(one.example, id=name, group=group)))
    return whole


def _with_task(examples: list[Example], task: Task | Literal["auto"]) -> tuple[tuple[Example, ...], tuple[str, ...]]:
    """The examples under the task that was asked for; with "auto", texts with few and short outputs are labels."""
    if task == "auto":
        task = examples[0].task
        if task == "text" and _are_labels(examples):
            told = (f'the outputs are {len(_outputs(examples))} short texts: read as labels (else: task = "text")',)
            return tuple(replace(example, task="labels") for example in examples), told
    return tuple(replace(example, task=task) for example in examples), ()


def _are_labels(examples: list[Example]) -> bool:
    outputs = _outputs(examples)
    short = all(len(output) <= 60 and "\n" not in output for output in outputs)
    return short and 2 <= len(outputs) <= min(200, len(examples) / 5)


def _outputs(examples: list[Example]) -> set[str]:
    return {answer for example in examples for answer in example.answers}


def _check(where: str, example: Example) -> None:
    if example.task != "qa" and len(example.answers) != 1:
        what = "label" if example.task == "labels" else "output"
        raise UserError(
            f"{where}: {len(example.answers)} answers; task = {example.task!r} needs exactly one {what}",
            'answers in a list, several or none, are task = "qa"',
        )


def _remarks(loaded: Loaded) -> list[str]:
    """What the user should know about the examples as a whole."""
    if loaded.retrieval_only:
        return ["there are no answers, only relevant documents: retrieval can be measured, nothing tuned or answered"]
    if loaded.task == "labels":
        labels = Counter(example.answers[0] for example in loaded.examples)
        once = sorted(label for label, times in labels.items() if times == 1)
        remarks = [f"{len(labels)} labels"]
        if once:
            remarks.append(f"seen only once, so for training and never tested: {', '.join(map(repr, once[:10]))}")
        return remarks
    unanswerable = sum(not example.answers for example in loaded.examples)
    return [f"{count(unanswerable, 'question')} without answers: taken as unanswerable"] if unanswerable else []
