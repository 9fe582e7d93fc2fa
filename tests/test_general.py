"""The general text and questions: what is replayed is never what is measured."""

from groundtune.general import measured_text, questions, replayed_text
from groundtune.metrics.words import words


def test_what_is_replayed_shares_no_stretch_of_six_words_with_what_is_measured() -> None:
    def stretches(texts: list[str]) -> set[tuple[str, ...]]:
        return {tuple(said[n : n + 6]) for said in map(words, texts) for n in range(len(said) - 5)}

    asked = [f"{one.question} {one.right}" for one in questions()]
    assert not stretches(replayed_text()) & stretches([*measured_text(), *asked])


def test_every_paragraph_and_question_is_there_once_and_none_is_empty() -> None:
    for texts in (measured_text(), replayed_text(), [one.question for one in questions()]):
        assert len(texts) >= 25
        assert len(set(texts)) == len(texts)
        assert min(map(len, texts)) > 10


def test_every_question_has_four_choices_and_the_right_one_stands_at_every_place_alike_when_sorted() -> None:
    choices = [sorted((one.right, *one.wrong)) for one in questions()]
    places = [some.index(one.right) for some, one in zip(choices, questions(), strict=True)]

    assert {len(set(some)) for some in choices} == {4}
    assert all(places.count(place) >= 8 for place in range(4))
