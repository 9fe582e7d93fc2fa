"""Train and test, split by group: what belongs together stands on one side, near-identical questions included."""

from __future__ import annotations

import hashlib
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import zip_longest

from groundtune.errors import UserError
from groundtune.examples.duplicates import near_duplicates
from groundtune.examples.wording import PAGE, count
from groundtune.types import Example, Question


@dataclass(frozen=True, slots=True)
class Split:
    """Both sides. Examples of test groups that `test_most` leaves out are on neither."""

    train: tuple[Example, ...]
    test: tuple[Example, ...]
    notes: tuple[str, ...]


def split(examples: Sequence[Example], *, question: Question, test_share: float, test_most: int, seed: int) -> Split:
    """Splits examples by group.

    question: with "skill" no evidence document of a test example is one of a train example either. test_share: of the
    examples of every label (or of those with, and those without answers) that are held out; less where fewer groups
    make `test_most` test examples. Of the groups held out, each gives one example in turn until there are test_most.
    The order of groups is a hash of their names and the seed: more examples move few of those that were there.
    Raises UserError where the examples hang together so that no group can be held out.
    """
    made, groups = _split(examples, question, test_share, test_most, seed)
    if not made.test:
        raise UserError(
            f"{count(len(examples), 'example')} make {count(groups, 'group')}; none can be held out for the test",
            f'give examples with nothing in common different "group" names, and every label several examples ({PAGE})',
        )
    return made


def keep_back(
    train: Sequence[Example], *, question: Question, share: float, most: int, seed: int
) -> tuple[list[Example], list[Example]]:
    """Train examples in two, apart as train and test are: those to learn from, and those to decide by.

    Takes what `split` takes; the seed is another than the test's. Where the examples hang together none are kept back.
    """
    made, _ = _split(train, question, share, most, seed)
    return list(made.train), list(made.test)


def _split(
    examples: Sequence[Example], question: Question, test_share: float, test_most: int, seed: int
) -> tuple[Split, int]:
    """The split, with an empty test where no group can be held out; and how many groups there are."""
    groups, twins = _groups(examples, question, seed)
    share = min(test_share, test_most / len(groups)) if groups else 0.0
    held_out = _held_out(groups, share, seed)
    kept_back = {example.id for group in held_out for example in group}
    train = tuple(example for example in examples if example.id not in kept_back)
    test = tuple(example for layer in zip_longest(*held_out) for example in layer if example is not None)[:test_most]
    notes = _notes(train, test, len(groups) - len(held_out), len(held_out), len(kept_back), twins)
    return Split(train, test, notes), len(groups)


def split_as_given(
    train: Sequence[Example], test: Sequence[Example], *, question: Question, test_most: int, seed: int
) -> Split:
    """The user's own two sides, made safe: train loses what would give a test example away.

    That is every train example that hangs together with a test example as in `split`: of its group, nearly identical
    or, with "skill", about one of its evidence documents. Test examples get ids that begin with "test/". Of more than
    `test_most`, the groups give one each in turn, in the order of the seed. Raises UserError where nothing is left to
    learn from.
    """
    asked = [_of_test(example) for example in test]
    ids = {example.id for example in asked}
    groups, _ = _groups([*train, *asked], question, seed)
    held_out = [found for group in groups if (found := [example for example in group if example.id in ids])]
    alike = {example.id for group in groups if ids & {example.id for example in group} for example in group}
    kept = tuple(example for example in train if example.id not in alike)
    if not kept:
        raise UserError(
            f"none of {count(len(train), 'train example')} is left: each belongs to a group or a document of the test",
            f"leave [examples] test_path out: then a part is held out ({PAGE})",
        )
    layers = (example for layer in zip_longest(*held_out) for example in layer if example is not None)
    chosen = tuple(layers)[:test_most]
    notes = [f"train: {count(len(kept), 'example')}; test: {count(len(chosen), 'example')} of the file for it"]
    if len(chosen) < len(test):
        notes.append(f"{count(len(test) - len(chosen), 'test example')} not asked: test_most caps the test")
    if len(kept) < len(train):
        left = count(len(train) - len(kept), "train example")
        notes.append(f"{left} left out: nearly identical to one of the test, of its group or about its documents")
    return Split(kept, chosen, tuple(notes))


def _of_test(example: Example) -> Example:
    """The example under an id, and where it is in no group under a group, that no train example has."""
    name = f"test/{example.id}"
    return replace(example, id=name, group=name if example.group == example.id else example.group)


def _groups(examples: Sequence[Example], question: Question, seed: int) -> tuple[list[list[Example]], int]:
    """The groups and, in each, the examples, both in the order of the seed; and the number of near-identical pairs."""
    from scipy.cluster.hierarchy import DisjointSet  # type: ignore[import-untyped]

    joined = DisjointSet()
    for example in examples:
        joined.add(_name(example))
        for document in _documents(example) if question == "skill" else ():
            joined.add(document)
            joined.merge(_name(example), document)
    twins = 0
    for first, second, _ in near_duplicates(examples):
        twins += 1
        joined.merge(_name(first), _name(second))
    groups: dict[tuple[str, str], list[Example]] = defaultdict(list)
    for example in examples:
        groups[joined[_name(example)]].append(example)
    # A group is called after the first of its names, so that one example more seldom renames it.
    named = {min(_name(example) for example in group): group for group in groups.values()}
    return [
        sorted(named[name], key=lambda example: _draw(seed, example.id))
        for name in sorted(named, key=lambda name: _draw(seed, *name))
    ], twins


def _name(example: Example) -> tuple[str, str]:
    return ("group", example.group) if example.group else ("example", example.id)


def _documents(example: Example) -> Iterable[tuple[str, str]]:
    """The evidence, by document; by its words where the document is not known."""
    return (("document", one.document) if one.document else ("quote", one.quote) for one in example.evidence)


def _draw(seed: int, *name: str) -> str:
    return hashlib.sha256("\0".join((str(seed), *name)).encode()).hexdigest()


def _held_out(groups: list[list[Example]], share: float, seed: int) -> list[list[Example]]:
    """The groups of the test side: in order, each that brings the test nearer to its share of every stratum.

    A stratum (a label; with or without answers) always keeps something in train.
    """
    total = Counter(_stratum(example) for group in groups for example in group)
    wanted = _quotas(total, share, seed)
    taken: Counter[str] = Counter()
    held_out = []
    spare = []
    for group in groups:
        counts = Counter(_stratum(example) for example in group)
        if any(taken[stratum] + number >= total[stratum] for stratum, number in counts.items()):
            continue
        spare.append(group)
        # sum of (taken + n - wanted)^2 - (taken - wanted)^2 over the strata
        if sum(n * (n + 2 * (taken[stratum] - wanted[stratum])) for stratum, n in counts.items()) < 0:
            held_out.append(group)
            taken += counts
    return held_out or sorted(spare, key=len)[:1]


def _stratum(example: Example) -> str:
    if example.task == "labels":
        return example.answers[0]
    return "" if example.task == "text" or example.answers else "unanswerable"


def _quotas(total: Counter[str], share: float, seed: int) -> dict[str, int]:
    """Whole numbers that add up to the share of all (largest remainders; ties in the order of the seed)."""
    quotas = {stratum: int(share * number) for stratum, number in total.items()}
    left = round(share * total.total()) - sum(quotas.values())
    by_remainder = sorted(total, key=lambda stratum: (quotas[stratum] - share * total[stratum], _draw(seed, stratum)))
    for stratum in by_remainder[:left]:
        quotas[stratum] += 1
    return {stratum: min(quota, total[stratum] - 1) for stratum, quota in quotas.items()}


def _notes(
    train: Sequence[Example], test: Sequence[Example], train_groups: int, test_groups: int, kept_back: int, twins: int
) -> tuple[str, ...]:
    notes = [
        (
            f"train: {count(len(train), 'example')} in {count(train_groups, 'group')}; "
            f"test: {count(len(test), 'example')} in {count(min(test_groups, len(test)), 'group')}"
        )
    ]
    if kept_back > len(test):
        left = count(kept_back - len(test), "example")
        notes.append(f"{left} of test groups on neither side: test_most caps the test")
    if twins:
        notes.append(f"{count(twins, 'pair')} of near-identical questions were kept on one side")
    return tuple(notes)
