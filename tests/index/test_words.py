"""Words are found by their stems, whatever stands in a query; damaged or missing ones are mended by the next sync."""

import random
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from groundtune.errors import UserError
from groundtune.index import words as words_module
from groundtune.index.sqlite import SqliteIndex
from groundtune.index.words import LONGEST, Words
from tests.corpus import HashingEmbedder, document, sync

Open = Callable[..., SqliteIndex]

TEXTS = {
    1: "Die Häuser stehen in Mannheim.",
    2: "The kettles are boiling.",
    3: "热水壶可以烧开水。",
    4: "A naïve café, part XK-22_b.",
    5: "x" * LONGEST + " " + "y" * (LONGEST + 1) + " stays",
    6: "half a \ud800 letter",
}
DOCUMENTS = [document(f"{n}.md", f"# Number {n}\n\nEverywhere stands the number {n}.") for n in range(30)]


def made(language: str) -> Words:
    words = Words(None, language)
    words.change([], TEXTS.items())
    return words


def found(words: Words, query: str) -> list[int]:
    return sorted(words.search(query, 10)[0].tolist())


@pytest.mark.parametrize(
    ("language", "query", "expected"),
    [
        ("german", "Haus", [1]),
        ("german", "häusern", [1]),
        ("german", "stehe", [1]),
        ("english", "Häusern", []),
        ("english", "kettle boils", [2]),
        ("german", "boil", []),
        ("none", "kettle", []),
        ("none", "KETTLES", [2]),
        ("none", "naive", [4]),
        ("english", "xk 22", [4]),
        ("english", "x" * LONGEST, [5]),
        ("english", "y" * (LONGEST + 1), []),
        ("english", "stays", [5]),
        ("english", "half letter", [6]),
        ("english", "half \udfff letter", [6]),
        ("english", "热水壶可以烧开水", [3]),
        ("english", "", []),
        ("english", "?! - \x00", []),
    ],
)
def test_a_word_is_found_by_its_stem(language: str, query: str, expected: list[int]) -> None:
    assert found(made(language), query) == expected


@given(query=st.text(), text=st.text())
def test_any_text_can_be_put_in_and_asked_for(query: str, text: str) -> None:
    words = Words(None, "english")
    words.change([], [(1, text)])
    words.search(query, 3)
    assert words.ids() == {1}


def test_a_query_as_long_as_a_book_is_answered(open_index: Open) -> None:
    index = open_index()
    sync(index, [*DOCUMENTS])
    draw = random.Random(1)
    long = " ".join(f"word{draw.randrange(50_000)}" for _ in range(100_000))
    assert index.search_words(long, 5) == []
    assert len(index.search_words("everywhere 7 " + long, 5)) == 5


@given(history=st.lists(st.tuples(st.sets(st.integers(1, 12)), st.sets(st.integers(1, 12))), max_size=4))
def test_after_every_change_exactly_what_was_put_in_is_there(history: list[tuple[set[int], set[int]]]) -> None:
    words, expected = Words(None, "english"), dict[int, int]()
    for number, (removed, added) in enumerate(history):
        words.change(sorted(removed | added), [(id, f"everywhere edition{number}") for id in sorted(added)])
        expected = {id: n for id, n in expected.items() if id not in removed} | dict.fromkeys(added, number)
        assert words.ids() == set(expected)
        assert words.count() == len(expected)
        for edition in range(number + 1):
            assert found_all(words, f"edition{edition}") == [id for id in sorted(expected) if expected[id] == edition]


def found_all(words: Words, query: str) -> list[int]:
    return sorted(words.search(query, 100)[0].tolist())


# ---------------------------------------------------------------- in step with the file


@pytest.mark.parametrize("waited", [False, True])
def test_a_change_that_was_killed_as_it_committed_does_not_hinder_the_next(tmp_path: Path, waited: bool) -> None:
    folder = tmp_path / "words"
    words = Words(folder, "none")
    words.change([], TEXTS.items())
    other = Words(folder, "none")  # in a process that watches, say
    committed = (folder / "meta.json").read_bytes()
    words.change([2], [])
    (folder / "meta.json").write_bytes(committed)  # as if killed before this last file was renamed

    again = other if waited else Words(folder, "none")
    assert again.ids() == set(TEXTS)
    again.change([2], [])

    assert again.ids() == set(TEXTS) - {2}


def test_another_language_makes_the_words_anew_and_leaves_no_others(open_index: Open, tmp_path: Path) -> None:
    index = open_index()
    sync(index, [document("a.md", "Die Häuser stehen.")])
    assert index.search_words("Haus", 5) == []
    embedder = HashingEmbedder()
    with closing(SqliteIndex(tmp_path / "index", embedder, "german")) as german:
        with pytest.raises(UserError, match="words of 1 passages are missing") as error:
            german.search_words("Haus", 5)
        assert error.value.hint == 'run "groundtune sync"'
        sync(german, [document("a.md", "Die Häuser stehen.")])
        assert len(german.search_words("Haus", 5)) == 1
        assert german.faults() == []
    assert embedder.embedded == []
    assert [path.name for path in (tmp_path / "index").glob("words-*")] == [f"words-german-{words_module.FORMAT}"]


def test_another_format_makes_the_words_anew(open_index: Open, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    sync(open_index(), [*DOCUMENTS])
    monkeypatch.setattr(words_module, "FORMAT", words_module.FORMAT + 1)
    index = open_index()
    sync(index, [*DOCUMENTS])
    assert len(index.search_words("everywhere", 100)) == len(DOCUMENTS)
    assert [path.name for path in (tmp_path / "index").glob("words-*")] == [f"words-english-{words_module.FORMAT}"]


def damage(folder: Path, kind: str) -> None:
    """Spoils the largest file of a kind, or all files."""
    draw = random.Random(3)
    if kind == "folder":
        for path in folder.iterdir():
            path.unlink()
        folder.rmdir()
        return
    path = max(folder.glob(f"*{kind}"), key=lambda path: path.stat().st_size)
    path.write_bytes(draw.randbytes(path.stat().st_size // 2))


@pytest.mark.parametrize("reopened", [True, False])
@pytest.mark.parametrize(
    "kind", ["folder", "meta.json", ".managed.json", ".idx", ".term", ".fast", ".fieldnorm", ".store", ".pos"]
)
def test_damaged_words_are_mended_by_the_next_sync(open_index: Open, tmp_path: Path, kind: str, reopened: bool) -> None:
    index = open_index()
    sync(index, [*DOCUMENTS])
    embedded = HashingEmbedder()
    if reopened:
        index.close()
    damage(tmp_path / "index" / f"words-english-{words_module.FORMAT}", kind)
    if reopened:
        index = open_index(embedded)
    sync(index, [*DOCUMENTS])
    assert embedded.embedded == []
    assert len(index.search_words("everywhere", 100)) == len(DOCUMENTS)
    assert index.faults() == []
    another = open_index(embedded)
    sync(another, [*DOCUMENTS])
    assert another.faults() == []


def test_words_that_cannot_be_read_are_named_with_what_to_do(open_index: Open, tmp_path: Path) -> None:
    sync(open_index(), [*DOCUMENTS])
    damage(tmp_path / "index" / f"words-english-{words_module.FORMAT}", ".idx")
    with pytest.raises(UserError, match=r"words-english-\d+: damaged") as error:
        open_index().search_words("everywhere", 5)
    assert error.value.hint == 'remove this folder and run "groundtune sync": it is made anew'


def test_words_of_passages_that_nobody_knows_are_swept_out(open_index: Open, tmp_path: Path) -> None:
    index = open_index()
    sync(index, [*DOCUMENTS])
    foreign = Words(tmp_path / "index" / f"words-english-{words_module.FORMAT}", "english")
    foreign.change([1], [(5000, "everywhere foreign"), (len(DOCUMENTS) + 1, "everywhere foreign")])
    again = open_index()
    assert len(again.search_words("everywhere", 100)) == len(DOCUMENTS) - 1  # one is missing, two are passed over
    sync(again, [*DOCUMENTS, document("new.md", "Everywhere new.")])  # takes the number of one of the foreign ones
    assert again.faults() == []
    assert [again.passages([id])[0].document for id, _ in again.search_words("new", 5)] == ["new.md"]
    assert again.search_words("foreign", 5) == []
    assert len(again.search_words("everywhere", 100)) == len(DOCUMENTS) + 1
