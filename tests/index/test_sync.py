"""After a sync the index holds what the sources hold, and nothing was embedded that it knew already."""

import sqlite3
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from groundtune.errors import UserError
from groundtune.index.store import SqliteIndex
from groundtune.index.sync import Summary, sync
from groundtune.types import Document, Section
from tests.corpus import Given, HashingEmbedder, document

Open = Callable[..., SqliteIndex]

RETURNS = document("returns.md", "# Returns\n\nSend the kettle back within thirty days.\n")
PRICES = document("prices.md", "# Prices\n\nA kettle costs forty euros.\n\n# Discounts\n\nStudents pay half.\n")


def brought(index: SqliteIndex, *documents: Document) -> Summary:
    return sync(index, [Given(*documents)], 200)


def found(index: SqliteIndex, query: str) -> set[str]:
    """The documents that a search finds, by words and by vectors; both must know the same ones."""
    words = {p.document for p in index.passages([id for id, _ in index.search_words(query, 100)])}
    (scored,) = index.search_vectors([query], 100)
    vectors = {p.document for p in index.passages([id for id, cosine in scored if cosine > 0.3])}
    assert words == vectors
    return words


def test_what_is_added_is_found_by_words_and_by_vectors(open_index: Open) -> None:
    index = open_index()
    assert brought(index, RETURNS, PRICES) == Summary(added=2, embedded=3)
    assert index.counts() == (2, 3)
    assert found(index, "students pay half") == {"prices.md"}


def test_a_second_sync_embeds_and_changes_nothing(open_index: Open) -> None:
    embedder = HashingEmbedder()
    index = open_index(embedder)
    brought(index, RETURNS, PRICES)
    before, held = len(embedder.embedded), index.digest()
    assert brought(index, RETURNS, PRICES) == Summary(unchanged=2)
    assert len(embedder.embedded) == before
    assert index.digest() == held


def test_a_new_time_stamp_alone_changes_nothing(open_index: Open) -> None:
    index = open_index()
    brought(index, RETURNS)
    assert brought(index, replace(RETURNS, version="2027-01-01T00:00:00+00:00")) == Summary(unchanged=1)


def test_in_a_changed_document_only_the_changed_passage_is_embedded(open_index: Open) -> None:
    embedder = HashingEmbedder()
    index = open_index(embedder)
    brought(index, PRICES)
    changed = document("prices.md", PRICES.text.replace("half", "a third"))
    assert brought(index, changed) == Summary(changed=1, embedded=1)
    assert embedder.embedded[-1] == "Prices > Discounts\n# Discounts\n\nStudents pay a third."


def test_the_old_text_of_a_changed_document_is_gone(open_index: Open) -> None:
    index = open_index()
    brought(index, RETURNS, PRICES)
    brought(index, document("returns.md", "# Returns\n\nNo more kettles are taken.\n"), PRICES)
    assert found(index, "send back within thirty days") == set()
    assert found(index, "no more are taken") == {"returns.md"}


def test_a_removed_document_is_gone(open_index: Open) -> None:
    index = open_index()
    brought(index, RETURNS, PRICES)
    assert brought(index, PRICES) == Summary(removed=1, unchanged=1)
    assert found(index, "send back within thirty days") == set()
    assert index.documents() == {"prices.md": PRICES.text}


def test_no_word_and_no_vector_of_what_is_gone_stays_in_the_file(open_index: Open) -> None:
    index = open_index()
    brought(index, RETURNS, PRICES)
    brought(index, document("returns.md", "# Returns\n\nNo more kettles are taken.\n"))
    with closing(sqlite3.connect(index.path)) as db:
        db.execute("insert into words (words, rank) values ('integrity-check', 1)")  # raises where words are left over
        for gone in ("thirty", "students"):
            assert db.execute("select rowid from words where words match ?", [gone]).fetchall() == []
        assert db.execute("select count(vector) from passages").fetchone() == (1,)


def test_a_renamed_document_keeps_its_vectors(open_index: Open) -> None:
    embedder = HashingEmbedder()
    index = open_index(embedder)
    brought(index, RETURNS, PRICES)
    before = len(embedder.embedded)
    assert brought(index, replace(RETURNS, id="moved/returns.md"), PRICES) == Summary(1, 0, 1, 1, 0)
    assert len(embedder.embedded) == before
    assert found(index, "send back within thirty days") == {"moved/returns.md"}


def test_equal_passages_of_two_documents_are_embedded_once(open_index: Open) -> None:
    index = open_index()
    assert brought(index, RETURNS, replace(RETURNS, id="copy.md")) == Summary(added=2, embedded=1)
    assert found(index, "send back within thirty days") == {"returns.md", "copy.md"}


@pytest.mark.parametrize(
    "change",
    [
        {"readers": frozenset({"staff"})},
        {"title": "Sending things back"},
        {"metadata": {"team": "shop"}},
        {"sections": (Section(0, len(RETURNS.text), page=1),)},
    ],
    ids=lambda change: next(iter(change)),
)
def test_a_change_beside_the_text_is_a_change(open_index: Open, change: dict[str, Any]) -> None:
    index = open_index()
    brought(index, RETURNS)
    assert brought(index, replace(RETURNS, **change)).changed == 1


def test_another_passage_length_cuts_everything_anew(open_index: Open) -> None:
    index = open_index()
    long = document("long.md", "One two three four. " * 40)
    sync(index, [Given(long)], 400)
    few = index.counts()[1]
    assert sync(index, [Given(long)], 100).changed == 1
    assert index.counts()[1] > few
    assert max(len(p.text) for p in index.all_passages()) <= 100


def test_a_source_without_documents_is_an_error_and_forgets_nothing(open_index: Open) -> None:
    index = open_index()
    brought(index, RETURNS)
    with pytest.raises(UserError, match="no document could be read"):
        brought(index)
    assert found(index, "send back within thirty days") == {"returns.md"}


def test_the_second_document_with_an_id_is_left_out_and_named(open_index: Open) -> None:
    index = open_index()
    summary = sync(index, [Given(RETURNS), Given(replace(PRICES, id="returns.md"))], 200)
    assert [(item.id, "another source" in item.reason) for item in summary.left_out] == [("returns.md", True)]
    assert index.documents() == {"returns.md": RETURNS.text}


def test_an_open_index_sees_what_another_connection_synced(open_index: Open) -> None:
    index = open_index()
    brought(index, RETURNS)
    assert found(index, "students pay half") == set()
    brought(open_index(), RETURNS, PRICES)
    assert found(index, "students pay half") == {"prices.md"}


def test_the_digest_is_that_of_the_content_not_of_the_way_to_it(open_index: Open, tmp_path: Path) -> None:
    straight = open_index()
    brought(straight, RETURNS, PRICES)
    winding = open_index(path=tmp_path / "other.sqlite")
    brought(winding, PRICES, document("gone.md", "Gone."))
    assert winding.digest() != straight.digest()
    brought(winding, PRICES, RETURNS)
    assert winding.digest() == straight.digest()
