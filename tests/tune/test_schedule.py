"""What each step of a training goes to."""

import pytest

from groundtune.config import TuneTable
from groundtune.tune.packing import Pack, Tokens
from groundtune.tune.schedule import EVERY, Schedule


def rows(number: int, length: int, replayed: bool = False) -> list[Pack]:
    return [Pack(0, (Tokens([one] * length, 1, replayed=replayed),)) for one in range(number)]


def tokens(packs: list[Pack]) -> int:
    return sum(one.length for one in packs)


@pytest.mark.parametrize(
    ("length", "texts"),
    [(8, 1), (20, 2), (300, 8)],  # of rows eight to a step, and of texts of 80 tokens
)
def test_general_text_takes_its_share_of_the_steps_and_about_that_of_the_tokens(length: int, texts: int) -> None:
    schedule = Schedule(rows(800, length), rows(30, 80, replayed=True), TuneTable(batch=8, epochs=2))
    plain, replaying = schedule.steps(), schedule.steps(replaying=50)
    assert replaying[:50] == plain[:50]
    general = [number for number, packs in enumerate(replaying) if packs[0].replayed]
    assert general == list(range(50, len(replaying), EVERY))
    assert [packs for packs in replaying if not packs[0].replayed] == plain
    assert {len(replaying[number]) for number in general} == {texts}
    taken = sum(tokens(replaying[number]) for number in general) / sum(map(tokens, plain[50:]))
    assert taken < 1.5 / EVERY


def test_general_text_is_replayed_in_turn() -> None:
    schedule = Schedule(rows(800, 20), rows(3, 80, replayed=True), TuneTable(batch=8, epochs=1))
    general = [one.rows[0].ids[0] for packs in schedule.steps(replaying=0) for one in packs if one.replayed]
    assert general[:6] == [0, 1, 2, 0, 1, 2]
