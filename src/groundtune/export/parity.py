"""Holds an export to the answers that were measured: its scores are those of the measured model, or it has none."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass

from groundtune.errors import WorkFailed
from groundtune.examples.spread import spread
from groundtune.types import Json, Record

ASKED = 8  # questions of the test
LEAST_SAME = 0.75  # of the answers; with fewer it is another model


@dataclass(frozen=True, slots=True)
class Difference:
    """A question that an export answers otherwise than was measured."""

    question: str
    measured: str
    exported: str


@dataclass(frozen=True, slots=True)
class Held:
    """How many questions were asked of an export, and which it answers otherwise."""

    asked: int
    differences: tuple[Difference, ...]

    @property
    def sentence(self) -> str:
        """The outcome in words."""
        same = self.asked - len(self.differences)
        return f"{same} of {self.asked} questions of the test are answered as measured"

    def to_json(self) -> Json:
        """Plain values: held (the sentence), asked, same, differences with question, measured and exported."""
        return {
            "held": self.sentence,
            "asked": self.asked,
            "same": self.asked - len(self.differences),
            "differences": [asdict(one) for one in self.differences],
        }


def chosen(records: Sequence[Record], searches: bool) -> list[Record]:
    """The records that an export is held to: some of those that a model was asked for, spread over all.

    searches: whether the approach has a retriever. Where it found nothing for a short question, no model was asked.
    """
    asked = [one for one in records if not searches or one.answer.hits or one.example.task != "qa"]
    return spread(asked, ASKED)


def hold(records: Sequence[Record], said: Sequence[str]) -> Held:
    """What the export said for each record, held against the model's own answer in it, before any was withheld."""
    pairs = [
        (record, record.answer.unsaid or record.answer.text, one.strip())
        for record, one in zip(records, said, strict=True)
    ]
    different = (Difference(record.example.question, right, one) for record, right, one in pairs if one != right)
    return Held(len(records), tuple(different))


def insist(held: Held, way_out: str) -> None:
    """Raises WorkFailed where an export says too little of what was measured, with one example of it."""
    if not held.asked:
        raise WorkFailed("nothing is exported: no question of the test was put to the model that could be put again")
    if held.asked - len(held.differences) < LEAST_SAME * held.asked:
        one = held.differences[0]
        raise WorkFailed(
            f"nothing is exported: only {held.sentence}; {one.question!r} with {one.exported!r} in place of "
            f"{one.measured!r}",
            way_out,
        )
