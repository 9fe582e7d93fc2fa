"""A search says what it found, where that stands, what its score is made of, and as of when."""

import json
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from groundtune import stages
from groundtune.config import load
from groundtune.errors import UserError
from groundtune.project import Project
from groundtune.searching import SHOWN, indented, place, search, state_of
from groundtune.times import now
from groundtune.types import EVERYONE, Passage, Reader
from tests.tiny import OLD_NAME, Tiny

pytestmark = OLD_NAME

STAFF = Reader(frozenset({"staff"}))
CONFIG = """[[sources]]
kind = "folder"
path = "docs"
[model]
name = "echo"
[embedder]
name = "{bert}"
[index]
keep = 1
[retrieve]
min_similarity = -1
"""


@pytest.fixture
def project(tiny: Tiny, tmp_path: Path) -> Iterator[Project]:
    """Three documents, one of them for the staff; not indexed yet."""
    docs = tmp_path / "docs"
    docs.mkdir()
    (docs / "lamp.md").write_text("# Lamp\n\nThe lamp costs ten coins.\n")
    (docs / "pump.md").write_text("# Pump\n\nThe pump costs twelve coins.\n")
    (docs / "margins.md").write_text("---\nreaders: [staff]\n---\n# Margins\n\nThe lamp costs us nine coins.\n")
    config = tmp_path / "groundtune.toml"
    config.write_text(CONFIG.format(bert=tiny.bert))
    project = Project(load(config))
    yield project
    project.index.close()


def texts(project: Project, query: str, reader: Reader = EVERYONE, as_of: str | None = None) -> set[str]:
    return {hit.passage.text.splitlines()[-1] for hit in search(project, query, 10, reader, as_of).hits}


def test_a_search_before_any_sync_says_what_to_do(project: Project) -> None:
    with pytest.raises(UserError, match="nothing is indexed yet") as error:
        search(project, "lamp", 5, EVERYONE, None)
    assert error.value.hint == 'run "groundtune sync"'


@pytest.mark.parametrize("query", ["", "  \n"])
def test_an_empty_query_is_refused(project: Project, query: str) -> None:
    with pytest.raises(UserError, match="the query is empty"):
        search(project, query, 5, EVERYONE, None)


def test_a_hit_has_its_place_version_score_and_the_scores_parts(project: Project, tmp_path: Path) -> None:
    before = now()
    stages.bring(project)
    found = search(project, "what does the pump cost", 2, EVERYONE, None)
    said = json.loads(json.dumps(found.to_json()))
    assert said["query"] == "what does the pump cost"
    assert before <= said["knowledge_as_of"] <= now()
    assert len(said["hits"]) == 2
    hit = next(hit for hit in said["hits"] if hit["document"] == "pump.md")
    whole = project.index.documents()["pump.md"]
    assert whole[hit["start"] : hit["end"]] == hit["text"]
    assert hit["version"] == project.index.versions()["pump.md"]
    assert hit["changed"][:10] == now()[:10]
    assert hit["parts"].keys() == {"words", "vectors"}
    assert hit["score"] > 0
    assert f"[1] {found.hits[0].score:.3f} (words " in found.to_text()
    assert found.to_text().endswith(f"2 passages; knowledge as of {found.knowledge_as_of}")


def test_only_what_a_reader_may_read_is_found(project: Project) -> None:
    stages.bring(project)
    assert texts(project, "lamp costs") == {"The lamp costs ten coins.", "The pump costs twelve coins."}
    assert "The lamp costs us nine coins." in texts(project, "lamp costs", STAFF)


def test_an_earlier_state_is_searched_and_its_time_is_named(project: Project, tmp_path: Path) -> None:
    stages.bring(project)
    first = project.index.knowledge_as_of()
    time.sleep(0.005)
    (tmp_path / "docs" / "lamp.md").write_text("# Lamp\n\nThe lamp costs eleven coins now.\n")
    stages.bring(project)
    then = search(project, "lamp", 10, EVERYONE, first)
    assert then.knowledge_as_of == first
    assert "The lamp costs ten coins." in {hit.passage.text.splitlines()[-1] for hit in then.hits}
    assert "The lamp costs eleven coins now." in texts(project, "lamp")
    assert texts(project, "lamp", as_of="2100-01-01") == texts(project, "lamp")
    assert search(project, "lamp", 1, EVERYONE, "2100-01-01").knowledge_as_of == project.index.knowledge_as_of()
    with pytest.raises(UserError, match=r"does not know what it held at 2020-01-01T23:59:59\.999"):
        search(project, "lamp", 1, EVERYONE, "2020-01-01")
    with pytest.raises(UserError, match="is no time"):
        search(project, "lamp", 1, EVERYONE, "yesterday")


def test_the_state_now_is_the_projects_own_index(project: Project) -> None:
    stages.bring(project)
    assert state_of(project, None).index is project.index


def test_what_could_steer_a_terminal_is_not_printed(project: Project, tmp_path: Path) -> None:
    (tmp_path / "docs" / "lamp.md").write_text("The lamp \x1b[2J costs \x07 ten coins.")
    stages.bring(project)
    assert "\x1b" not in search(project, "lamp", 5, EVERYONE, None).to_text()


PASSAGE = Passage(7, "a.pdf", "One.\nTwo.", 3, 12, "A", "Prices > Discounts", 4, "0123456789abcdef", "2026-11-22")


def test_a_place_names_what_is_known_of_it() -> None:
    assert place(PASSAGE) == (
        "a.pdf, Prices > Discounts, page 4, characters 3 to 12, version 01234567 of 2026-11-22"
    )  # fmt: skip
    assert place(replace(PASSAGE, heading="", page=None, version="")) == "a.pdf, characters 3 to 12"


def test_a_long_passage_is_cut_at_a_word() -> None:
    assert indented("One.\nTwo.") == ["    One.", "    Two."]
    (line,) = indented("word " * 100)
    assert len(line) <= SHOWN + 6
    assert line.endswith("word …")
