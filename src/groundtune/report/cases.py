"""Examples to look at: where the champion won, where it lost, where nobody did well, and what cannot be answered.

Of any number of records only a few dozen are shown, chosen by rule and not by hand: the widest margins first, of
equal margins one from every document before a second one from any.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from groundtune.report.case import Case, make_case
from groundtune.report.standing import BASE, Standing
from groundtune.report.wording import count, plural
from groundtune.types import Record

MOST_WON_OR_LOST = 8
MOST_OTHERS = 6
POOR = 0.5  # a score under it is no good answer
LEVEL = 1e-9


@dataclass(frozen=True, slots=True)
class Group:
    """Cases of one kind; total: how many there are, of which `cases` are shown."""

    title: str
    total: int
    cases: tuple[Case, ...]


@dataclass(slots=True)
class _Answers:
    """All records by approach and example."""

    metric: str
    by_approach: dict[str, dict[str, Record]]
    shown: set[str] = field(default_factory=set)

    def score(self, approach: str, id: str) -> float:
        return self.by_approach[approach][id].scores.get(self.metric, 0.0)

    def margin(self, id: str, a: str, b: str) -> float:
        return self.score(a, id) - self.score(b, id)

    def rows(self, id: str) -> list[Record]:
        """What the approaches answered to one example."""
        return [rows[id] for rows in self.by_approach.values() if id in rows]

    def both(self, a: str, b: str) -> list[str]:
        """The answerable examples that both approaches answered."""
        mine, other = self.by_approach.get(a, {}), self.by_approach.get(b, {})
        return [id for id, record in mine.items() if id in other and record.example.answers]


def groups(standing: Standing, records: Mapping[str, Sequence[Record]]) -> list[Group]:
    """The cases to show, in groups; a group without any is left out, and none is shown twice."""
    answers = _answers(standing, records)
    champion, rival = standing.champion, standing.rival
    found: list[Group | None] = []
    if champion is not None and rival is not None:
        found += _against(answers, champion, rival)
        if BASE in standing.names and BASE not in (champion, rival):
            found += _against(answers, champion, BASE)
        found.append(_neither(answers, champion, rival))
    elif champion is not None:
        found += _alone(answers, champion)
    found.append(_unanswerable(answers))
    return [group for group in found if group is not None]


def tally(standing: Standing, records: Mapping[str, Sequence[Record]]) -> str:
    """How often the champion did better and worse than the strongest other, in a sentence."""
    answers, champion, rival = _answers(standing, records), standing.champion, standing.rival
    if champion is None or rival is None or not (both := answers.both(champion, rival)):
        return ""
    margins = [answers.margin(id, champion, rival) for id in both]
    several = any(standing.approaches[name].get("trainings", 0) > 1 for name in (champion, rival))
    better, worse = sum(margin > LEVEL for margin in margins), sum(margin < -LEVEL for margin in margins)
    return (
        f"Of {plural(len(both), 'question')} with an answer, {champion} did better than {rival} on {count(better)}, "
        f"worse on {count(worse)} and the same on {count(len(both) - better - worse)}"
        f"{', each in its first training' if several else ''}."
    )


def _answers(standing: Standing, records: Mapping[str, Sequence[Record]]) -> _Answers:
    by_approach = {name: {record.example.id: record for record in records.get(name, ())} for name in standing.names}
    return _Answers(standing.metric, {name: rows for name, rows in by_approach.items() if rows})


def _against(answers: _Answers, champion: str, other: str) -> list[Group | None]:
    def margin(id: str) -> float:
        return answers.margin(id, champion, other)

    both = answers.both(champion, other)
    won = [id for id in both if margin(id) > LEVEL]
    lost = [id for id in both if margin(id) < -LEVEL]
    return [
        _group(answers, f"{champion} did better than {other}", won, margin, MOST_WON_OR_LOST),
        _group(answers, f"{champion} did worse than {other}", lost, lambda id: -margin(id), MOST_WON_OR_LOST),
    ]


def _neither(answers: _Answers, champion: str, rival: str) -> Group | None:
    def better(id: str) -> float:
        return max(answers.score(champion, id), answers.score(rival, id))

    poor = [id for id in answers.both(champion, rival) if better(id) < POOR]
    return _group(answers, f"Neither {champion} nor {rival} did well", poor, lambda id: -better(id), MOST_OTHERS)


def _alone(answers: _Answers, name: str) -> list[Group | None]:
    both = answers.both(name, name)
    good = [id for id in both if answers.score(name, id) >= POOR]
    poor = [id for id in both if answers.score(name, id) < POOR]
    return [
        _group(answers, f"{name} did well", good, lambda id: answers.score(name, id), MOST_WON_OR_LOST),
        _group(answers, f"{name} did not do well", poor, lambda id: -answers.score(name, id), MOST_WON_OR_LOST),
    ]


def _unanswerable(answers: _Answers) -> Group | None:
    ids = dict.fromkeys(
        id for rows in answers.by_approach.values() for id, record in rows.items() if not record.example.answers
    )

    def disagreement(id: str) -> float:
        silent = [record.answer.abstained for record in answers.rows(id)]
        return float(any(silent) and not all(silent))

    return _group(answers, "Questions that have no answer", list(ids), disagreement, MOST_OTHERS)


def _group(answers: _Answers, title: str, ids: list[str], weight: Callable[[str], float], most: int) -> Group | None:
    chosen = _spread(answers, [id for id in ids if id not in answers.shown], weight)[:most]
    answers.shown.update(chosen)
    return (
        Group(title, len(ids), tuple(make_case(answers.metric, answers.rows(id)) for id in chosen)) if chosen else None
    )


def _spread(answers: _Answers, ids: Iterable[str], weight: Callable[[str], float]) -> list[str]:
    """The heaviest first; of equally heavy ones each document's first, then each one's second ..."""
    heaviest_first = sorted(ids, key=lambda id: (-round(weight(id), 6), id))
    seen: Counter[tuple[float, str]] = Counter()
    keys: dict[str, tuple[float, int]] = {}
    for id in heaviest_first:
        evidence = answers.rows(id)[0].example.evidence
        place = (round(weight(id), 6), evidence[0].document if evidence else "")
        seen[place] += 1
        keys[id] = (-place[0], seen[place])
    return sorted(heaviest_first, key=lambda id: keys[id])
