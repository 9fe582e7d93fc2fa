"""Verifying finds every way in which the index and its sources can differ, and nothing where they do not."""

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from groundtune.errors import UserError
from groundtune.index.sqlite import SqliteIndex
from groundtune.index.sync import sync as sync_all
from groundtune.index.verify import SAMPLE, Difference, verify
from groundtune.index.words import FORMAT, Words
from groundtune.types import Document, LeftOut, Unchanged
from groundtune.workspace import remove
from tests.corpus import Given, HashingEmbedder, document

Open = Callable[..., SqliteIndex]

RETURNS = document("returns.md", "# Returns\n\nSend the kettle back within thirty days.\n")
PRICES = document("prices.md", "# Prices\n\nA kettle costs forty euros.\n\n# Discounts\n\nStudents pay half.\n")
MARGINS = document("margins.md", "# Margins\n\nThe kettle costs us nine euros.\n", {"staff"})
ALL = (RETURNS, PRICES, MARGINS)


def brought(index: SqliteIndex) -> SqliteIndex:
    sync_all(index, {"given": Given(*ALL)}, 200, keep=2)
    return index


def found(index: SqliteIndex, *documents: Document) -> list[str]:
    """The differences, as "document: what"."""
    return [f"{one.document}: {one.what}" for one in verify(index, {"given": Given(*documents)}, 200)]


def test_an_index_in_step_has_no_differences_however_it_came_there(open_index: Open) -> None:
    index = open_index()
    sync_all(index, {"given": Given(PRICES, document("gone.md", "Gone."))}, 200, keep=2)
    sync_all(index, {"given": Given(replace(RETURNS, id="old.md"), replace(PRICES, title="Old"))}, 200, keep=2)
    assert found(brought(index), *ALL) == []


def test_what_the_sources_have_changed_is_named(open_index: Open) -> None:
    index = brought(open_index())
    changed = document("prices.md", PRICES.text.replace("forty", "fifty"))
    opened = replace(MARGINS, readers=frozenset())
    assert found(index, changed, opened, document("new.md", "New.")) == [
        "prices.md: it has changed since the last sync",
        "margins.md: it has changed since the last sync",
        "new.md: it is not in the index",
        "returns.md: it is in the index but in no source",
    ]


def test_a_change_that_a_stamp_hides_is_found(open_index: Open) -> None:
    index = brought(open_index())
    hidden = replace(PRICES, text=PRICES.text.replace("forty", "fifty"))
    assert sync_all(index, {"given": Given(RETURNS, hidden, MARGINS)}, 200).unchanged == 3
    assert found(index, RETURNS, hidden, MARGINS) == ["prices.md: it has changed since the last sync"]


def test_another_passage_length_is_a_difference(open_index: Open) -> None:
    index = brought(open_index())
    assert len(verify(index, {"given": Given(*ALL)}, 30)) == 3


def test_a_document_that_stands_in_the_index_under_another_source_is_named(open_index: Open) -> None:
    index = brought(open_index())
    assert {one.what for one in verify(index, {"other": Given(*ALL)}, 200)} == {"the index has it from another source"}


UNIT = (np.ones(64, np.float32) / 8).tobytes()


@pytest.mark.parametrize(
    ("statement", "values", "expected"),
    [
        ("update passages set text = 'Free.' where text like '%forty%'", [], "prices.md"),
        ("update passages set start = start + 1 where text like '%forty%'", [], "prices.md"),
        ("update passages set heading = 'Gifts' where text like '%forty%'", [], "prices.md"),
        ("update passages set page = 7 where text like '%forty%'", [], "prices.md"),
        ("update passages set readers = '[]' where document = 'margins.md'", [], "margins.md"),
        ("update passages set version = 'x' where document = 'margins.md'", [], "margins.md"),
        ("update passages set key = 'x' where text like '%forty%'", [], "prices.md"),
        ("update passages set died = 1 where text like '%forty%'", [], "prices.md"),
        ("delete from passages where text like '%forty%'", [], "prices.md"),
        ("delete from passages where document = 'prices.md'", [], "prices.md"),
        ("update passages set document = 'returns.md' where text like '%forty%'", [], "returns.md"),
        ("update passages set document = 'nobody.md' where text like '%forty%'", [], "nobody.md"),
        ("update documents set text = text || 'x' where id = 'prices.md'", [], "prices.md"),
        ("update documents set text = 'x' where id = 'prices.md'", [], "prices.md"),
        ("update documents set readers = '[]' where id = 'margins.md'", [], "margins.md"),
        ("update documents set title = 'x' where id = 'margins.md'", [], "margins.md"),
        ("update documents set version = 'x' where id = 'margins.md'", [], "margins.md"),
        ("delete from documents where id = 'margins.md'", [], "margins.md"),
        ("update passages set vector = ? where text like '%forty%'", [UNIT], "prices.md"),
        ("update passages set vector = ? where text like '%forty%'", [UNIT[:-4] + b"\xff\xff\xff\x7f"], "vectors: 1"),
        ("update passages set vector = ? where text like '%forty%'", [bytes(256)], "vectors: 1"),
        ("update passages set vector = ? where text like '%forty%'", [UNIT[:-4]], "damaged"),
    ],
)
def test_whatever_was_changed_by_hand_in_the_file_is_found(
    open_index: Open, statement: str, values: list[Any], expected: str
) -> None:
    index = brought(open_index())
    with closing(sqlite3.connect(index.path)) as db:
        assert db.execute(statement, values).rowcount > 0
        db.commit()
    for one in (index, open_index()):
        differences = found(one, *ALL)
        assert differences
        assert any(expected in difference for difference in differences)


def test_words_that_are_gone_or_too_many_are_found(open_index: Open, tmp_path: Path) -> None:
    index = brought(open_index())
    folder = tmp_path / "index" / f"words-english-{FORMAT}"
    Words(folder, "english").change([], [(77, "foreign")])
    assert found(open_index(), *ALL) == [": words: 0 passages are missing, 1 are too many"]
    Words(folder, "english").change([1], [])
    assert found(open_index(), *ALL) == [": words: 1 passages are missing, 1 are too many"]
    remove(folder)
    index.close()
    (gone,) = found(open_index(), *ALL)
    assert gone.startswith(": ")
    assert "the words of 4 passages are missing" in gone
    assert found(brought(open_index()), *ALL) == []


def test_verifying_changes_nothing_and_embeds_but_a_sample(open_index: Open) -> None:
    many = [document(f"{n}.md", f"Number {n} of many.") for n in range(2 * SAMPLE)]
    embedder = HashingEmbedder()
    index = open_index(embedder)
    sync_all(index, {"given": Given(*many)}, 200)
    before, content = len(embedder.embedded), index.path.read_bytes()
    assert found(index, *many) == []
    assert len(set(embedder.embedded[before:])) == SAMPLE
    found(index, *many)
    assert set(embedder.embedded[before : before + SAMPLE]) != set(embedder.embedded[before + SAMPLE :])
    assert index.path.read_bytes() == content


class Trouble(Given):
    """Leaves one document out."""

    def __init__(self, item: LeftOut, *documents: Document) -> None:
        super().__init__(*documents)
        self._item = item

    def documents(self, known: Any, left_out: Callable[[LeftOut], None]) -> Iterator[Document | Unchanged]:
        yield from super().documents(known, left_out)
        left_out(self._item)


@pytest.mark.parametrize("passing", [True, False])
def test_what_cannot_be_read_just_now_is_no_difference(open_index: Open, passing: bool) -> None:
    index = brought(open_index())
    source = Trouble(LeftOut("returns.md", "a time-out", passing), PRICES, MARGINS)
    expected = [] if passing else [Difference("returns.md", "it is in the index but in no source")]
    assert verify(index, {"given": source}, 200) == expected


def test_a_source_that_does_not_read_what_nobody_knows_is_refused(open_index: Open) -> None:
    class Lazy:
        def documents(self, known: Any, left_out: Callable[[LeftOut], None]) -> Iterator[Document | Unchanged]:
            yield Unchanged("returns.md")

    with pytest.raises(UserError, match=r"Lazy did not read returns\.md"):
        verify(brought(open_index()), {"given": Lazy()}, 200)
