"""SQuAD dev: all its paragraphs as documents, articles held out (skill). The four approaches, the tuned model with the
gold passage in its prompt, and the naive combination: a model tuned closed-book, and retrieval put on top of it.

python -m benchmarks.squad [--json] [--version 2.0] [--minutes 15] [--questions 300] [--naive] [--workspace DIR]

About 40 minutes on 2 cores, half an hour more with --naive. A workspace that is given goes on where it was killed.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from statistics import fmean

from benchmarks.data import data
from benchmarks.pairs import above, compared
from groundtune import stages
from groundtune.cases import holds_evidence
from groundtune.config import parse
from groundtune.decide.compare import cluster_of
from groundtune.measure.records import read_records
from groundtune.metrics import score, summary
from groundtune.progress import TerminalProgress
from groundtune.project import Project
from groundtune.report.terminal import terminal
from groundtune.stages.data import test_examples
from groundtune.stats import clustered_bootstrap, interval
from groundtune.types import EVERYONE, Example, Hit, Json, Passage, Reader, Record
from groundtune.workspace import read_jsonl

CONFIG = """
[workspace]
path = "{workspace}"
[examples]
path = "{examples}"
question = "skill"
test_share = 0.25       # of 48 articles (35 of version 2.0), so 9 to 12 are held out and more where they are small
test_most = {questions}
[prompt]
candidates_on = 16
[tune]
recipe = "{recipe}"
minutes = {minutes}
[measure]
latency_on = 20
{approaches}
"""
NAIVE = '[approaches.naive]\ngenerator = "tuned"\nretriever = true\n'


def main() -> None:
    """Runs the line on SQuAD and prints its verdict, and what the floors of the project are held against."""
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--json", action="store_true")
    arguments.add_argument("--version", choices=("1.1", "2.0"), default="1.1")
    arguments.add_argument("--minutes", type=float, default=15.0)
    arguments.add_argument("--questions", type=int, default=300)
    arguments.add_argument("--naive", action="store_true")
    arguments.add_argument("--workspace", type=Path)
    given = arguments.parse_args()
    given.workspace = given.workspace or Path(tempfile.mkdtemp(prefix="groundtune-squad-"))
    project = opened(given, given.workspace, "mixed")
    verdict = stages.run(project)
    records = {name: read_records(project.workspace.records(name)) for name in verdict["approaches"]}
    if given.naive:
        naive = opened(given, given.workspace / "naive", "closed-book", NAIVE)
        stages.prepare(naive)
        stages.measure_stage(naive)
        records["naive"] = read_records(naive.workspace.records("naive"))
    found = compared({name: [rows] for name, rows in records.items()}, "f1", "hybrid")
    result = {
        "articles_held_out": len({row["group"] for row in read_jsonl(project.workspace.test)}),
        "training_minutes": round(trained_seconds(project) / 60, 1),
        "gold_passage": with_gold(project),
        "f1": found["scores"],
        "pairs": found["pairs"],
        "selective": {name: selective(rows) for name, rows in records.items()},
        "above_always": above_always(records["hybrid"]),
        "verdict": verdict,
    }
    if given.json:
        print(json.dumps(result))
        return
    print("\n".join(terminal(verdict)))
    tell(result)


def opened(given: argparse.Namespace, workspace: Path, recipe: str, approaches: str = "") -> Project:
    """The project on one recipe."""
    text = CONFIG.format(
        workspace=workspace.resolve(),
        examples=data(f"squad/dev-v{given.version}.json"),
        questions=given.questions,
        recipe=recipe,
        minutes=given.minutes,
        approaches=approaches,
    )
    return Project(parse(tomllib.loads(text), Path("squad.toml")), TerminalProgress(), text)


def trained_seconds(project: Project) -> float:
    """How long the adapters were trained, without what was planned and given up."""
    made = project.workspace.last("tune")["adapters"].values()
    return float(sum(training["seconds"] for trainings in made for training in trainings))


class Gold:
    """Finds for a question the passage that holds its evidence. Satisfies `types.Retriever`."""

    def __init__(self, passages: Mapping[str, Passage]) -> None:
        self._passages = passages

    def search(self, queries: Sequence[str], k: int, reader: Reader = EVERYONE) -> list[list[Hit]]:
        """One passage a question."""
        return [[Hit(self._passages[query], 1.0)] for query in queries]


def with_gold(project: Project) -> Json:
    """F1 of the hybrid where each prompt holds the gold passage and no other, over the questions that have one."""
    about: dict[str, list[Passage]] = {}
    for passage in project.index.all_passages():
        about.setdefault(passage.document, []).append(passage)
    examples: list[Example] = []
    gold: dict[str, Passage] = {}
    for example in test_examples(project):
        near = [passage for one in example.evidence for passage in about.get(one.document, [])]
        if example.answers and (held := [passage for passage in near if holds_evidence(passage, example)]):
            gold[example.question] = held[0]
            examples.append(example)
    hybrid = replace(stages.approach(project, "hybrid"), retriever=Gold(gold), k=1)
    answers = hybrid.answer([example.question for example in examples])
    scores = [score(example, answer) for example, answer in zip(examples, answers, strict=True)]
    return {"f1": fmean(one["f1"] for one in scores), "exact": fmean(one["exact"] for one in scores), "n": len(scores)}


def selective(records: Sequence[Record]) -> Json:
    """What an approach's abstentions are worth, beside never and always abstaining.

    never: an upper bound, as if every abstention from an answerable question had been the right answer.
    """
    means = summary("qa", records)
    kept = [record for record in records if record.example.answers]
    never = sum(1.0 if record.answer.abstained else record.scores["f1"] for record in kept) / len(records)
    always = 1 - len(kept) / len(records)
    told = {key: means.get(key) for key in ("aurc", "abstention_rate", "unanswerable_abstained", "f1_when_answered")}
    return {"never_at_most": never, "always": always, **told}


def above_always(records: Sequence[Record]) -> Json:
    """How far an approach is above abstaining from every question, paired, with a 95 % interval."""
    values = [record.scores["f1"] - float(not record.example.answers) for record in records]
    clusters = [cluster_of(record.example) for record in records]
    low, high = interval(clustered_bootstrap(values, clusters)[:, 0], values, clusters, 0.95, (-1.0, 1.0))
    return {"difference": fmean(values), "low": low, "high": high}


def tell(result: Json) -> None:
    """The figures as a table."""
    print(f"\n{result['articles_held_out']} articles held out; {result['training_minutes']} minutes of training\n")
    print("| what | F1 | interval |\n|---|---|---|")
    gold = result["gold_passage"]
    print(f"| hybrid, gold passage, {gold['n']} questions | {gold['f1']:.3f} | |")
    for name, quality in result["f1"].items():
        print(f"| {name} | {quality['mean']:.3f} | {quality['low']:.3f} to {quality['high']:.3f} |")
    for pair in result["pairs"]:
        one = above("hybrid", pair)
        print(f"| hybrid above {one.other} | {one.difference:+.3f} | {one.low:+.3f} to {one.high:+.3f} |")
    one = result["above_always"]
    print(f"| hybrid above always abstaining | {one['difference']:+.3f} | {one['low']:+.3f} to {one['high']:+.3f} |")
    columns = list(next(iter(result["selective"].values())))
    print(f"\n| abstaining | {' | '.join(columns)} |\n|{'---|' * (1 + len(columns))}")
    for name, one in result["selective"].items():
        cells = ["" if one[column] is None else f"{one[column]:.3f}" for column in columns]
        print(f"| {name} | {' | '.join(cells)} |")


if __name__ == "__main__":
    main()
