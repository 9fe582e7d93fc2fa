"""After a sync the index holds what the sources hold, and nothing was embedded that it knew already."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from groundtune.errors import UserError
from groundtune.index import sync as sync_module
from groundtune.index.store import embedded_text
from groundtune.index.sync import Summary
from groundtune.index.sync import sync as sync_all
from groundtune.times import now
from groundtune.types import Document, LeftOut, Section, Unchanged
from tests.corpus import Given, HashingEmbedder, document, sync
from tests.stores import AnyStore, OpenStore

if TYPE_CHECKING:
    from groundtune.types import Vectors

RETURNS = document("returns.md", "# Returns\n\nSend the kettle back within thirty days.\n")
PRICES = document("prices.md", "# Prices\n\nA kettle costs forty euros.\n\n# Discounts\n\nStudents pay half.\n")


def brought(index: AnyStore, *documents: Document) -> Summary:
    return sync(index, [*documents])


def found(index: AnyStore, query: str) -> set[str]:
    """The documents that a search finds, by words and by vectors; both must know the same ones."""
    words = {p.document for p in index.passages([id for id, _ in index.search_words(query, 100)])}
    (scored,) = index.search_vectors([query], 100)
    vectors = {p.document for p in index.passages([id for id, cosine in scored if cosine > 0.3])}
    assert words == vectors
    return words


def test_what_is_added_is_found_by_words_and_by_vectors(open_store: OpenStore) -> None:
    index = open_store()
    assert brought(index, RETURNS, PRICES) == Summary(added=["returns.md", "prices.md"], embedded=3)
    assert index.counts() == (2, 3)
    assert found(index, "students pay half") == {"prices.md"}


def test_a_second_sync_embeds_and_changes_nothing(open_store: OpenStore) -> None:
    embedder = HashingEmbedder()
    index = open_store(embedder)
    brought(index, RETURNS, PRICES)
    before, held = len(embedder.embedded), index.digest()
    assert brought(index, RETURNS, PRICES) == Summary(unchanged=2)
    assert len(embedder.embedded) == before
    assert index.digest() == held


def test_a_new_time_stamp_alone_changes_nothing(open_store: OpenStore) -> None:
    index = open_store()
    brought(index, RETURNS)
    touched = replace(RETURNS, stamp="another", changed="2027-01-01T00:00:00+00:00")
    assert brought(index, touched) == Summary(unchanged=1)
    assert brought(index, replace(touched, text="never looked at")) == Summary(unchanged=1)


def test_in_a_changed_document_only_the_changed_passage_is_embedded(open_store: OpenStore) -> None:
    embedder = HashingEmbedder()
    index = open_store(embedder)
    brought(index, PRICES)
    changed = document("prices.md", PRICES.text.replace("half", "a third"))
    assert brought(index, changed) == Summary(changed=["prices.md"], embedded=1)
    assert embedder.embedded[-1] == "Prices > Discounts\n# Discounts\n\nStudents pay a third."


def test_the_old_text_of_a_changed_document_is_gone(open_store: OpenStore) -> None:
    index = open_store()
    brought(index, RETURNS, PRICES)
    brought(index, document("returns.md", "# Returns\n\nNo more kettles are taken.\n"), PRICES)
    assert found(index, "send back within thirty days") == set()
    assert found(index, "no more are taken") == {"returns.md"}


def test_a_removed_document_is_gone(open_store: OpenStore) -> None:
    index = open_store()
    brought(index, RETURNS, PRICES)
    assert brought(index, PRICES) == Summary(removed=["returns.md"], unchanged=1)
    assert found(index, "send back within thirty days") == set()
    assert index.documents() == {"prices.md": PRICES.text}


def test_no_word_and_no_vector_of_what_is_gone_stays(open_store: OpenStore) -> None:
    index = open_store()
    brought(index, RETURNS, PRICES)
    brought(index, document("returns.md", "# Returns\n\nNo more kettles are taken.\n"))
    assert index.faults() == []
    assert [index.search_words(gone, 5) for gone in ("thirty", "students")] == [[], []]
    assert len(index.search_vectors(["thirty"], 5)[0]) == 1
    assert list(index.vectors_of(map(embedded_text, index.all_passages()))) == [
        "Returns\n# Returns\n\nNo more kettles are taken."
    ]
    assert index.vectors_of(["Returns\n# Returns\n\nSend the kettle back within thirty days."]) == {}


def test_a_renamed_document_keeps_its_vectors(open_store: OpenStore) -> None:
    embedder = HashingEmbedder()
    index = open_store(embedder)
    brought(index, RETURNS, PRICES)
    before = len(embedder.embedded)
    assert brought(index, replace(RETURNS, id="moved/returns.md"), PRICES) == Summary(
        added=["moved/returns.md"], removed=["returns.md"], unchanged=1
    )
    assert len(embedder.embedded) == before
    assert found(index, "send back within thirty days") == {"moved/returns.md"}


def test_equal_passages_of_two_documents_are_embedded_once(open_store: OpenStore) -> None:
    index = open_store()
    assert brought(index, RETURNS, replace(RETURNS, id="copy.md")) == Summary(
        added=["returns.md", "copy.md"], embedded=1
    )
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
def test_a_change_beside_the_text_is_a_change(open_store: OpenStore, change: dict[str, Any]) -> None:
    index = open_store()
    brought(index, RETURNS)
    assert brought(index, replace(RETURNS, stamp="another", **change)).changed == ["returns.md"]


def test_another_passage_length_cuts_everything_anew(open_store: OpenStore) -> None:
    index = open_store()
    long = document("long.md", "One two three four. " * 40)
    sync(index, [long], 400)
    few = index.counts()[1]
    assert sync(index, [long], 100).changed == ["long.md"]
    assert index.counts()[1] > few
    assert max(len(p.text) for p in index.all_passages()) <= 100


def test_a_source_without_documents_is_an_error_and_forgets_nothing(open_store: OpenStore) -> None:
    index = open_store()
    brought(index, RETURNS)
    (failed,) = brought(index).failed
    assert failed.error.message == "given held 1 documents and now holds none"
    with pytest.raises(UserError, match="no document could be read"):
        brought(open_store(name="empty"))
    assert found(index, "send back within thirty days") == {"returns.md"}


def test_the_second_document_with_an_id_is_left_out_and_named(open_store: OpenStore) -> None:
    index = open_store()
    summary = sync(index, [RETURNS, replace(PRICES, id="returns.md")])
    assert [(item.id, "two documents" in item.reason) for item in summary.left_out] == [("returns.md", True)]
    assert index.documents() == {"returns.md": RETURNS.text}


def test_of_two_sources_with_a_document_of_the_same_id_the_first_ones_counts(open_store: OpenStore) -> None:
    index = open_store()
    first, second = Given(RETURNS), Given(replace(PRICES, id="returns.md"), PRICES)
    summary = sync_all(index, {"a": first, "b": second}, 200)
    assert [(item.id, item.reason.startswith("a, which comes first")) for item in summary.left_out] == [
        ("returns.md", True)
    ]
    sync_all(index, {"b": second, "a": first}, 200)
    assert index.documents()["returns.md"] == PRICES.text
    assert sync_all(index, {"a": first}, 200, names=["a", "b"]).changed == ["returns.md"]  # only one of them is read
    assert index.documents() == {"returns.md": RETURNS.text, "prices.md": PRICES.text}


def test_the_documents_of_a_source_that_left_the_config_go(open_store: OpenStore) -> None:
    index = open_store()
    sync_all(index, {"a": Given(RETURNS), "b": Given(PRICES)}, 200)
    assert sync_all(index, {"b": Given(PRICES)}, 200, names=["a", "b"]).removed == []
    assert sync_all(index, {"b": Given(PRICES)}, 200).removed == ["returns.md"]


class Broken(Given):
    """Fails after the documents it was given."""

    def documents(
        self, known: Mapping[str, str], left_out: Callable[[LeftOut], None]
    ) -> Iterator[Document | Unchanged]:
        yield from super().documents(known, left_out)
        raise UserError("the server is down")


def test_a_source_that_fails_keeps_what_the_index_has_and_stops_no_other(open_store: OpenStore) -> None:
    index = open_store()
    sync_all(index, {"a": Given(RETURNS, PRICES), "b": Given(document("b.md", "Old."))}, 200)
    read = index.knowledge_as_of()
    summary = sync_all(index, {"a": Broken(PRICES), "b": Given(document("b.md", "New."))}, 200)
    assert [(one.source, one.error.message) for one in summary.failed] == [("a", "the server is down")]
    assert summary.changed == ["b.md"]
    assert set(index.documents()) == {"returns.md", "prices.md", "b.md"}
    assert index.knowledge_as_of() == read


class Trouble(Given):
    """Leaves one document out after those it was given."""

    def __init__(self, item: LeftOut, *documents: Document) -> None:
        super().__init__(*documents)
        self._item = item

    def documents(
        self, known: Mapping[str, str], left_out: Callable[[LeftOut], None]
    ) -> Iterator[Document | Unchanged]:
        yield from super().documents(known, left_out)
        left_out(self._item)


@pytest.mark.parametrize(("passing", "removed"), [(True, []), (False, ["returns.md"])])
def test_what_cannot_be_read_stays_only_where_the_trouble_may_pass(
    open_store: OpenStore, passing: bool, removed: list[str]
) -> None:
    index = open_store()
    brought(index, RETURNS, PRICES)
    item = LeftOut("returns.md", "a time-out", passing)
    summary = sync_all(index, {"given": Trouble(item, PRICES)}, 200)
    assert (summary.removed, summary.left_out) == (removed, [item])


def test_other_settings_of_a_source_make_its_stamps_worthless(open_store: OpenStore) -> None:
    index = open_store()
    before, after = Given(RETURNS), Given(replace(RETURNS, text=RETURNS.text.upper()))  # of the same stamp
    sync_all(index, {"a": before}, 200, settings={"a": "one"})
    assert sync_all(index, {"a": after}, 200, settings={"a": "one"}).unchanged == 1
    assert sync_all(index, {"a": after}, 200, settings={"a": "other"}).changed == ["returns.md"]


def test_a_document_without_a_time_gets_that_of_the_sync(open_store: OpenStore) -> None:
    index = open_store()
    brought(index, replace(RETURNS, changed=""), PRICES)
    changed = {passage.document: passage.changed for passage in index.all_passages()}
    assert changed["prices.md"] == PRICES.changed
    assert changed["returns.md"][:13] == now()[:13]


def test_an_open_index_sees_what_another_connection_synced(open_store: OpenStore) -> None:
    index = open_store()
    brought(index, RETURNS)
    assert found(index, "students pay half") == set()
    brought(open_store(), RETURNS, PRICES)
    assert found(index, "students pay half") == {"prices.md"}


def test_the_digest_is_that_of_the_content_not_of_the_way_to_it(open_store: OpenStore) -> None:
    straight = open_store()
    brought(straight, RETURNS, PRICES)
    winding = open_store(name="other")
    brought(winding, PRICES, document("gone.md", "Gone."))
    assert winding.digest() != straight.digest()
    brought(winding, PRICES, RETURNS)
    assert winding.digest() == straight.digest()


def test_a_source_under_another_name_that_cannot_be_read_keeps_what_the_index_has(open_store: OpenStore) -> None:
    index = open_store()
    sync_all(index, {"sql 1": Given(RETURNS, PRICES), "b": Given(document("b.md", "One."))}, 200)
    sync_all(index, {"tickets": Broken(), "b": Given(document("b.md", "One."))}, 200)
    assert set(index.documents()) == {"returns.md", "prices.md", "b.md"}
    summary = sync_all(index, {"tickets": Given(RETURNS), "b": Given(document("b.md", "One."))}, 200)
    assert (summary.removed, summary.unchanged) == (["prices.md"], 2)


class Memory(Given):
    """Keeps what it was told is known."""

    def documents(
        self, known: Mapping[str, str], left_out: Callable[[LeftOut], None]
    ) -> Iterator[Document | Unchanged]:
        self.known = dict(known)
        yield from super().documents(known, left_out)


def test_a_source_learns_what_the_index_has_from_it_even_where_stamps_say_nothing(open_store: OpenStore) -> None:
    index = open_store()
    source = Memory(RETURNS)
    for settings, stamp in (("one", None), ("one", RETURNS.stamp), ("two", "")):
        sync_all(index, {"a": source}, 200, settings={"a": settings})
        assert source.known == ({} if stamp is None else {"returns.md": stamp})


def test_a_batch_is_no_larger_than_its_characters(open_store: OpenStore, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sync_module, "CHARACTERS", 100)
    calls: list[int] = []

    class Counting(HashingEmbedder):
        def embed(self, texts: Sequence[str]) -> Vectors:
            calls.append(len(texts))
            return super().embed(texts)

    sync(open_store(Counting()), [document(f"{n}.md", f"Number {n}. " + "word " * 12) for n in range(6)])
    assert calls == [2, 2, 2]


def test_another_way_of_cutting_cuts_every_document_anew(
    open_store: OpenStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    index = open_store()
    brought(index, RETURNS)
    monkeypatch.setattr(sync_module, "CUT", 2)
    assert sync_all(index, {"given": Given(RETURNS)}, 200, settings={"given": "read anew"}).changed == ["returns.md"]


def test_the_groups_that_documents_name_are_known(open_store: OpenStore) -> None:
    index = open_store()
    brought(index, RETURNS, replace(PRICES, readers=frozenset({"staff", "owners"})))
    assert index.groups() == {"staff", "owners"}
