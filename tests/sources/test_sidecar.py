"""A sidecar says who may read the file beside it, so a slip of the pen leaves the file out."""

import errno
import os
import time
from pathlib import Path
from typing import Any, cast

import pytest
from docx import Document as WordFile
from fpdf import FPDF

from groundtune import parse, plug
from groundtune.errors import UserError
from groundtune.sources._files import PassingError
from groundtune.sources._sidecar import load
from groundtune.types import Document, LeftOut, Source, Unchanged

STAFF = "readers: [staff]\n"


@pytest.fixture
def docs(tmp_path: Path) -> Path:
    """A folder with one good document, and one to say something about."""
    folder = tmp_path / "docs"
    folder.mkdir()
    (folder / "good.md").write_text("# Good\n\nAll is well.\n")
    (folder / "rates.csv").write_text("item,fee\nlamp,3\n")
    return folder


def source(folder: Path, **options: Any) -> Source:
    made = plug.make("sources", "folder", {"path": str(folder), **options}, parse, where="[[sources]]")
    return cast(Source, made)


def read(folder: Path, **options: Any) -> tuple[dict[str, Document], dict[str, LeftOut]]:
    """The documents and what is left out, by id."""
    missed: list[LeftOut] = []
    documents = list(source(folder, **options).documents({}, missed.append))
    assert all(isinstance(document, Document) for document in documents)
    return {one.id: cast(Document, one) for one in documents}, {one.id: one for one in missed}


def reason(folder: Path, **options: Any) -> str:
    """Why rates.csv is left out, for good, and everything else is not."""
    documents, missed = read(folder, **options)
    assert list(documents) == ["good.md"]
    assert not missed["rates.csv"].passing
    return missed["rates.csv"].reason


def pdf(file: Path) -> None:
    made = FPDF()
    made.add_page()
    made.set_font("Helvetica")
    made.cell(text="The lamp costs three.")
    made.output(str(file))


def docx(file: Path) -> None:
    made = WordFile()
    made.add_paragraph("The lamp costs three.")
    made.save(str(file))


def text(file: Path) -> None:
    file.write_text("item,fee\nlamp,3\n")


@pytest.mark.parametrize(
    ("name", "make"),
    [("a.pdf", pdf), ("a.docx", docx), ("a.md", text), ("a.txt", text), ("a.csv", text), ("sub/ä b.v2.csv", text)],
)
def test_a_file_of_any_format_has_what_its_sidecar_says(docs: Path, name: str, make: Any) -> None:
    (docs / name).parent.mkdir(exist_ok=True)
    make(docs / name)
    (docs / f"{name}.meta.yaml").write_text("title: Rates\nreaders: [staff, board]\nowner: Ann\n")
    documents, missed = read(docs)
    assert missed == {}
    assert documents[name].title == "Rates"
    assert documents[name].readers == {"staff", "board"}
    assert documents[name].metadata == {"owner": "Ann"}
    assert documents["good.md"].readers == frozenset()


def test_a_sidecar_adds_to_the_front_matter_and_wins(docs: Path) -> None:
    (docs / "good.md").write_text("---\ntitle: A\nowner: Ann\nkind: rule\nreaders: [staff]\n---\nText.")
    (docs / "good.md.meta.yaml").write_text("title: B\nowner: Bob\n")
    document = read(docs)[0]["good.md"]
    assert document.title == "B"
    assert document.readers == {"staff"}
    assert document.metadata == {"owner": "Bob", "kind": "rule"}


def test_readers_in_both_leave_the_document_out(docs: Path) -> None:
    (docs / "both.md").write_text("---\nreaders: [staff]\n---\nText.")
    (docs / "both.md.meta.yaml").write_text(STAFF)
    left_out = read(docs)[1]["both.md"]
    assert left_out.reason == "it and its sidecar both.md.meta.yaml both name readers; one of them must say it"
    assert not left_out.passing


@pytest.mark.parametrize(
    "said", ["", "readers: staff", "reader: [staff]", "- staff", "readers: [staff", "\x01", "a: *b"]
)
def test_a_malformed_sidecar_leaves_the_document_out_and_is_named(docs: Path, said: str) -> None:
    (docs / "rates.csv.meta.yaml").write_text(said)
    assert reason(docs).startswith("rates.csv.meta.yaml: ")


def test_a_sidecar_that_is_too_large_or_no_file_leaves_the_document_out(docs: Path) -> None:
    sidecar = docs / "rates.csv.meta.yaml"
    sidecar.write_text(STAFF + "#" * 200_000)
    assert reason(docs) == "rates.csv.meta.yaml: 0.2 MB; the most for a sidecar is 0.1"
    sidecar.unlink()
    os.mkfifo(sidecar)
    assert reason(docs) == "rates.csv.meta.yaml: not a file but a pipe or a device"
    sidecar.unlink()
    sidecar.mkdir()
    assert reason(docs) == "rates.csv.meta.yaml: not readable (Is a directory)"


def test_a_sidecar_that_vanishes_while_it_is_read_leaves_the_document_out_for_now(docs: Path) -> None:
    with pytest.raises(PassingError, match=r"rates\.csv\.meta\.yaml: it changed while it was being read"):
        load(docs, "rates.csv.meta.yaml", parse.parse)  # type: ignore[arg-type]


def test_a_sidecar_on_a_disk_in_trouble_leaves_the_document_out_for_now(
    docs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (docs / "rates.csv.meta.yaml").write_text(STAFF)
    really_open = os.open

    def disturbed(path: Any, *arguments: Any, **options: Any) -> int:
        if path == "rates.csv.meta.yaml":
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        return really_open(path, *arguments, **options)

    monkeypatch.setattr(os, "open", disturbed)
    documents, missed = read(docs)
    assert list(documents) == ["good.md"]
    reason = "rates.csv.meta.yaml: not readable (Input/output error)"
    assert missed == {"rates.csv": LeftOut("rates.csv", reason, passing=True)}


def test_a_sidecar_without_its_file_is_named_and_is_no_document(docs: Path) -> None:
    (docs / "gone.pdf.meta.yaml").write_text(STAFF)
    (docs / "sub").mkdir()
    (docs / "sub.meta.yaml").write_text(STAFF)
    documents, missed = read(docs)
    assert list(documents) == ["good.md", "rates.csv"]
    assert {id: one.reason for id, one in missed.items()} == {
        "gone.pdf.meta.yaml": "a sidecar without its file: there is no gone.pdf beside it",
        "sub.meta.yaml": "a sidecar without its file: there is no sub beside it",
    }


@pytest.mark.parametrize(
    "name", ["rates.meta.yaml", "rates.csv.meta.yml", "rates.csv.META.yaml", "Rates.csv.meta.yaml", "RATES.meta.yml"]
)
def test_a_misnamed_sidecar_leaves_the_document_out_unless_it_is_ignored(docs: Path, name: str) -> None:
    (docs / name).write_text(STAFF)
    assert reason(docs) == f"{name} beside it may be its sidecar; call that rates.csv.meta.yaml"
    documents, missed = read(docs, ignore=[name])
    assert list(documents) == ["good.md", "rates.csv"]
    assert missed == {}


@pytest.mark.parametrize(
    "pattern", ["*.yaml", "rates.*.yaml", "/*.meta.yaml", "rates.meta.????", "rates.meta.[y]aml", "**"]
)
def test_a_pattern_for_many_files_lets_no_misnamed_sidecar_go_unseen(docs: Path, pattern: str) -> None:
    (docs / "rates.meta.yaml").write_text(STAFF)
    documents, missed = read(docs, ignore=[pattern, "!good.md", "!rates.csv"])
    assert list(documents) == ["good.md"]
    assert list(missed) == ["rates.csv"]
    assert missed["rates.csv"].reason.startswith("rates.meta.yaml beside it may be its sidecar")


@pytest.mark.parametrize("pattern", ["/sub/rates.meta.yaml", "**/rates.meta.yaml", "s*/rates.meta.yaml"])
def test_a_misnamed_sidecar_in_any_folder_can_be_ignored_by_name(docs: Path, pattern: str) -> None:
    (docs / "sub").mkdir()
    (docs / "rates.csv").rename(docs / "sub" / "rates.csv")
    (docs / "sub" / "rates.meta.yaml").write_text(STAFF)
    assert "sub/rates.csv" in read(docs)[1]
    documents, missed = read(docs, ignore=[pattern])
    assert ("sub/rates.csv" in documents, missed) == (True, {})


@pytest.mark.parametrize("options", [{"include": ["*.csv"]}, {"ignore": ["*.yaml", "good.md"]}])
def test_no_pattern_takes_a_sidecar_away(docs: Path, options: dict[str, Any]) -> None:
    (docs / "rates.csv.meta.yaml").write_text(STAFF)
    documents, missed = read(docs, **options)
    assert {id: one.readers for id, one in documents.items()} == {"rates.csv": {"staff"}}
    assert missed == {}


def test_a_file_whose_name_is_too_long_for_a_sidecar_is_read(docs: Path) -> None:
    (docs / f"{'a' * 252}.md").write_text("words")
    assert len(read(docs)[0]) == 3


# ---------------------------------------------------------------- links


def test_a_sidecar_may_be_a_link_within_the_folder(docs: Path) -> None:
    (docs / ".store").mkdir()
    (docs / ".store" / "said.yaml").write_text(STAFF)
    (docs / "rates.csv.meta.yaml").symlink_to(".store/said.yaml")
    assert read(docs)[0]["rates.csv"].readers == {"staff"}


def test_a_sidecar_that_leads_out_or_nowhere_leaves_the_document_out(docs: Path, tmp_path: Path) -> None:
    sidecar = docs / "rates.csv.meta.yaml"
    (tmp_path / "said.yaml").write_text("readers: [everybody]")
    sidecar.symlink_to(tmp_path / "said.yaml")
    assert reason(docs) == "rates.csv.meta.yaml: a symbolic link that leads out of the folder"
    sidecar.unlink()
    sidecar.symlink_to("nothing")
    assert reason(docs).startswith("rates.csv.meta.yaml: a symbolic link that leads nowhere")


def test_a_linked_file_has_the_sidecar_beside_the_link_or_beside_itself_but_not_two(docs: Path) -> None:
    store = docs / ".store"
    store.mkdir()
    (docs / "rates.csv").rename(store / "real.csv")
    (docs / "rates.csv").symlink_to(".store/real.csv")
    (store / "real.csv.meta.yaml").write_text(STAFF)
    assert read(docs)[0]["rates.csv"].readers == {"staff"}

    (docs / "rates.csv.meta.yaml").symlink_to(".store/real.csv.meta.yaml")  # as containers mount both
    assert read(docs)[0]["rates.csv"].readers == {"staff"}

    (docs / "rates.csv.meta.yaml").unlink()
    (docs / "rates.csv.meta.yaml").write_text("readers: [board]")
    assert reason(docs) == "two sidecars: .store/real.csv.meta.yaml and rates.csv.meta.yaml; keep one"

    (store / "real.csv.meta.yaml").unlink()
    assert read(docs)[0]["rates.csv"].readers == {"board"}


# ---------------------------------------------------------------- what did not change


@pytest.fixture
def later(monkeypatch: pytest.MonkeyPatch) -> None:
    """The clock is an hour ahead: whatever was written was written long ago."""
    real = time.time_ns
    monkeypatch.setattr(time, "time_ns", lambda: real() + 3600 * 10**9)


def again(folder: Path, known: dict[str, Document]) -> list[Document | Unchanged]:
    return list(source(folder).documents({id: one.stamp for id, one in known.items()}, print))


@pytest.mark.usefixtures("later")
@pytest.mark.parametrize("linked", [False, True])
def test_a_document_changes_when_its_sidecar_comes_changes_or_goes(docs: Path, linked: bool) -> None:
    sidecar = docs / "rates.csv.meta.yaml"
    if linked:
        (docs / "rates.csv").rename(docs / ".rates.csv")
        (docs / "rates.csv").symlink_to(".rates.csv")
        sidecar = docs / ".rates.csv.meta.yaml"
    for said in ("readers: [staff]", "readers: [board]", "title: Rates", None):
        known = read(docs)[0]
        assert again(docs, known) == [Unchanged("good.md"), Unchanged("rates.csv")]
        if said is None:
            sidecar.unlink()
        else:
            sidecar.with_name(".new").write_text(said)
            sidecar.with_name(".new").rename(sidecar)
        [good, rates] = again(docs, known)
        assert good == Unchanged("good.md")
        assert isinstance(rates, Document)
        assert rates == read(docs)[0]["rates.csv"]
        assert rates != known["rates.csv"]


@pytest.mark.usefixtures("later")
def test_a_sidecar_that_goes_wrong_takes_a_known_document_away(docs: Path) -> None:
    known = {id: one.stamp for id, one in read(docs)[0].items()}
    (docs / "rates.meta.yaml").write_text(STAFF)
    missed: list[LeftOut] = []
    assert list(source(docs).documents(known, missed.append)) == [Unchanged("good.md")]
    assert [(one.id, one.passing) for one in missed] == [("rates.meta.yaml", False), ("rates.csv", False)]


def test_a_parser_gets_the_bytes_of_a_sidecar_and_may_refuse_them(docs: Path) -> None:
    (docs / "rates.csv.meta.yaml").write_text(STAFF)

    def refuse(data: bytes) -> None:
        raise UserError(f"I do not like {data.decode().strip()}")

    with pytest.raises(UserError, match=r"rates\.csv\.meta\.yaml: I do not like readers: \[staff\]"):
        load(docs, "rates.csv.meta.yaml", refuse)
