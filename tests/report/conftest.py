"""An invented run: a handbook, questions, four approaches that answer them well or badly, and the verdict on it all.

`python tests/report/conftest.py FOLDER` writes its reports, to be looked at.
"""

from __future__ import annotations

import random
import sys
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from groundtune.config import DecideTable
from groundtune.decide import Facts, decide
from groundtune.metrics import prompt_scores, score
from groundtune.report import PromptChoice, ReportContext, Training, html, markdown
from groundtune.types import Answer, Citation, Evidence, Example, Hit, Json, LeftOut, Passage, Record

# document, heading, page, text, question, answer, a wrong answer that sounds right
HANDBOOK: list[tuple[str, str, int | None, str, str, str, str]] = [
    ("policies/returns.md", "Return window", None,
     ("You can return an unused kettle within 45 days of delivery. Opened filters cannot be returned. The carrier's "
     "scan counts as the day of delivery, and the form in the parcel has to be filled in."),
     "I bought a kettle three weeks ago, how long have I got to send it back?", "45 days", "30 days"),
    ("prices/filters.csv", "Filters", None, "Filter F2 costs 14.90. A pack of three F2 filters costs 39.00.",
     "what's the price of one F2 filter", "14.90", "39.00"),
    ("manuals/brewline-300.pdf", "Descaling", 14,
     ("Descale the Brewline 300 after every 60 brews, or when the amber lamp blinks twice. Use 12 g of citric acid in "
     "one litre of water and run the long programme. Never use vinegar: its vapour attacks the seals."),
     "How often does the Brewline 300 want descaling?", "after every 60 brews", "once a month"),
    ("manuals/brewline-300.pdf", "Error codes", 31,
     "E4: the water tank is not seated. E5: the pump runs dry. E7: the heater is too hot; unplug for 20 minutes.",
     "My Brewline shows E7, what now?", "unplug for 20 minutes", "the pump runs dry"),
    ("policies/warranty.md", "Length", None,
     ("The warranty on motors is five years, on everything else two years. It starts with the invoice, not with the "
     "delivery, and it passes to whoever owns the appliance."),
     "is the motor still covered after four years?", "five years", "two years"),
    ("howto/register.html", "Registering", None,
     "Register within 28 days of purchase to get the extra year. The serial number stands under the base plate.",
     "Where do I find the serial number?", "under the base plate", "on the invoice"),
    ("shipping/europe.md", "Customs", None, "Parcels to Switzerland go by Alpine Freight and take 4 to 6 working days.",
     "Who delivers to Switzerland?", "Alpine Freight", "Royal Courier"),
    ("releases/2026-05.md", "App 4.2", None, "App 4.2 brings brewing by voice and drops support for Android 9.",
     "Does the app still run on Android 9?", "no, App 4.2 drops support for Android 9", "yes"),
]  # fmt: skip

SKILL = {"base": 0.06, "rag": 0.55, "tuned": 0.22, "hybrid": 0.82}
FACTS = {
    "base": Facts(212, 418, 0.0071, 0, None, 742, 61),
    "rag": Facts(871, 1624, 0.0302, 0, 4.2, 861, 552),
    "tuned": Facts(188, 351, 0.0142, 1140, None, 765, 48),
    "hybrid": Facts(640, 1180, 0.0301, 1140, 4.2, 884, 538),
}
CONTEXT = ReportContext(
    title="Kettle support handbook",
    model="smollm2-135m",
    documents=64,
    passages=412,
    train=311,
    test=150,
    left_out=(LeftOut("scans/2019-invoice.pdf", "not readable as PDF (file is truncated)"),),
    notes=("Test and train share no question; 3 near duplicates were kept on the train side.",),
    training=Training(
        rows=933, tokens=412_870, steps=351, seconds=1140,
        mix={"gold passage": 498, "no gold passage": 124, "closed-book": 311},
    ),
    prompts=(
        PromptChoice(generator="base", chosen="three_shots", n=24, candidates={"plain": 0.05, "three_shots": 0.14},
                     text="Answer in a few words.\n\nQuestion: ..."),
        PromptChoice(generator="tuned", chosen="plain", n=24, candidates={"plain": 0.44}),
    ),
    price_per_hour=0.10,
    queries_per_month=50_000,
    finished="2026-11-22T09:51:03+00:00",
    version="0.1.0",
    config='[[sources]]\nkind = "folder"\npath = "docs"\n\n[decide]\nmax_p95_ms = 1500\n',
)  # fmt: skip


def make_records(names: Sequence[str] = tuple(SKILL), n: int = 150, seed: int = 3) -> dict[str, list[Record]]:
    """Answers to `n` questions, one in ten of them not answerable, by each of the named approaches."""
    chance = random.Random(seed)
    records: dict[str, list[Record]] = {name: [] for name in names}
    for number in range(n):
        example, passage = make_example(number)
        luck = chance.random()
        for name in names:
            answer = make_answer(name, number, example, passage, 0.75 * luck + 0.25 * chance.random())
            searched = prompt_scores(example, answer) if name in ("rag", "hybrid") else {}
            records[name].append(Record(name, example, answer, score(example, answer) | searched))
    return records


def make_example(number: int) -> tuple[Example, Passage]:
    document, heading, page, text, question, answer, _ = HANDBOOK[number % len(HANDBOOK)]
    document = document.replace(".", f"-{number // 24}.") if number >= 24 else document
    passage = Passage(
        number, document, text, 120, 120 + len(text), document, heading, page, "2026-05-02T00:00:00+00:00"
    )
    if number % 10 == 7:
        return Example(f"q{number:05}", "qa", f"Do you have a shop in town {number}?", (), (), "none"), passage
    asked = question if number < len(HANDBOOK) else f"{question} (customer {number})"
    return Example(f"q{number:05}", "qa", asked, (answer,), (Evidence(document, text[:60]),), document), passage


def make_answer(name: str, number: int, example: Example, passage: Passage, luck: float) -> Answer:
    """Right if `luck` is under the approach's skill; the retriever misses some questions whoever asks."""
    wrong, other = HANDBOOK[number % len(HANDBOOK)][6], HANDBOOK[(number + 3) % len(HANDBOOK)]
    if name in ("base", "tuned"):
        right = bool(example.answers) and luck < SKILL[name]
        text = example.answers[0] if right else f"I would say {wrong}." if name == "base" else wrong
        return Answer(text, prompt_tokens=50, completion_tokens=8, seconds=0.2)
    elsewhere = replace(
        passage, id=passage.id + 9000, document=other[0], text=other[3], heading=other[1], page=other[2]
    )
    missed = number % 9 == 4 or not example.answers
    hits = tuple(Hit(found, 0.9) for found in ((elsewhere,) if missed else (passage, elsewhere)))
    if missed and luck < SKILL[name]:
        return Answer("Nothing about this was found in the documents.", abstained=True, hits=hits, prompt_tokens=300)
    right = not missed and luck < SKILL[name]
    text = example.answers[0] if right else other[5] if missed else wrong
    cited = tuple(cite(hit.passage) for hit in hits)
    return Answer(text, citations=cited, hits=hits, prompt_tokens=510, completion_tokens=7, seconds=0.7)


def cite(passage: Passage) -> Citation:
    return Citation(
        passage.document, passage.start, passage.end, passage.text, passage.heading, passage.page, passage.version
    )


def make_verdict(records: Mapping[str, Sequence[Record]], table: DecideTable | None = None) -> Json:
    """What verdict.json would hold, as `decide` gives it."""
    facts = {name: FACTS[name] for name in records}
    table = table or DecideTable(max_p95_ms=1500, freshness="1h")
    once = {name: [rows] for name, rows in records.items()}
    return decide(once, facts, table, question="knowledge", task="qa", run="9f31c07be2d45a68").to_json()


@pytest.fixture(scope="session")
def records() -> dict[str, list[Record]]:
    return make_records()


@pytest.fixture(scope="session")
def verdict(records: dict[str, list[Record]]) -> Json:
    return make_verdict(records)


@pytest.fixture
def context() -> ReportContext:
    return CONTEXT


@pytest.fixture(scope="session")
def undecided() -> tuple[Json, dict[str, list[Record]]]:
    """Two approaches on so few questions that nothing can be told."""
    few = make_records(("rag", "hybrid"), n=14, seed=5)
    found = make_verdict(few, DecideTable())
    assert found["undecided"]
    return found, few


@pytest.fixture(scope="session")
def alone() -> tuple[Json, dict[str, list[Record]]]:
    only = make_records(("rag",), n=60)
    return make_verdict(only, DecideTable()), only


if __name__ == "__main__":
    folder = Path(sys.argv[1])
    all_four, two, one = make_records(), make_records(("rag", "hybrid"), n=14, seed=5), make_records(("rag",), n=60)
    samples = {"report": (make_verdict(all_four), all_four), "undecided": (make_verdict(two, DecideTable()), two),
               "alone": (make_verdict(one, DecideTable()), one)}  # fmt: skip
    for name, (found, rows) in samples.items():
        (folder / f"{name}.html").write_text(html(found, rows, CONTEXT), encoding="utf-8")
        (folder / f"{name}.md").write_text(markdown(found, CONTEXT), encoding="utf-8")
