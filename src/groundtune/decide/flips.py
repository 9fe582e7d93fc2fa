"""What would flip the recommendation: the rule is asked again with one thing changed at a time."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from decimal import ROUND_CEILING, ROUND_FLOOR, Context

from groundtune.config import DecideTable
from groundtune.decide.choose import Choice, Results, choose
from groundtune.decide.facts import Facts, break_even_queries
from groundtune.decide.limits import LIMITS, Limit, limits_of

LARGEST_DIFFERENCE = 0.2  # no smallest_difference beyond this is suggested: nobody would say that it does not matter


def flips(results: Results, table: DecideTable) -> list[str]:
    """Sentences, each with the nearest value of a limit, of the volume or of the smallest difference that matters at
    which the outcome is another one."""
    now = choose(results, limits_of(table), table.smallest_difference)
    sentences = [sentence for limit in LIMITS for sentence in _limit(results, table, limit, now)]
    return [*sentences, *_volume(results, table, now), *_difference(results, table, now)]


def _first(values: Iterable[float], ask: Callable[[float], Choice], now: Choice) -> tuple[float, Choice] | None:
    """The first value at which the rule, asked again, has another outcome (that nothing is left is none)."""
    for value in values:
        then = ask(value)
        if then.kept and then.recommended != now.recommended:
            return value, then
    return None


def _outcome(results: Results, choice: Choice) -> str:
    """With the quality that it has: an approach that answers nothing may be all that a limit leaves."""
    if choice.recommended is None:
        return "it would be undecided"
    return f"{choice.recommended} would be recommended, with {results.means[choice.recommended]:.2f}"


def _limit(results: Results, table: DecideTable, limit: Limit, now: Choice) -> list[str]:
    limits = limits_of(table)
    figures = sorted({limit.figure(facts) for facts in results.facts.values()})
    within = [figure for figure in reversed(figures) if 0 < figure <= limits[limit.key]]
    over = [figure for figure in figures if figure > limits[limit.key]]

    def with_limit(value: float) -> Choice:
        return choose(results, limits | {limit.key: value}, table.smallest_difference)

    sentences = []
    if found := _first(map(_down, within), lambda value: with_limit(math.nextafter(value, 0)), now):
        sentences.append(f"If {_need(limit, found[0], 'had to stay under', 'had to')}, {_outcome(results, found[1])}.")
    if found := _first(map(_up, over), with_limit, now):
        sentences.append(f"If {_need(limit, found[0], 'could be', 'need not')}, {_outcome(results, found[1])}.")
    return sentences


def _need(limit: Limit, value: float, finite: str, endless: str) -> str:
    if math.isinf(value):  # freshness alone knows "never"
        return f"answers {endless} follow changed documents ({limit.key})"
    return f"{limit.what} {finite} {limit.write(value)} ({limit.key})"


def _up(figure: float) -> float:
    """To three digits, so that a limit of this value lets the figure in."""
    return float(Context(prec=3, rounding=ROUND_CEILING).create_decimal(repr(figure)))


def _down(figure: float) -> float:
    """To three digits, so that a limit under this value shuts the figure out."""
    return float(Context(prec=3, rounding=ROUND_FLOOR).create_decimal(repr(figure)))


def monthly_training(facts: Facts, table: DecideTable) -> float:
    """What the one training a month costs."""
    return facts.train_seconds / 3600 * table.price_per_hour


def answering(facts: Facts, table: DecideTable) -> float:
    """What one question costs without its share of training."""
    return facts.cost_per_1000 / 1000 - monthly_training(facts, table) / table.queries_per_month


def break_even(a: Facts, b: Facts, table: DecideTable) -> float | None:
    """The questions a month at which two approaches cost the same; None if there is no such volume."""
    return break_even_queries(
        monthly_training(a, table), answering(a, table), monthly_training(b, table), answering(b, table)
    )


def _at_volume(facts: Mapping[str, Facts], table: DecideTable, queries: float) -> dict[str, Facts]:
    return {
        name: replace(one, cost_per_1000=1000 * (answering(one, table) + monthly_training(one, table) / queries))
        for name, one in facts.items()
    }


def _volume(results: Results, table: DecideTable, now: Choice) -> list[str]:
    facts = list(results.facts.values())
    volumes = [break_even(a, b, table) for a in facts for b in facts]
    if table.max_cost_per_1000 is not None:  # the volume at which an approach comes within the limit
        spare = [(one, table.max_cost_per_1000 / 1000 - answering(one, table)) for one in facts]
        volumes += [monthly_training(one, table) / left for one, left in spare if left > 0]
    turns = sorted({volume for volume in volumes if volume})

    def with_volume(queries: float) -> Choice:
        changed = replace(results, facts=_at_volume(results.facts, table, queries))
        return choose(changed, limits_of(table), table.smallest_difference)

    more = [volume * 1.001 for volume in turns if volume > table.queries_per_month]
    fewer = [volume * 0.999 for volume in reversed(turns) if volume < table.queries_per_month]
    sentences = []
    if found := _first(more, with_volume, now):
        sentences.append(f"From about {write_count(found[0])} questions a month on {_outcome(results, found[1])}.")
    if found := _first(fewer, with_volume, now):
        few = write_count(found[0])
        sentences.append(f"With fewer than about {few} questions a month {_outcome(results, found[1])}.")
    return sentences


def _difference(results: Results, table: DecideTable, now: Choice) -> list[str]:
    gaps = [results.gap(now.leader, name) for name in now.kept if name != now.leader] if now.leader else []
    edges = {edge for gap in gaps for edge in (gap.high, -gap.low)}
    larger = sorted(edge for edge in edges if table.smallest_difference < edge <= LARGEST_DIFFERENCE)
    found = _first(map(_up, larger), lambda edge: choose(results, limits_of(table), edge), now)
    if not found:
        return []
    return [f"If differences up to {found[0]:.3g} did not matter (smallest_difference), {_outcome(results, found[1])}."]


def round_up(number: float) -> int:
    """A count that is an estimate, to two digits, never fewer than it says: 183 is 190."""
    return math.ceil(Context(prec=2, rounding=ROUND_CEILING).create_decimal_from_float(number))


def write_count(number: float) -> str:
    """The same in words: 7110 is "7 200"."""
    return f"{round_up(number):,}".replace(",", " ")
