"""An earlier state of the index answers as the index answered then, for as long as it is kept."""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import pytest

from groundtune.errors import UserError
from groundtune.index import sync as sync_module
from groundtune.index.sqlite import SqliteIndex
from groundtune.index.sync import sync as sync_all
from groundtune.retrieve import hybrid
from groundtune.times import now
from groundtune.types import Document, Index, LeftOut, Reader, Unchanged
from tests.corpus import Given, HashingEmbedder, document

Open = Callable[..., SqliteIndex]

QUERIES = ["what does the kettle cost", "send the kettle back", "students", "the lamp"]
STAFF = Reader(frozenset({"staff"}))

PRICES = document("prices.md", "# Prices\n\nA kettle costs forty euros.\n\n# Discounts\n\nStudents pay half.\n")
DEARER = document("prices.md", "# Prices\n\nA kettle costs fifty euros.\n\n# Discounts\n\nStudents pay half.\n")
RETURNS = document("returns.md", "# Returns\n\nSend the kettle back within thirty days.\n")
MARGINS = document("margins.md", "# Margins\n\nThe kettle costs us nine euros.\n", {"staff"})
LAMPS = document("lamps.md", "# Lamps\n\nThe lamp costs ten euros.\n")

HISTORY = [
    [PRICES],
    [PRICES, RETURNS, MARGINS],
    [DEARER, RETURNS, MARGINS],
    [DEARER, MARGINS, LAMPS],  # one removed, one added
    [document("tariffs.md", DEARER.text), LAMPS],  # one renamed, one removed
]


def brought(index: SqliteIndex, documents: Sequence[Document], keep: int) -> str:
    """A sync; gives its time."""
    sync_all(index, {"given": Given(*documents)}, 200, keep=keep)
    return index.knowledge_as_of()


def answers(index: Index, reader: Reader) -> list[Any]:
    """What is found for every query, by every kind of search, with all that is known of each passage."""
    retriever = hybrid.create(index, min_similarity=-1)
    hybrids = retriever.search(QUERIES, 10, reader)
    found: list[Any] = [[(hit.passage, round(hit.parts["vectors"], 5)) for hit in hits] for hits in hybrids]
    return found + [index.passages([id for id, _ in index.search_words(query, 10, reader)]) for query in QUERIES]


def in_any_order(found: list[Any]) -> list[Any]:
    """BM25 weighs words by how many passages hold them, those that are gone but not yet swept up among them."""
    return [sorted(one, key=repr) for one in found]


def test_an_earlier_state_answers_as_it_did_then(open_index: Open) -> None:
    index = open_index()
    then = []
    for documents in HISTORY:
        moment = brought(index, documents, keep=len(HISTORY))
        then.append((moment, answers(index, Reader()), answers(index, STAFF)))
    assert len({repr(found) for _, found, _ in then}) == len(HISTORY)
    for moment, everyones, staffs in then:
        snapshot = index.as_of(moment)
        assert in_any_order(answers(snapshot, Reader())) == in_any_order(everyones)
        assert in_any_order(answers(snapshot, STAFF)) == in_any_order(staffs)


def test_between_two_syncs_the_earlier_one_counts(open_index: Open) -> None:
    index = open_index()
    brought(index, [PRICES], 2)
    between = now()
    time.sleep(0.002)
    brought(index, [DEARER], 2)
    assert index.as_of(between).search_words("forty", 5, Reader())
    assert index.as_of("2100-01-01T00:00:00.000+00:00").search_words("fifty", 5, Reader())
    with pytest.raises(UserError, match="does not know what it held at 2000"):
        index.as_of("2000-01-01T00:00:00.000+00:00")


@pytest.mark.parametrize("keep", [0, 1, 3])
def test_so_many_earlier_syncs_that_changed_something_are_kept(open_index: Open, keep: int) -> None:
    index = open_index()
    moments = []
    for number in range(6):
        moments.append(brought(index, [document("a.md", f"Number {number}.")], keep))
        for _ in range(2):  # nothing changes: nothing is pushed out
            brought(index, [document("a.md", f"Number {number}.")], keep)
    kept = moments[-keep - 1 :]
    for number, moment in enumerate(moments):
        if moment in kept:
            (found,) = index.as_of(moment).search_vectors(["Number"], 5, Reader())
            assert [p.text for p in index.as_of(moment).passages([id for id, _ in found])] == [f"Number {number}."]
        else:
            with pytest.raises(UserError, match="does not know") as error:
                index.as_of(moment)
            assert error.value.hint == (
                f"the earliest state that is kept is of {kept[0]}; [index] keep says how many are"
            )


def test_what_is_kept_no_longer_is_forgotten(open_index: Open) -> None:
    index = open_index()
    brought(index, [PRICES, RETURNS], 1)
    brought(index, [DEARER], 1)
    assert b"thirty days" in index.path.read_bytes()
    brought(index, [LAMPS], 1)
    index.close()
    assert b"thirty days" not in index.path.read_bytes()
    assert b"fifty euros" in index.path.read_bytes()


def test_a_broken_off_sync_is_no_state(open_index: Open) -> None:
    index = open_index()
    moment = brought(index, [PRICES], 3)
    before = answers(index, Reader())

    class Breaking(Given):
        def documents(self, known: Mapping[str, str], left_out: Any) -> Iterator[Document | Unchanged]:
            yield from super().documents(known, left_out)
            raise KeyboardInterrupt

    with pytest.MonkeyPatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(sync_module, "AT_ONCE", 1)
        sync_all(index, {"given": Breaking(DEARER, RETURNS)}, 200, keep=3)
    assert "returns.md" in index.documents()
    assert index.knowledge_as_of() == moment
    assert in_any_order(answers(index.as_of(moment), Reader())) == in_any_order(before)
    brought(index, [DEARER, RETURNS], 3)
    assert in_any_order(answers(index.as_of(moment), Reader())) == in_any_order(before)


@pytest.mark.parametrize("last", ["open", "closed", "closed, then gone", "closed, then open again", "empty and closed"])
def test_what_was_closed_since_is_closed_in_earlier_states_too(open_index: Open, last: str) -> None:
    index = open_index()
    moment = brought(index, [PRICES, RETURNS], 5)
    closed = document("returns.md", RETURNS.text, {"staff"})
    if last != "open":
        brought(index, [PRICES, closed], 5)
    if last == "closed, then gone":
        brought(index, [PRICES], 5)
    if last == "closed, then open again":
        brought(index, [PRICES, RETURNS], 5)
    if last == "empty and closed":
        brought(index, [PRICES, document("returns.md", "", {"staff"})], 5)
    snapshot = index.as_of(moment)
    is_open = last in ("open", "closed, then open again")
    assert bool(snapshot.search_words("thirty", 5, Reader())) is is_open
    assert len(snapshot.search_words("thirty", 5, STAFF)) == 1
    (found,) = snapshot.search_vectors(["Send the kettle back"], 5, Reader())
    assert ("returns.md" in {p.document for p in snapshot.passages([id for id, _ in found])}) is is_open


def test_what_was_closed_then_and_is_open_now_stays_closed_then(open_index: Open) -> None:
    index = open_index()
    moment = brought(index, [PRICES, MARGINS], 2)
    brought(index, [PRICES, document("margins.md", MARGINS.text)], 2)
    assert index.as_of(moment).search_words("nine", 5, Reader()) == []
    assert len(index.as_of(moment).search_words("nine", 5, STAFF)) == 1


def test_groups_then_and_now_must_both_permit(open_index: Open) -> None:
    index = open_index()
    moment = brought(index, [PRICES, document("m.md", "Nine.", {"a", "b"})], 2)
    brought(index, [PRICES, document("m.md", "Nine.", {"b", "c"})], 2)
    for group, sees in (("a", 0), ("b", 1), ("c", 0)):
        assert len(index.as_of(moment).search_words("nine", 5, Reader(frozenset({group})))) == sees


class Failing:
    """A source that cannot be read."""

    def documents(self, known: Mapping[str, str], left_out: Callable[[LeftOut], None]) -> Iterator[Document]:
        raise UserError("the server is down")
        yield


def test_the_time_of_the_knowledge_moves_with_syncs_that_read_everything(open_index: Open) -> None:
    index = open_index()
    assert index.knowledge_as_of() == ""
    both = {"a": Given(PRICES), "b": Given(LAMPS)}
    sync_all(index, both, 200)
    first = index.knowledge_as_of()
    sync_all(index, both, 200)  # nothing was new, and that is known now
    second = index.knowledge_as_of()
    assert second > first
    sync_all(index, {"a": Given(DEARER), "b": Failing()}, 200)
    sync_all(index, {"a": Given(DEARER)}, 200, names=["a", "b"])  # only one of them
    assert index.knowledge_as_of() == second
    sync_all(index, both, 200)
    assert index.knowledge_as_of() > second


def test_a_source_that_left_the_config_holds_the_time_back_no_longer(open_index: Open) -> None:
    index = open_index()
    sync_all(index, {"a": Given(PRICES), "b": Given(LAMPS)}, 200)
    first = index.knowledge_as_of()
    sync_all(index, {"a": Given(PRICES)}, 200)
    assert index.knowledge_as_of() > first


def test_a_passage_says_which_version_of_its_document_it_is_from_and_when_that_was_changed(open_index: Open) -> None:
    index = open_index()
    brought(index, [PRICES], 2)
    (old,) = {(p.version, p.changed) for p in index.all_passages()}
    assert old == (index.versions()["prices.md"], PRICES.changed)
    brought(index, [document("prices.md", DEARER.text, changed="2026-11-23T00:00:00+00:00")], 2)
    (new,) = {(p.version, p.changed) for p in index.all_passages()}
    assert new[0] != old[0]
    assert new[1] == "2026-11-23T00:00:00+00:00"


def test_nothing_is_embedded_for_an_earlier_state(open_index: Open) -> None:
    embedder = HashingEmbedder()
    index = open_index(embedder)
    moment = brought(index, [PRICES], 2)
    brought(index, [DEARER], 2)
    before = len(embedder.embedded)
    assert index.as_of(moment).search_words("forty", 5, Reader())
    assert len(embedder.embedded) == before
