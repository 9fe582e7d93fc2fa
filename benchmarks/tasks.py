"""Classification and translation on test sets of their own: a base model, a base model shown the nearest solved
examples, and a tuned one, on the same questions with paired intervals.

python -m benchmarks.tasks sst2 | banking77 | pubmedqa | multi30k [--json] [--minutes 20] [--questions N]
[--approaches base nearest tuned] [--workspace DIR]. A workspace that is given goes on where it was killed.
"""

from __future__ import annotations

import argparse
import csv
import json
import tempfile
import tomllib
from collections.abc import Iterator
from pathlib import Path

from benchmarks.data import data
from benchmarks.pairs import above, compared
from groundtune import stages
from groundtune.config import parse
from groundtune.decide.compare import quality_metric
from groundtune.measure.records import read_records
from groundtune.progress import TerminalProgress
from groundtune.project import Project
from groundtune.types import Json, Task

CONFIG = """
[workspace]
path = "{folder}/workspace"
[examples]
path = "{folder}/train.jsonl"
test_path = "{folder}/test.jsonl"
task = "{task}"
question = "knowledge"
test_most = {questions}
[tune]
minutes = {minutes}
[measure]
latency_on = 20
{approaches}
"""
APPROACHES = {
    "base": '[approaches.base]\ngenerator = "base"',
    "nearest": '[approaches.nearest]\ngenerator = "base"\nretriever = "examples"',
    "tuned": '[approaches.tuned]\ngenerator = "tuned"',
}
SENTIMENT = {"0": "negative", "1": "positive"}
Rows = Iterator[Json]


def sst2(part: str) -> Rows:
    """Sentences of film reviews: positive or negative."""
    for line in data(f"sst2/{part}.tsv").read_text().splitlines():
        text, label = line.split("\t")
        yield {"text": text, "label": SENTIMENT[label]}


def banking77(part: str) -> Rows:
    """What customers of a bank ask: 77 intents."""
    with data(f"banking77/{part}.csv").open(newline="") as file:
        for row in csv.DictReader(file):
            yield {"text": row["text"], "label": row["category"].replace("_", " ")}


def pubmedqa(part: str) -> Rows:
    """An abstract and a question about it: yes, no or maybe. Train is what is not in the official test set."""
    held_out = json.loads(data("pubmedqa/test_ground_truth.json").read_text())
    for name, row in json.loads(data("pubmedqa/ori_pqal.json").read_text()).items():
        if (name in held_out) == (part == "test"):
            text = f"{' '.join(row['CONTEXTS'])}\n\nQuestion: {row['QUESTION']}"
            yield {"text": text, "label": row["final_decision"], "id": name}


def multi30k(part: str) -> Rows:
    """Captions of pictures, English and German."""
    for line in data(f"multi30k/{part}.en-de.tsv").read_text().splitlines():
        english, german = line.split("\t")
        yield {"input": english, "output": german}


TASKS = {"sst2": sst2, "banking77": banking77, "pubmedqa": pubmedqa, "multi30k": multi30k}


def main() -> None:
    """Runs the line on one data set and prints each approach's score, and how much better the tuned one is."""
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("name", choices=TASKS)
    arguments.add_argument("--json", action="store_true")
    arguments.add_argument("--minutes", type=float, default=20.0)
    arguments.add_argument("--questions", type=int, default=10_000, help="of the test set, at the most")
    arguments.add_argument("--approaches", choices=APPROACHES, nargs="+", default=list(APPROACHES))
    arguments.add_argument("--workspace", type=Path)
    given = arguments.parse_args()
    folder = given.workspace or Path(tempfile.mkdtemp(prefix=f"groundtune-{given.name}-"))
    folder.mkdir(parents=True, exist_ok=True)
    for part in ("train", "test"):
        lines = (json.dumps(row) + "\n" for row in TASKS[given.name](part))
        (folder / f"{part}.jsonl").write_text("".join(lines))
    task: Task = "text" if given.name == "multi30k" else "labels"
    text = CONFIG.format(
        folder=folder.resolve(),
        task=task,
        questions=given.questions,
        minutes=given.minutes,
        approaches="\n".join(APPROACHES[name] for name in given.approaches),
    )
    project = Project(parse(tomllib.loads(text), Path("tasks.toml")), TerminalProgress(), text)
    verdict = stages.run(project)
    records = {name: [read_records(project.workspace.records(name))] for name in verdict["approaches"]}
    metric = quality_metric(None, task)
    result = {"metric": metric, **compared(records, metric, "tuned"), "facts": verdict["approaches"]}
    if given.json:
        print(json.dumps(result))
    else:
        tell(result)


def tell(result: Json) -> None:
    """The figures as a table."""
    print(f"| {result['metric']} | mean | 95 % interval | n |\n|---|---|---|---|")
    for name, one in result["scores"].items():
        print(f"| {name} | {one['mean']:.3f} | {one['low']:.3f} to {one['high']:.3f} | {one['n']} |")
    for pair in result["pairs"]:
        one = above("tuned", pair)
        print(f"| tuned above {one.other} | {one.difference:+.3f} | {one.low:+.3f} to {one.high:+.3f} | |")


if __name__ == "__main__":
    main()
