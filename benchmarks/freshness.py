"""The CIA factbook of April 2022 brought up to August 2024 by one sync: is the new value found, is the old one gone?

python -m benchmarks.freshness [--json]

228 country pages, 2,172 questions, 1,665 of whose answers changed. Default retriever and embedder.
"""

from __future__ import annotations

import argparse
import json
import shutil
import tempfile
import time
from pathlib import Path

from benchmarks.data import data
from groundtune.config import Config, SourceTable, WorkspaceTable
from groundtune.metrics.words import stands_in, words
from groundtune.project import Project
from groundtune.stages import bring

K = 5


def main() -> None:
    """Syncs the old pages, then the new ones in their place, and prints what a search finds."""
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--json", action="store_true")
    given = arguments.parse_args()
    folder = data("factbook")
    questions = [json.loads(line) for line in (folder / "questions.jsonl").read_text().splitlines()]
    changed = [question for question in questions if question["changed"]]
    with tempfile.TemporaryDirectory() as place:
        pages = Path(place) / "pages"
        shutil.copytree(folder / "old", pages)
        project = opened(Path(place), pages)
        bring(project)
        before = found(project, changed, "answer_old")
        shutil.copytree(folder / "new", pages, dirs_exist_ok=True)
        for gone in {file.name for file in pages.iterdir()} - {file.name for file in (folder / "new").iterdir()}:
            (pages / gone).unlink()
        began = time.perf_counter()
        summary = bring(project)
        took = time.perf_counter() - began
        result = {
            "changed_questions": len(changed),
            "old_value_found_before": before,
            "new_value_found_after": found(project, changed, "answer_new"),
            "old_values_left": left(project, changed, folder / "new"),
            "sync_seconds": round(took, 1),
            "documents_changed": len(summary.changed),
            "passages_embedded": summary.embedded,
        }
    if given.json:
        print(json.dumps(result))
        return
    print("| what | value |\n|---|---|")
    for name, value in result.items():
        print(f"| {name.replace('_', ' ')} | {value:.4f} |" if isinstance(value, float) else f"| {name} | {value} |")


def opened(place: Path, pages: Path) -> Project:
    source = SourceTable(kind="folder", path=str(pages))  # type: ignore[call-arg]
    return Project(Config(workspace=WorkspaceTable(path=place / "workspace"), sources=(source,)))


def found(project: Project, questions: list[dict[str, str]], answer: str) -> float:
    """The share of questions whose answer stands in one of the first passages from its own page."""
    hits = project.retriever.search([question["question"] for question in questions], K)
    right = 0
    for question, passages in zip(questions, hits, strict=True):
        own = [hit.passage.text for hit in passages if hit.passage.document == question["document"]]
        right += any(stands_in(words(question[answer]), words(text)) for text in own)
    return right / len(questions)


def left(project: Project, questions: list[dict[str, str]], new: Path) -> int:
    """How many old values stand in a passage of their page although the new page does not say them anywhere."""
    passages: dict[str, list[list[str]]] = {}
    for passage in project.index.all_passages():
        passages.setdefault(passage.document, []).append(words(passage.text))
    stale = 0
    for question in questions:
        old, file = words(question["answer_old"]), new / question["document"]
        told = file.exists() and stands_in(old, words(file.read_text(encoding="utf-8")))
        held = any(stands_in(old, text) for text in passages.get(question["document"], []))
        stale += held and not told
    return stale


if __name__ == "__main__":
    main()
