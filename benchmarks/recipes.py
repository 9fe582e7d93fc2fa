"""Recipes compared: each tunes the same model on the same examples for the same time, and is asked the same questions
with passages (hybrid) and without (tuned). Naive is closed-book tuning with retrieval put on top of it.

python -m benchmarks.recipes squad | pubmedqa [--json] [--minutes 8] [--questions 150] [--articles 12] [--seeds 1]
[--recipes mixed context ...] [--workspace DIR]. A workspace that is given goes on where it was killed.

The question is knowledge: all documents may be read by tuning and by retrieval, so that both know the same, and the
questions asked are new. A recipe that makes two adapters gets half of the minutes for each.
"""

from __future__ import annotations

import argparse
import json
import random
import tempfile
import tomllib
from collections.abc import Sequence
from pathlib import Path
from typing import get_args

from benchmarks.data import data
from benchmarks.pairs import above, compared
from groundtune import stages
from groundtune.config import TuneTable, parse
from groundtune.decide.compare import quality_metric
from groundtune.measure.records import read_records
from groundtune.progress import TerminalProgress
from groundtune.project import Project
from groundtune.types import Json, Record, Task

CONFIG = """
[workspace]
path = "{folder}/workspaces/{recipe}"
[[sources]]
kind = "folder"
path = "{folder}/documents"
[examples]
path = "{folder}/examples.jsonl"
{test}
test_most = {questions}
[prompt]
candidates_on = 8
[tune]
recipe = "{recipe}"
minutes = {minutes}
seeds = {seeds}
made_from = 100
[measure]
latency_on = 4
[approaches.tuned]
generator = "tuned"
[approaches.hybrid]
generator = "tuned"
retriever = true
{checking}
"""
# "documents" checks the questions that it makes with the base model and the retriever.
CHECKING = '[approaches.rag]\ngenerator = "base"\nretriever = true\n'
RECIPES: tuple[str, ...] = get_args(TuneTable.model_fields["recipe"].annotation)
OF_LABELS = tuple(recipe for recipe in RECIPES if recipe not in ("documents", "facts"))  # which are for short answers
DEFAULT = "mixed"
APPROACHES = ("hybrid", "tuned")
SEED = 1


def squad(folder: Path, articles: int) -> Task:
    """Writes paragraphs of some articles as documents, and all questions about them."""
    read = json.loads(data("squad/dev-v1.1.json").read_text(encoding="utf-8"))["data"]
    examples = []
    for article in random.Random(SEED).sample(read, articles):
        for number, paragraph in enumerate(article["paragraphs"]):
            name = f"{article['title']}-{number}.md"
            title = article["title"].replace("_", " ")
            (folder / "documents" / name).write_text(f"# {title}\n\n{paragraph['context']}\n", encoding="utf-8")
            for asked in paragraph["qas"]:
                answers = list(dict.fromkeys(answer["text"] for answer in asked["answers"]))
                evidence = [{"document": name, "quote": answers[0]}]
                examples.append(
                    {"id": asked["id"], "question": asked["question"], "answers": answers, "evidence": evidence}
                )
    write(folder / "examples.jsonl", examples)
    return "qa"


def pubmedqa(folder: Path, _: int) -> Task:
    """Writes abstracts as documents, and the question about each; the official test set is the test."""
    held_out = json.loads(data("pubmedqa/test_ground_truth.json").read_text())
    parts: dict[bool, list[Json]] = {True: [], False: []}
    for id, row in json.loads(data("pubmedqa/ori_pqal.json").read_text()).items():
        (folder / "documents" / f"{id}.md").write_text("\n\n".join(row["CONTEXTS"]) + "\n", encoding="utf-8")
        example = {
            "id": id,
            "text": row["QUESTION"],
            "label": row["final_decision"],
            "evidence": [{"document": f"{id}.md"}],
        }
        parts[id in held_out].append(example)
    write(folder / "examples.jsonl", parts[False])
    write(folder / "test.jsonl", parts[True])
    return "labels"


DATA = {"squad": squad, "pubmedqa": pubmedqa}


def write(path: Path, rows: Sequence[Json]) -> None:
    """Rows as JSONL."""
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")


def main() -> None:
    """Tunes and asks by each recipe, and prints their scores and how far each is from the default."""
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("name", choices=DATA)
    arguments.add_argument("--json", action="store_true")
    arguments.add_argument("--minutes", type=float, default=8.0)
    arguments.add_argument("--questions", type=int, default=150)
    arguments.add_argument("--articles", type=int, default=12, help="of SQuAD")
    arguments.add_argument("--seeds", type=int, default=1)
    arguments.add_argument("--recipes", choices=RECIPES, nargs="+")
    arguments.add_argument("--workspace", type=Path)
    given = arguments.parse_args()
    given.folder = (given.workspace or Path(tempfile.mkdtemp(prefix="groundtune-recipes-"))).resolve()
    (given.folder / "documents").mkdir(parents=True, exist_ok=True)
    task = DATA[given.name](given.folder, given.articles)
    recipes = given.recipes or (RECIPES if task == "qa" else OF_LABELS)
    asked = {recipe: measured(given, recipe) for recipe in recipes}
    metric = quality_metric(None, task)
    result = {
        approach: {"metric": metric, **compared({one: asked[one][approach] for one in recipes}, metric, DEFAULT)}
        for approach in APPROACHES
    }
    if given.json:
        print(json.dumps(result))
    else:
        tell(result)


def measured(given: argparse.Namespace, recipe: str) -> dict[str, list[list[Record]]]:
    """The records of the tuned approaches of one recipe, those of each training."""
    text = CONFIG.format(
        folder=given.folder,
        recipe=recipe,
        seeds=given.seeds,
        questions=given.questions,
        minutes=given.minutes / (2 if recipe == "separate" else 1),
        test=f'test_path = "{given.folder}/test.jsonl"' if given.name == "pubmedqa" else "",
        checking=CHECKING if recipe == "documents" else "",
    )
    project = Project(parse(tomllib.loads(text), Path("recipes.toml")), TerminalProgress(), text)
    project.progress.say(f"recipe {recipe}")
    stages.prepare(project)
    stages.measure_stage(project)
    return {
        approach: [read_records(project.workspace.records(approach, training)) for training in range(given.seeds)]
        for approach in APPROACHES
    }


def tell(result: Json) -> None:
    """The figures as a table. Naive is the hybrid of closed-book."""
    for approach, found in result.items():
        print(f"\n| {approach}, {found['metric']} | mean | 95 % interval | {DEFAULT} above it | interval |")
        print("|---|---|---|---|---|")
        ahead = {one.other: one for one in (above(DEFAULT, pair) for pair in found["pairs"])}
        for name, quality in found["scores"].items():
            cells = [name, f"{quality['mean']:.3f}", f"{quality['low']:.3f} to {quality['high']:.3f}"]
            if one := ahead.get(name):
                cells += [f"{one.difference:+.3f}", f"{one.low:+.3f} to {one.high:+.3f}"]
            print(f"| {' | '.join(cells)} |")


if __name__ == "__main__":
    main()
