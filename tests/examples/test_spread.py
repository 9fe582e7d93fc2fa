"""A few of many stand for all of them."""

import pytest

from groundtune.examples.spread import spread


@pytest.mark.parametrize(
    ("many", "few", "places"),
    [(0, 3, []), (2, 3, [0, 1]), (3, 3, [0, 1, 2]), (9, 3, [0, 3, 6]), (15, 8, [0, 1, 3, 5, 7, 9, 11, 13])],
)
def test_they_come_from_all_over_in_their_order(many: int, few: int, places: list[int]) -> None:
    assert spread(range(many), few) == places
