"""One score out of two, and the weight that suits the questions."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from groundtune.retrieve._fusion import DEFAULT_WEIGHT, choose_weight, fuse, ndcg

POOL = 5
found = st.dictionaries(st.integers(0, 9), st.floats(0.01, 30), max_size=POOL)
near = st.dictionaries(st.integers(0, 9), st.floats(-1, 1), max_size=POOL)
weights = st.floats(0, 1)


@given(words=found, vectors=near, weight=weights)
def test_what_either_search_found_has_a_score_of_0_to_1(
    words: dict[int, float], vectors: dict[int, float], weight: float
) -> None:
    fused = fuse(words, vectors, weight, POOL)
    assert fused.keys() == words.keys() | vectors.keys()
    assert all(0 <= score <= 1 + 1e-9 for score in fused.values())


@given(words=found, vectors=near, weight=weights)
def test_what_is_better_in_both_is_better(words: dict[int, float], vectors: dict[int, float], weight: float) -> None:
    fused = fuse(words, vectors, weight, POOL)
    both = words.keys() & vectors.keys()
    for one in both:
        for other in both:
            if words[one] >= words[other] and vectors[one] >= vectors[other]:
                assert fused[one] >= fused[other]


def test_the_best_in_both_scores_1() -> None:
    assert fuse({1: 7.0, 2: 3.0}, {1: 0.4, 3: -0.2}, 0.3, POOL)[1] == pytest.approx(1)


def test_what_a_full_search_did_not_find_counts_as_its_last() -> None:
    words, vectors = {1: 8.0, 2: 4.0}, {2: 0.5}
    assert fuse(words, vectors, 0.0, 2) == {1: 1.0, 2: 0.5}
    assert fuse({1: 8.0, 2: 4.0}, {3: 0.5}, 0.0, 2)[3] == 0.5
    assert fuse({1: 8.0, 2: 4.0}, {3: 0.5}, 0.0, 3)[3] == 0.0  # it had no word of the query


def test_scores_of_nothing_are_nothing() -> None:
    assert fuse({}, {}, 0.5, POOL) == {}
    assert fuse({}, {1: -1.0}, 0.5, POOL) == {1: 0.0}


def test_ndcg_is_that_of_the_order() -> None:
    scores = {"a": 3.0, "b": 2.0, "c": 1.0}
    assert ndcg(scores, {"a"}) == 1
    assert ndcg(scores, {"b"}) == pytest.approx(1 / math.log2(3))
    assert ndcg(scores, {"a", "c"}) == pytest.approx((1 + 1 / 2) / (1 + 1 / math.log2(3)))
    assert ndcg(scores, {"d"}) == ndcg(scores, set()) == 0
    assert ndcg(scores, {"c"}, depth=2) == 0


WRONG_WORDS = ({"wrong": 9.0, "right": 1.0}, {"right": 0.9, "wrong": 0.1}, {"right"})
WRONG_VECTORS = ({"right": 9.0, "wrong": 1.0}, {"wrong": 0.9, "right": 0.1}, {"right"})


def chosen(*asked: tuple[dict[str, float], dict[str, float], set[str]]) -> float:
    words, vectors, right = zip(*asked, strict=True)
    return choose_weight(words, vectors, right, POOL)


def test_the_weight_goes_where_the_right_ones_are_found() -> None:
    assert chosen(*[WRONG_WORDS] * 30) >= DEFAULT_WEIGHT
    assert chosen(*[WRONG_VECTORS] * 30) < DEFAULT_WEIGHT


def test_the_default_stays_where_nothing_is_better_by_more_than_chance() -> None:
    assert chosen(WRONG_VECTORS) == DEFAULT_WEIGHT
    assert chosen(*[WRONG_VECTORS] * 5, *[({"right": 9.0}, {"right": 0.9}, {"right"})] * 300) != DEFAULT_WEIGHT
    assert chosen(WRONG_VECTORS, *[({"right": 9.0}, {"right": 0.9}, {"right"})] * 300) == DEFAULT_WEIGHT
    assert choose_weight([], [], [], POOL) == DEFAULT_WEIGHT
