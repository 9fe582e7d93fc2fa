"""Why, in plain sentences: for somebody who decides and has not read a page on statistics."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

from groundtune.config import DecideTable
from groundtune.decide.choose import Choice, Gap, Results
from groundtune.decide.compare import Quality
from groundtune.decide.flips import break_even, write_count
from groundtune.decide.limits import broken, limits_of
from groundtune.stats import FEW_CLUSTERS

FEW_EXAMPLES = 30
POOR = 0.1  # a best mean under this is called poor, whoever has it


@dataclass(frozen=True, slots=True)
class Case:
    """All that the sentences tell of; clusters: how many there are; needed: the verdict's `examples_needed`;
    by_tuning: its `unsettled_by_tuning`; always_abstain: the metric of that name."""

    results: Results
    qualities: Mapping[str, Quality]
    choice: Choice
    table: DecideTable
    clusters: int
    needed: int | None
    by_tuning: tuple[str, ...] = ()
    always_abstain: float = 0.0

    def quality(self, name: str) -> str:
        """An approach's mean with all that belongs to it."""
        quality = self.qualities[name]
        return (
            f"{quality.mean:.2f} ({quality.metric}, {self.table.confidence * 100:.4g} % interval "
            f"{quality.low:.2f} to {quality.high:.2f}, n = {quality.n})"
        )

    def price(self, cheaper: str, dearer: str) -> str:
        """What makes the one the cheaper of two."""
        a, b = self.results.facts[cheaper], self.results.facts[dearer]
        if f"{a.cost_per_1000:.4g}" != f"{b.cost_per_1000:.4g}":
            return f"costs less ({a.cost_per_1000:.4g} against {b.cost_per_1000:.4g} for 1000 questions)"
        return "costs no more and trains less" if a.train_seconds < b.train_seconds else "costs no more"


def reasons(case: Case) -> list[str]:
    """The sentences behind a verdict: what is out, what is recommended and why, what to be wary of."""
    sentences = _left_out(case)
    if case.choice.leader is None:
        sentences.append(_nothing_left(case))
    elif case.choice.recommended is None:
        sentences += _undecided(case, case.choice.leader)
    else:
        sentences += _recommended(case, case.choice.recommended, case.choice.leader)
    return sentences + _warnings(case)


def _left_out(case: Case) -> list[str]:
    sentences = []
    for name, facts in case.results.facts.items():
        for limit in broken(facts, limits_of(case.table)):
            figure, most = limit.figure(facts), limit.write(limits_of(case.table)[limit.key])
            sentences.append(
                f"{name} is out: it never follows a changed document, and {limit.key} asks for that within {most}."
                if math.isinf(figure)
                else f"{name} is out: {limit.what} is {limit.write(figure)}, over the limit of {most} ({limit.key})."
            )
    return sentences


def _nothing_left(case: Case) -> str:
    limits = limits_of(case.table)
    excess = {  # how many times the limit that it breaks most
        name: max(limit.figure(facts) / limits[limit.key] for limit in broken(facts, limits))
        for name, facts in case.results.facts.items()
    }
    nearest = min(excess, key=lambda name: excess[name])
    beginning = "No approach keeps within the limits of [decide], so none is recommended"
    if math.isinf(excess[nearest]):
        return f"{beginning}: none of them ever follows a changed document."
    return f"{beginning}; {nearest} comes nearest, with {excess[nearest]:.3g} times the limit."


def _recommended(case: Case, pick: str, leader: str) -> list[str]:
    sentences = [f"{pick} is recommended: it scores {case.quality(pick)}."]
    if len(case.results.means) == 1:
        return [*sentences, "It is the only approach that was measured: nothing was compared."]
    if len(case.choice.kept) == 1:
        return [*sentences, "It is the only approach that keeps within the limits of [decide]."]
    if pick != leader:
        worse = max(case.results.gap(leader, pick).high, 0)
        sentences.append(
            f"{leader} has the best mean, {case.quality(leader)}, but {pick} is no more than {worse:.2f} worse, which "
            f"does not matter (smallest_difference), and {case.price(pick, leader)}."
        )
    others = [name for name in case.choice.kept if name not in (leader, pick)]
    return [*sentences, *(_other(case, pick, leader, name) for name in others), *_training_pays(case, pick)]


def _other(case: Case, pick: str, leader: str, name: str) -> str:
    gap, price = case.results.gap(leader, name), case.price(pick, name)
    if gap.equal:
        return f"{name} did exactly as well as {leader} on every example, but {pick} {price}."
    if name in case.choice.near:
        return f"{name} is no more than {max(gap.high, 0):.2f} worse than {leader}, but {pick} {price}."
    if gap.low > 0:
        return f"{leader} is better than {name} by {_gap(gap)}."
    return (
        f"{name} is not told apart from {leader} ({_gap(gap)}), but is no more than {abs(gap.low):.2f} better, which "
        f"does not matter (smallest_difference), and {pick} {price}."
    )


def _undecided(case: Case, leader: str) -> list[str]:
    sentences = [f"Undecided: {leader} leads, with {case.quality(leader)}, but the examples do not settle it."]
    sentences += [
        f"{name}, with {case.qualities[name].mean:.2f}, is not told apart from {leader}: the difference is "
        f"{_gap(case.results.gap(leader, name))}."
        for name in case.choice.unsettled
    ]
    if case.by_tuning:
        rivals = " and ".join(case.by_tuning)
        apart = f"The trainings differ too much to tell {rivals} from {leader}"
        return [*sentences, f"{apart}: more trainings would settle it, not more examples (--seeds)."]
    if case.needed is None:
        return [*sentences, "They are level: no number of examples would settle it; set a smallest_difference."]
    return [*sentences, f"About {write_count(case.needed)} more examples would settle it."]


def _training_pays(case: Case, pick: str) -> list[str]:
    """From which volume on the pick is the cheaper one, against those that answer dearer but train less."""
    sentences = []
    facts = case.results.facts
    for name in case.choice.kept:
        volume = break_even(facts[pick], facts[name], case.table)
        if volume and facts[pick].train_seconds > facts[name].train_seconds:
            sentences.append(f"{pick} costs less than {name} from about {write_count(volume)} questions a month on.")
    return sentences


def _warnings(case: Case) -> list[str]:
    sentences = []
    means, recommended = case.results.means, case.choice.recommended
    touched = [name for name in case.choice.kept if not _untouched(case, name)]
    if touched and recommended is not None and recommended not in touched:
        sentences.append(
            f"{recommended} is the model as it came: it was not shown that {' or '.join(touched)} is worth more."
        )
    best = max(means, key=lambda name: means[name])
    if means[best] < POOR:
        sentences.append(
            f"None answers well: the best mean is {means[best]:.2f} ({best}). Look at the answers side by side before "
            "anything is shipped."
        )
    if 0 < means[best] <= case.always_abstain:
        sentences.append(
            f"{case.always_abstain * 100:.0f} % of the questions have no answer, so abstaining from all questions "
            f"would score {case.always_abstain:.2f}: no approach is worth more than that."
        )
    n = case.qualities[best].n
    if case.clusters == 1 and n > 1:
        sentences.append("All examples belong to one group, which says nothing about others: ask about more documents.")
    elif n < FEW_EXAMPLES:
        sentences.append(f"Only {n} examples were asked: take any difference with care.")
    elif case.clusters < FEW_CLUSTERS:
        sentences.append(
            f"The {n} examples are of only {case.clusters} groups, and those of a group are alike: the intervals allow "
            "for that, the probability of being best does not quite. Ask about more documents."
        )
    return sentences


def _untouched(case: Case, name: str) -> bool:
    facts = case.results.facts[name]
    return facts.train_seconds == 0 and facts.update_seconds is None


def _gap(gap: Gap) -> str:
    return f"{gap.difference:z.2f} (interval {gap.low:z.2f} to {gap.high:z.2f})"
