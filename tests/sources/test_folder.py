"""A folder as it is found in life: one bad file never stops the others, and nothing outside is read."""

import hashlib
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from groundtune import parse, plug
from groundtune.errors import UserError
from groundtune.types import Document, LeftOut


@pytest.fixture
def docs(tmp_path: Path) -> Path:
    """A folder with one good document."""
    folder = tmp_path / "docs"
    folder.mkdir()
    (folder / "good.md").write_text("# Good\n\nAll is well.\n")
    return folder


def read(folder: Path, **options: Any) -> tuple[list[Document], dict[str, str]]:
    """What a run over the folder gives: documents, and the reason for each that was left out."""
    source = plug.make("sources", "folder", {"path": str(folder), **options}, parse, where="[[sources]]")
    missed: list[LeftOut] = []
    return list(source.documents(missed.append)), {one.id: one.reason for one in missed}


def ids(folder: Path, **options: Any) -> list[str]:
    documents, missed = read(folder, **options)
    assert missed == {}
    return [document.id for document in documents]


def test_a_document_has_its_path_digest_time_and_what_is_in_it(docs: Path) -> None:
    file = docs / "policies" / "returns.md"
    file.parent.mkdir()
    file.write_bytes(b"---\nreaders: [staff]\nowner: Ann\n---\n# Returns\n")
    os.utime(file, (1_700_000_000, 1_700_000_000))
    document = read(docs)[0][1]
    assert document.id == "policies/returns.md"
    assert (document.title, document.text) == ("Returns", "# Returns\n")
    assert document.digest == hashlib.sha256(file.read_bytes()).hexdigest()[:16]
    assert document.version == "2023-11-14T22:13:20+00:00"
    assert document.readers == {"staff"}
    assert document.metadata == {"owner": "Ann"}
    assert [section.heading for section in document.sections] == ["Returns"]


def test_documents_come_sorted_by_path(docs: Path) -> None:
    for name in ("z.txt", "b/a.txt", "a.txt", "b.txt"):
        (docs / name).parent.mkdir(exist_ok=True)
        (docs / name).write_text("words")
    assert ids(docs) == ["a.txt", "b.txt", "b/a.txt", "good.md", "z.txt"]


def test_hidden_and_ignored_ones_are_passed_over_silently(docs: Path) -> None:
    for name in (".git/a.md", ".hidden.md", "node_modules/x/readme.md", "~$letter.docx", "sub/.venv/b.md"):
        (docs / name).parent.mkdir(exist_ok=True, parents=True)
        (docs / name).write_text("words")
    assert ids(docs) == ["good.md"]


def test_include_and_ignore_are_patterns_as_in_gitignore(docs: Path) -> None:
    for name in ("a.txt", "drafts/b.md", "policies/c.md", "policies/old/d.md"):
        (docs / name).parent.mkdir(exist_ok=True, parents=True)
        (docs / name).write_text("words")
    assert ids(docs, include=["*.md"], ignore=["drafts/"]) == ["good.md", "policies/c.md", "policies/old/d.md"]
    assert ids(docs, include=["policies/*.md"]) == ["policies/c.md"]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"include": ["!"]}, r"\[\[sources\]\] include = \['!'\]"),
        ({"include": "*.md"}, "include = '\\*.md'"),
        ({"max_megabytes": "two"}, "max_megabytes = 'two'"),
        ({"max_megabytes": 0}, "max_megabytes = 0"),
        ({"paths": "x"}, "paths is unknown .*one of: path, include, ignore, max_megabytes"),
    ],
)
def test_a_wrong_option_is_named(docs: Path, options: dict[str, Any], message: str) -> None:
    with pytest.raises(UserError, match=message):
        read(docs, **options)


def test_an_empty_folder_says_what_it_takes(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no readable document in") as raised:
        read(tmp_path)
    assert ".docx" in raised.value.hint


def test_a_folder_with_nothing_readable_says_why(tmp_path: Path) -> None:
    (tmp_path / "a.xyz").write_text("words")
    with pytest.raises(
        UserError, match=r"no readable document in .*; 1 left out, the first: a.xyz: unknown format .xyz"
    ):
        read(tmp_path)


@pytest.mark.parametrize("name", ["nowhere", "good.md"])
def test_a_path_that_is_no_folder_is_an_error(docs: Path, name: str) -> None:
    with pytest.raises(UserError, match=f"{name}: not a folder that can be read"):
        read(docs / name)


def test_one_bad_file_never_stops_the_others(docs: Path) -> None:
    (docs / "photo.jpg").write_bytes(b"\xff\xd8\xff")
    (docs / "a.pdf").write_bytes(b"%PDF-1.7\n")
    (docs / "binary.txt").write_bytes(b"\x00\x01\x02")
    (docs / "broken.docx").write_bytes(b"PK\x03\x04")
    (docs / "empty.md").write_bytes(b"")
    (docs / "staff.md").write_text("---\nreaders: staff\n---\nSecret.")
    (docs / "z.txt").write_text("The last one.")
    documents, missed = read(docs)
    assert [document.id for document in documents] == ["good.md", "z.txt"]
    assert missed["photo.jpg"] == "unknown format .jpg"
    assert missed["a.pdf"] == "not readable as PDF (the file is truncated)"
    assert missed["binary.txt"].startswith("not readable as text (a binary file")
    assert missed["broken.docx"].startswith("not readable as DOCX (")
    assert missed["empty.md"] == "it holds no text"
    assert "readers must be a list" in missed["staff.md"]


def test_a_file_over_the_limit_is_left_out_unread(docs: Path) -> None:
    with (docs / "huge.txt").open("wb") as file:
        file.truncate(50_000_000)  # sparse: a line of 50 MB
    assert read(docs)[1] == {"huge.txt": "50.0 MB; max_megabytes is 20"}


class Meddling:
    """The real parser, and somebody who does something to the folder just before a file is opened."""

    def __init__(self, meddle: Callable[[str], None]) -> None:
        self.meddle = meddle

    def __getattr__(self, name: str) -> Any:
        return getattr(parse, name)

    def recognise(self, name: str) -> object:
        self.meddle(name)
        return parse.recognise(name)


def read_meddled(folder: Path, meddle: Callable[[str], None]) -> dict[str, str]:
    source = plug.make("sources", "folder", {"path": str(folder)}, Meddling(meddle), where="[[sources]]")
    missed: list[LeftOut] = []
    assert [document.id for document in source.documents(missed.append)] == ["good.md"]
    return {one.id: one.reason for one in missed}


def test_a_file_that_vanishes_is_left_out(docs: Path) -> None:
    gone = docs / "gone.md"
    gone.write_text("words")

    def withdraw(name: str) -> None:
        if name == "gone.md":
            gone.unlink()

    assert read_meddled(docs, withdraw) == {"gone.md": "it vanished while the folder was being read"}


def test_a_file_that_becomes_a_link_to_a_secret_is_not_followed(docs: Path, tmp_path: Path) -> None:
    secret, file = tmp_path / "secret.md", docs / "swapped.md"
    secret.write_text("Secret.")
    file.write_text("words")

    def swap(name: str) -> None:
        if name == "swapped.md":
            file.unlink()
            file.symlink_to(secret)

    assert read_meddled(docs, swap)["swapped.md"].startswith("not readable (")


def test_a_file_that_changes_while_it_is_read_is_left_out(docs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = docs / "growing.md"
    file.write_text("words")
    looked = []
    fstat = os.fstat

    def grow_after_the_first_look(descriptor: int) -> os.stat_result:
        found = fstat(descriptor)
        if found.st_ino == file.stat().st_ino:
            looked.append(found)
            file.write_text(f"words and more {len(looked)}")
        return found

    monkeypatch.setattr(os, "fstat", grow_after_the_first_look)
    documents, missed = read(docs)
    assert [document.id for document in documents] == ["good.md"]
    assert missed == {"growing.md": "it changed while it was being read; run again"}


def test_a_loop_of_links_ends_and_is_named(docs: Path) -> None:
    (docs / "sub").mkdir()
    (docs / "sub" / "up").symlink_to(docs)
    (docs / "a.md").symlink_to(docs / "b.md")
    (docs / "b.md").symlink_to(docs / "a.md")
    (docs / "dead.md").symlink_to(docs / "nothing.md")
    documents, missed = read(docs)
    assert [document.id for document in documents] == ["good.md"]
    assert missed["sub/up"].startswith("a symbolic link to a folder")
    for id in ("a.md", "b.md", "dead.md"):
        assert missed[id].startswith("a symbolic link that leads nowhere")


def test_a_link_that_leads_outside_is_left_out_and_named(docs: Path, tmp_path: Path) -> None:
    (tmp_path / "secret.md").write_text("Secret.")
    (docs / "link.md").symlink_to(tmp_path / "secret.md")
    (docs / "folder").symlink_to(tmp_path)
    assert read(docs)[1] == {
        "folder": "a symbolic link that leads out of the folder",
        "link.md": "a symbolic link that leads out of the folder",
    }


def test_a_link_within_the_folder_is_read_unless_its_target_is(docs: Path) -> None:
    (docs / "twin.md").symlink_to("good.md")
    (docs / ".store").mkdir()
    (docs / ".store" / "mounted.md").write_text("As containers mount their files.")
    (docs / "mounted.md").symlink_to(".store/mounted.md")
    documents, missed = read(docs)
    assert [document.id for document in documents] == ["good.md", "mounted.md"]
    assert missed == {"twin.md": "a symbolic link to good.md, which is read already"}


def test_a_folder_that_is_itself_a_link_is_read(docs: Path, tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(docs)
    assert ids(tmp_path / "link") == ["good.md"]


def test_a_named_pipe_does_not_stop_the_line(docs: Path) -> None:
    os.mkfifo(docs / "pipe.md")
    assert read(docs)[1] == {"pipe.md": "not a file but a pipe or a device"}


def test_a_name_that_is_not_utf8_is_left_out_and_printable(docs: Path) -> None:
    (Path(os.fsdecode(os.fsencode(docs) + b"/caf\xe9.md"))).write_text("words")
    assert read(docs)[1] == {"caf\\udce9.md": "its name is not UTF-8; rename it"}


@pytest.fixture
def without_privileges() -> Iterator[Path]:
    """A folder that anybody may enter, seen by a user for whom permissions count (not root)."""
    folder = Path(tempfile.mkdtemp())
    folder.chmod(0o755)
    (folder / "good.txt").write_text("words")
    read(folder)  # whatever has to be imported is, before the switch
    root = os.geteuid() == 0
    yield folder
    if root:
        os.seteuid(0)
    for entry in folder.iterdir():
        entry.chmod(0o700)
    shutil.rmtree(folder)


def test_a_file_or_folder_that_may_not_be_read_is_left_out(without_privileges: Path) -> None:
    folder = without_privileges
    (folder / "locked.txt").write_text("words")
    (folder / "locked.txt").chmod(0)
    (folder / "closed").mkdir(mode=0)
    if os.geteuid() == 0:
        os.seteuid(65534)
    documents, missed = read(folder)
    assert [document.id for document in documents] == ["good.txt"]
    assert missed == {"closed/": "not readable (Permission denied)", "locked.txt": "not readable (Permission denied)"}
