"""A reader gets every passage that is open to them and nothing else: now, in earlier states, in what is said."""

import logging
import tempfile
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from groundtune import stages
from groundtune.config import load
from groundtune.errors import UserError
from groundtune.index.sqlite import SqliteIndex
from groundtune.index.sync import sync as sync_all
from groundtune.project import Project
from groundtune.retrieve import dense, hybrid, lexical
from groundtune.types import Document, Index, NoProgress, Reader
from tests.corpus import Given, HashingEmbedder, document
from tests.tiny import Tiny, project

GROUPS = ["a", "b", "c"]
State = dict[str, tuple[int, frozenset[str]]]  # id -> how many paragraphs, and who may read them

readers_of = st.frozensets(st.sampled_from(GROUPS), max_size=2)
states = st.lists(
    st.dictionaries(st.sampled_from("vwxyz"), st.tuples(st.integers(1, 3), readers_of), min_size=1),
    min_size=1,
    max_size=4,
)
readers = st.builds(Reader, readers_of)


@pytest.fixture(scope="module")
def memory() -> Iterator[Path]:
    """A folder in memory, where there is such a thing: what is flushed there takes no time."""
    with tempfile.TemporaryDirectory(dir="/dev/shm" if Path("/dev/shm").is_dir() else None) as folder:
        yield Path(folder)


def documents(state: State) -> list[Document]:
    return [
        document(id, "\n\n".join(f"Everywhere stands paragraph {n} of {id} as before." for n in range(count)), names)
        for id, (count, names) in state.items()
    ]


def permitted(state: State, reader: Reader, later: list[State]) -> set[tuple[str, int]]:
    """The passages of a state that a reader may read: where a document named readers then and in its last state, one
    of the reader's groups is named in both."""
    found = set()
    for id, (count, names) in state.items():
        last = [after[id][1] for after in later if id in after] or [names]
        shared = names & last[-1] if names and last[-1] else names | last[-1]
        if shared & reader.groups or not (names or last[-1]):
            found |= {(id, n) for n in range(count)}
    return found


def place(text: str) -> tuple[str, int]:
    words = text.split()
    return words[5], int(words[3])


def check(index: Index, reader: Reader, expected: set[tuple[str, int]]) -> None:
    """Every kind of search finds exactly these passages, or as many of them as it is asked for."""
    for retriever in (
        lexical.create(index),
        dense.create(index, min_similarity=-1),
        hybrid.create(index, min_similarity=-1),
    ):
        for k in (1, 4, 100):
            (hits,) = retriever.search(["everywhere stands a paragraph"], k, reader)
            found = [place(hit.passage.text) for hit in hits]
            assert len(found) == len(set(found)) == min(k, len(expected))
            assert set(found) <= expected


@settings(max_examples=40)
@given(history=states, reader=readers)
def test_every_search_finds_exactly_what_is_open_now_and_was_open_then(
    memory: Path, history: list[State], reader: Reader
) -> None:
    with (
        tempfile.TemporaryDirectory(dir=memory) as folder,
        closing(SqliteIndex(Path(folder), HashingEmbedder())) as index,
    ):
        moments = []
        for state in history:
            sync_all(index, {"given": Given(*documents(state))}, 60, keep=len(history))
            moments.append(index.knowledge_as_of())
            check(index, reader, permitted(state, reader, []))
        expected = permitted(history[-1], reader, [])
        assert set(index.documents(reader)) == {id for id, _ in expected}
        assert {place(passage.text) for passage in index.all_passages(reader)} == expected
        for number, (state, moment) in enumerate(zip(history, moments, strict=True)):
            check(index.as_of(moment), reader, permitted(state, reader, history[number + 1 :]))


def test_as_many_as_are_asked_for_come_back_where_few_of_many_are_open(memory: Path) -> None:
    texts = "\n\n".join(f"Everywhere stands paragraph {n} of this." for n in range(300))
    with closing(SqliteIndex(memory / "many", HashingEmbedder())) as index:
        closed = [document(f"{n}.md", texts, {"staff"}) for n in range(4)]
        few = document("open.md", "\n\n".join(f"Somewhere stands what is everywhere, number {n}." for n in range(9)))
        sync_all(index, {"given": Given(*closed, few)}, 60)
        query = "everywhere stands paragraph 7 of this"
        for found in (index.search_words(query, 8), index.search_vectors([query], 8)[0]):
            assert [passage.document for passage in index.passages([id for id, _ in found])] == ["open.md"] * 8
        assert index.search_words(query, 2000) != index.search_words(query, 2000, Reader(frozenset({"staff"})))


class Said(NoProgress):
    """Keeps all that is said."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def say(self, sentence: str) -> None:
        self.lines.append(sentence)

    def start(self, what: str, total: float | None) -> None:
        self.lines.append(what)


def test_what_a_sync_says_and_logs_holds_nothing_of_a_closed_document(
    tiny: Tiny, tmp_path: Path, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    caplog.set_level(logging.DEBUG)
    config = load(project(tmp_path / "shop", tiny))
    docs = tmp_path / "shop" / "docs"
    said = Said()
    closed = "---\nreaders: [office]\n---\n# Zwergpinguin\n\nThe Zwergpinguin costs us {} coins.\n"
    broken = {
        "torn.md": "---\nreaders: [office\nprice: Zwergpinguin\n---\nZwergpinguin\n",
        "odd.md": "---\nreaders: {office: Zwergpinguin}\n---\nZwergpinguin\n",
        "rows.jsonl": '{"text": "fine"}\n{"text": "Zwergpinguin',
        "sheet.xlsx": "Zwergpinguin",
        "paper.pdf": "%PDF-1.4 Zwergpinguin",
    }
    for name, text in broken.items():
        (docs / name).write_text(text)
    for price in (1, 2):
        (docs / "closed.md").write_text(closed.format(price))
        stages.sync_stage(Project(config, said))
    (docs / "closed.md").write_text(closed.format(3).replace("[office]", "office, yes: ["))
    stages.sync_stage(Project(config, said))
    (docs / "closed.md").unlink(missing_ok=True)
    stages.sync_stage(Project(config, said))

    lines = [*said.lines, *caplog.text.splitlines(), *capfd.readouterr()]
    assert any("closed.md" in line for line in lines)
    assert any("left out: torn.md" in line for line in lines)
    assert [line for line in lines if "pinguin" in line.lower()] == []
    with pytest.raises(UserError) as error:
        Project(config).index.as_of("2000-01-01T00:00:00.000+00:00")
    assert "pinguin" not in str(error.value).lower()
