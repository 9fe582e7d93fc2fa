"""A folder as it is found in life: one bad file never stops the others, and nothing outside is read."""

import errno
import os
import shutil
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any, cast

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from groundtune import parse, plug
from groundtune.errors import UserError
from groundtune.sources import _walk
from groundtune.sources.folder import _time
from groundtune.types import Document, LeftOut, Source, Unchanged


@pytest.fixture
def docs(tmp_path: Path) -> Path:
    """A folder with one good document."""
    folder = tmp_path / "docs"
    folder.mkdir()
    (folder / "good.md").write_text("# Good\n\nAll is well.\n")
    return folder


def read(folder: Path, **options: Any) -> tuple[list[Document], dict[str, str]]:
    """What a run over the folder gives: documents, and the reason for each that was left out."""
    missed: list[LeftOut] = []
    documents = list(source(folder, **options).documents({}, missed.append))
    assert all(isinstance(document, Document) for document in documents)
    return cast("list[Document]", documents), {one.id: one.reason for one in missed}


def source(folder: Path, parser: Any = parse, **options: Any) -> Source:
    made = plug.make("sources", "folder", {"path": str(folder), **options}, parser, where="[[sources]]")
    return cast(Source, made)


def names(documents: Iterable[Document | Unchanged]) -> list[str]:
    """What a source gave, in order: the ids, with a + before those that it read."""
    return [("+" if isinstance(one, Document) else "") + one.id for one in documents]


def ids(folder: Path, **options: Any) -> list[str]:
    documents, missed = read(folder, **options)
    assert missed == {}
    return [document.id for document in documents]


def test_a_document_has_its_path_time_and_what_is_in_it(docs: Path) -> None:
    file = docs / "policies" / "returns.md"
    file.parent.mkdir()
    file.write_bytes(b"---\nreaders: [staff]\nowner: Ann\n---\n# Returns\n")
    os.utime(file, (1_700_000_000, 1_700_000_000))
    document = read(docs)[0][1]
    assert document.id == "policies/returns.md"
    assert (document.title, document.text) == ("Returns", "# Returns\n")
    assert document.changed == "2023-11-14T22:13:20+00:00"
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
        ({"paths": "x"}, "paths is unknown .*one of: path, include, ignore, max_megabytes, prefix"),
        ({"prefix": "a/"}, "prefix = 'a/'"),
        ({"prefix": "a b"}, "prefix = 'a b'"),
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


def read_meddled(folder: Path, meddle: Callable[[str], None]) -> dict[str, LeftOut]:
    missed: list[LeftOut] = []
    assert names(source(folder, Meddling(meddle)).documents({}, missed.append)) == ["+good.md"]
    return {one.id: one for one in missed}


def test_a_file_that_vanishes_is_left_out_for_good(docs: Path) -> None:
    gone = docs / "gone.md"
    gone.write_text("words")

    def withdraw(name: str) -> None:
        if name == "gone.md":
            gone.unlink()

    assert read_meddled(docs, withdraw) == {
        "gone.md": LeftOut("gone.md", "it vanished while the folder was being read")
    }


def test_a_file_that_becomes_a_link_to_a_secret_is_not_followed(docs: Path, tmp_path: Path) -> None:
    secret, file = tmp_path / "secret.md", docs / "swapped.md"
    secret.write_text("Secret.")
    file.write_text("words")

    def swap(name: str) -> None:
        if name == "swapped.md":
            file.unlink()
            file.symlink_to(secret)

    left_out = read_meddled(docs, swap)["swapped.md"]
    assert left_out.reason.startswith("not readable (")
    assert not left_out.passing


def test_a_folder_that_becomes_a_link_is_not_followed(docs: Path, tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "a.md").write_text("Secret.")
    (docs / "sub").mkdir()
    (docs / "sub" / "a.md").write_text("words")

    def swap(name: str) -> None:
        if name == "sub/a.md":
            (docs / "sub").rename(docs / ".sub")
            (docs / "sub").symlink_to(tmp_path / "elsewhere")

    assert list(read_meddled(docs, swap)) == ["sub/a.md"]


@pytest.mark.parametrize("written", ["words and more", "WORDS"])
def test_a_file_that_changes_while_it_is_read_is_left_out_for_now(
    docs: Path, monkeypatch: pytest.MonkeyPatch, written: str
) -> None:
    file = docs / "changing.md"
    file.write_text("words")
    tick(docs)
    fstat = os.fstat

    def change_after_the_first_look(descriptor: int) -> os.stat_result:
        found = fstat(descriptor)
        if found.st_ino == file.stat().st_ino and file.read_text() == "words":
            file.write_text(written)
        return found

    monkeypatch.setattr(os, "fstat", change_after_the_first_look)
    missed: list[LeftOut] = []
    assert names(source(docs).documents({}, missed.append)) == ["+good.md"]
    assert missed == [LeftOut("changing.md", "it changed while it was being read; run again", passing=True)]


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


def test_a_file_or_folder_that_may_not_be_read_is_left_out_for_good(without_privileges: Path) -> None:
    folder = without_privileges
    (folder / "locked.txt").write_text("words")
    (folder / "locked.txt").chmod(0)
    (folder / "closed").mkdir(mode=0)
    if os.geteuid() == 0:
        os.seteuid(65534)
    missed: list[LeftOut] = []
    known = {"closed/a.txt": "some stamp", "locked.txt": "some stamp"}
    assert names(source(folder).documents(known, missed.append)) == ["+good.txt"]
    assert missed == [
        LeftOut("closed/", "not readable (Permission denied)"),
        LeftOut("locked.txt", "not readable (Permission denied)"),
    ]


# ---------------------------------------------------------------- what did not change is not read again


@pytest.fixture
def later(monkeypatch: pytest.MonkeyPatch) -> None:
    """The clock is an hour ahead: whatever was written was written long ago."""
    real = time.time_ns
    monkeypatch.setattr(time, "time_ns", lambda: real() + 3600 * 10**9)


def stamps(folder: Path, **options: Any) -> dict[str, str]:
    """What an index would know after reading the folder."""
    return {document.id: document.stamp for document in read(folder, **options)[0]}


def again(folder: Path, known: dict[str, str], **options: Any) -> list[str]:
    """What a second run gives that knows what the first one gave; nothing may be left out."""
    missed: list[LeftOut] = []
    given = names(source(folder, **options).documents(known, missed.append))
    assert missed == []
    return given


def tick(folder: Path) -> None:
    """Waits until the clock of the file system has moved on."""
    probe = folder / ".probe"
    probe.touch()
    began = probe.stat().st_ctime_ns
    while probe.stat().st_ctime_ns == began:
        probe.touch()


def test_the_folder_says_where_to_watch(docs: Path) -> None:
    assert vars(source(docs))["watched"] == docs


@pytest.mark.usefixtures("later")
def test_a_file_with_the_known_stamp_is_not_even_opened(docs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (docs / "sub").mkdir()
    (docs / "sub" / "a.md").write_text("words")
    known = stamps(docs)

    def no_open(*arguments: Any, **options: Any) -> int:
        raise AssertionError("opened")

    monkeypatch.setattr(os, "open", no_open)
    assert again(docs, known) == ["good.md", "sub/a.md"]


@pytest.mark.usefixtures("later")
def test_what_is_new_changed_or_renamed_is_read_and_what_is_gone_is_not_named(docs: Path) -> None:
    for name in ("changed.md", "gone.md", "old.md"):
        (docs / name).write_text("words")
    known = stamps(docs)
    tick(docs)
    (docs / "changed.md").write_text("other")
    (docs / "gone.md").unlink()
    (docs / "old.md").rename(docs / "renamed.md")
    (docs / "new.md").write_text("words")
    assert again(docs, known) == ["+changed.md", "good.md", "+new.md", "+renamed.md"]


@pytest.mark.usefixtures("later")
def test_a_change_is_seen_although_size_and_time_are_set_as_before(docs: Path) -> None:
    file, before = docs / "good.md", (docs / "good.md").stat()
    known = stamps(docs)
    tick(docs)
    file.write_text(file.read_text().upper())
    os.utime(file, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert file.stat().st_size == before.st_size
    assert again(docs, known) == ["+good.md"]


def test_a_change_within_one_tick_of_the_clock_is_seen(docs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def state_in_seconds(found: os.stat_result) -> str:
        """As a file system with a coarse clock tells it; that of a new Linux is too fine to be outrun."""
        return f"{int(found.st_mtime)}.{int(found.st_ctime)}.{found.st_size}.{found.st_ino}"

    monkeypatch.setattr(_walk, "state", state_in_seconds)
    known: list[str] = []
    for number in range(10, 30):
        (docs / "good.md").write_text(f"number {number}")
        os.utime(docs / "good.md", (0, 0))  # which a write's own time is not misled by
        [document] = source(docs).documents({"good.md": known[-1]} if known else {}, print)
        assert isinstance(document, Document)
        assert document.text == f"number {number}"
        known.append(document.stamp)
    assert len(set(known)) < len(known), "no two writes fell within one tick"


def test_a_file_read_right_after_its_change_is_read_once_more(docs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real, ahead = time.time_ns, [0]
    monkeypatch.setattr(time, "time_ns", lambda: real() + ahead[0])
    known = stamps(docs)
    assert again(docs, known) == ["+good.md"]
    ahead[0] = 3 * 10**9
    assert again(docs, known) == ["+good.md"]
    known = stamps(docs)
    assert again(docs, known) == ["good.md"]


@pytest.mark.usefixtures("later")
def test_other_options_have_every_file_looked_at_anew(docs: Path) -> None:
    (docs / "a.txt").write_text("words " * 1000)
    known = stamps(docs)
    assert again(docs, known, ignore=["*.txt"]) == ["+good.md"]
    assert again(docs, known, include=["*.txt"]) == ["+a.txt"]
    missed: list[LeftOut] = []
    assert names(source(docs, max_megabytes=0.001).documents(known, missed.append)) == ["+good.md"]
    assert [(one.id, one.passing) for one in missed] == [("a.txt", False)]


@pytest.mark.usefixtures("later")
def test_a_stamp_that_says_nothing_any_more_is_no_files(docs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert again(docs, {"good.md": ""}) == ["+good.md"]

    def fail(*_: object) -> str:
        raise OSError(errno.EIO, "broken")

    monkeypatch.setattr(_walk.Rules, "stamp", fail)
    missed: list[LeftOut] = []
    assert list(source(docs).documents({"good.md": ""}, missed.append)) == []
    assert [(one.id, one.passing) for one in missed] == [("good.md", True)]


@pytest.mark.usefixtures("later")
def test_a_prefix_stands_before_every_id(docs: Path) -> None:
    (docs / "sub").mkdir()
    (docs / "sub" / "a.md").write_text("words")
    (docs / "photo.jpg").write_bytes(b"x")
    documents, missed = read(docs, prefix="hand/book", ignore=["/good.md"])
    assert [one.id for one in documents] == ["hand/book/sub/a.md"]
    assert list(missed) == ["hand/book/photo.jpg"]
    (docs / "photo.jpg").unlink()
    known = stamps(docs, prefix="hand/book")
    assert again(docs, known, prefix="hand/book") == ["hand/book/good.md", "hand/book/sub/a.md"]
    assert again(docs, known) == ["+good.md", "+sub/a.md"]
    assert again(docs, known, prefix="hand") == ["+hand/good.md", "+hand/sub/a.md"]


@pytest.mark.usefixtures("later")
def test_a_link_is_known_by_what_it_leads_to(docs: Path) -> None:
    (docs / ".store").mkdir()
    (docs / ".store" / "mounted.md").write_text("words")
    (docs / "mounted.md").symlink_to(".store/mounted.md")
    known = stamps(docs)
    assert again(docs, known) == ["good.md", "mounted.md"]
    tick(docs)
    (docs / ".store" / "mounted.md").write_text("other")
    assert again(docs, known) == ["good.md", "+mounted.md"]


def test_a_known_document_that_can_no_longer_be_read_goes_although_it_is_the_only_one(docs: Path) -> None:
    known = stamps(docs)
    (docs / "good.md").write_text("---\nreaders: staff\n---\nSecret.")
    missed: list[LeftOut] = []
    assert list(source(docs).documents(known, missed.append)) == []
    assert [(one.id, one.passing) for one in missed] == [("good.md", False)]
    with pytest.raises(UserError, match="no readable document"):
        read(docs)


def test_a_folder_that_was_emptied_is_an_error_and_loses_nothing(docs: Path) -> None:
    known = stamps(docs)
    (docs / "good.md").unlink()
    with pytest.raises(UserError, match="no readable document"):
        list(source(docs).documents(known, print))


@pytest.mark.parametrize(("number", "passing"), [(errno.EIO, True), (errno.ESTALE, True), (errno.ENOTSUP, False)])
def test_what_a_folder_held_stays_known_while_it_cannot_be_listed(
    docs: Path, monkeypatch: pytest.MonkeyPatch, number: int, passing: bool
) -> None:
    for name in ("sub/a.md", "sub/deep/b.md", "subway.md"):
        (docs / name).parent.mkdir(exist_ok=True)
        (docs / name).write_text("words")
    known = stamps(docs) | {"sub/ignored.txt": "a stamp"}
    scandir = os.scandir

    def disturbed(path: Path) -> Any:
        if path == docs / "sub":
            raise OSError(number, os.strerror(number))
        return scandir(path)

    monkeypatch.setattr(os, "scandir", disturbed)
    missed: list[LeftOut] = []
    assert names(source(docs, ignore=["*.txt"]).documents(known, missed.append)) == ["+good.md", "+subway.md"]
    below = ["sub/a.md", "sub/deep/b.md"] if passing else []
    reason = f"not readable ({os.strerror(number)})"
    assert missed == [LeftOut(id, reason, passing) for id in ["sub/", *below]]


def test_a_file_on_a_disk_in_trouble_stays_known(docs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    really_open = os.open

    def disturbed(path: Any, *arguments: Any, **options: Any) -> int:
        if path == "good.md":
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        return really_open(path, *arguments, **options)

    monkeypatch.setattr(os, "open", disturbed)
    missed: list[LeftOut] = []
    assert list(source(docs).documents({"good.md": "another stamp"}, missed.append)) == []
    assert missed == [LeftOut("good.md", "not readable (Input/output error)", passing=True)]


def test_a_time_that_is_no_date_is_not_known() -> None:
    assert _time(os.stat_result([0] * 8 + [10**12, 0])) == ""


# ---------------------------------------------------------------- any edits


TEXTS = ["one", "two", "---\nreaders: [staff]\n---\nthree", "---\nreaders: staff\n---\nfour", ""]
SIDECARS = ["readers: [staff]", "readers: [board]", "title: Five", "readers:", ""]
PLACES = ["a.md", "b.md", "sub/a.md", "sub/b.md"]
EDITS = st.one_of(
    st.tuples(st.just("write"), st.sampled_from(PLACES), st.sampled_from(TEXTS)),
    st.tuples(st.just("write"), st.sampled_from([f"{place}.meta.yaml" for place in PLACES]), st.sampled_from(SIDECARS)),
    st.tuples(st.just("remove"), st.sampled_from([*PLACES, *(f"{place}.meta.yaml" for place in PLACES)]), st.just("")),
    st.tuples(st.just("rename"), st.sampled_from(PLACES), st.sampled_from([*PLACES, "b.md.meta.yaml", ".hidden.md"])),
    st.tuples(st.just("link"), st.sampled_from(PLACES), st.sampled_from([".hidden.md", "a.md", "../outside.md"])),
    st.tuples(st.just("keep time"), st.sampled_from(PLACES), st.sampled_from(TEXTS)),
)


def edit(folder: Path, what: str, place: str, how: str) -> None:
    file = folder / place
    if what in ("write", "link"):
        file.unlink(missing_ok=True)
    if what == "write":
        file.write_text(how)
    elif what == "remove":
        file.unlink(missing_ok=True)
    elif what == "rename" and file.exists():
        file.rename(folder / how)
    elif what == "link":
        file.symlink_to(folder / how)
    elif what == "keep time" and file.exists():
        before = file.stat()
        file.write_text(how)
        os.utime(file, ns=(before.st_atime_ns, before.st_mtime_ns))


def content(document: Document) -> tuple[Any, ...]:
    return document.text, document.title, document.readers, document.changed, dict(document.metadata)


@settings(max_examples=40, deadline=None)
@given(steps=st.lists(st.tuples(st.lists(EDITS, max_size=3), st.booleans()), min_size=2, max_size=6))
def test_whatever_is_edited_reading_what_changed_gives_what_reading_everything_gives(
    steps: list[tuple[list[tuple[str, str, str]], bool]],
) -> None:
    with tempfile.TemporaryDirectory() as temporary, pytest.MonkeyPatch.context() as patched:
        folder, ahead, real = Path(temporary) / "docs", [0], time.time_ns
        patched.setattr(time, "time_ns", lambda: real() + ahead[0])
        (folder / "sub").mkdir(parents=True)
        (folder / "good.md").write_text("always there")
        (folder.parent / "outside.md").write_text("Secret.")
        index: dict[str, Document] = {}
        for edits, long_ago in steps:
            for one in edits:
                edit(folder, *one)
            ahead[0] = 3600 * 10**9 if long_ago else 0
            missed: list[LeftOut] = []
            known = {id: document.stamp for id, document in index.items()}
            given = {one.id: one for one in source(folder).documents(known, missed.append)}
            index = {id: one if isinstance(one, Document) else index[id] for id, one in given.items()}
            documents, reasons = read(folder)
            assert {id: content(one) for id, one in index.items()} == {one.id: content(one) for one in documents}
            assert {one.id: one.reason for one in missed} == reasons
            assert not any(one.passing for one in missed)
            assert "Secret." not in {one.text for one in documents}
            if long_ago:
                tick(folder)  # or what was said to be long ago was just now
