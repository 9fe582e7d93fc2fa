"""While `watch` runs, what is saved is found, what is deleted is gone, and nothing that goes wrong ends it."""

import os
import shutil
import signal
import sqlite3
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from groundtune import cli, stages, watching
from groundtune.config import load
from groundtune.errors import UserError
from groundtune.index.sync import Summary
from groundtune.project import Project
from groundtune.stages.data import rebuilt
from groundtune.types import EVERYONE, Document, LeftOut, Unchanged
from tests.processes import send, start, wait
from tests.said import Said
from tests.tiny import OLD_NAME, Tiny

pytestmark = [OLD_NAME, pytest.mark.slow]

DOCS = '[[sources]]\nkind = "folder"\npath = "docs"\n'
MORE = '[[sources]]\nkind = "folder"\nname = "more"\npath = "more"\n'
SOON = 10.0  # seconds; a save is mostly found within one, but machines are busy


class Shop:
    """A project with documents in a folder, and a reader's view of its index."""

    def __init__(self, folder: Path, tiny: Tiny, sources: str = DOCS) -> None:
        self.folder = folder
        self.docs = folder / "docs"
        self.docs.mkdir(parents=True)
        (self.docs / "lamp.md").write_text("# Lamp\n\nThe lamp costs ten coins.\n")
        self.config = folder / "groundtune.toml"
        self.config.write_text(f'{sources}[model]\nname = "echo"\n[embedder]\nname = "{tiny.bert}"\n')
        self.said = Said()
        self.reading = Project(load(self.config))

    def found(self, word: str) -> set[str]:
        """The documents that hold a word, as another process sees them."""
        index = self.reading.index
        return {
            passage.document for passage in index.passages([id for id, _ in index.search_words(word, 50, EVERYONE)])
        }

    def save(self, name: str, text: str) -> None:
        (self.docs / name).write_text(text)

    @contextmanager
    def watched(self) -> Iterator[None]:
        """`watch` at work in a thread, from its first sync on."""
        ended, failed = threading.Event(), []

        def work() -> None:
            try:
                watching.watch(Project(load(self.config), self.said), ended.is_set)
            except BaseException as error:  # noqa: BLE001 (the test shows it)
                failed.append(error)

        thread = threading.Thread(target=work)
        thread.start()
        try:
            soon(lambda: bool(failed) or bool(self.reading.index.knowledge_as_of()), 60)
            assert failed == []
            yield
        finally:
            ended.set()
            thread.join(30)
        assert failed == []


def soon(what: Callable[[], bool], seconds: float = SOON) -> None:
    end = time.monotonic() + seconds
    while not what():
        assert time.monotonic() < end, "it did not happen"
        time.sleep(0.02)


@pytest.fixture
def shop(tiny: Tiny, tmp_path: Path) -> Iterator[Shop]:
    shop = Shop(tmp_path / "shop", tiny)
    yield shop
    shop.reading.index.close()


def test_what_is_saved_is_found_and_what_is_deleted_is_gone(shop: Shop) -> None:
    with shop.watched():
        assert shop.found("coins") == {"lamp.md"}

        shop.save("pump.md", "# Pump\n\nThe pump costs twelve coins.\n")
        soon(lambda: shop.found("coins") == {"lamp.md", "pump.md"})

        shop.save("pump.md", "# Pump\n\nThe pump costs thirteen coins.\n")
        soon(lambda: shop.found("thirteen") == {"pump.md"})
        assert shop.found("twelve") == set()
        soon(lambda: "1 changed (pump.md)" in shop.said)

        before = len(shop.said.sentences)
        (shop.docs / "deep" / "deeper").mkdir(parents=True)
        (shop.docs / "pump.md").rename(shop.docs / "deep" / "deeper" / "pump.md")
        soon(lambda: shop.found("thirteen") == {"deep/deeper/pump.md"})
        soon(lambda: "1 removed (pump.md)" in shop.said)
        since = [sentence for sentence in shop.said.sentences[before:] if "embedded" in sentence]
        assert any("1 added (deep/deeper/pump.md)" in sentence for sentence in since)  # at once, or one after the other
        assert all("; 0 passages embedded" in sentence for sentence in since)

        (shop.docs / "lamp.md").unlink()
        soon(lambda: shop.found("coins") == {"deep/deeper/pump.md"})

        shutil.rmtree(shop.docs / "deep")
        shop.save("seed.md", "# Seed\n\nA seed costs one coin.\n")
        soon(lambda: shop.found("seed") == {"seed.md"} and shop.found("coins") == {"seed.md"})


class Slow:
    """A source that takes its time, and fails at the second look."""

    looks = 0

    def documents(
        self, known: Mapping[str, str], left_out: Callable[[LeftOut], None]
    ) -> Iterator[Document | Unchanged]:
        Slow.looks += 1
        time.sleep(3)
        if Slow.looks == 2:
            raise UserError("the server is down")
        left_out(LeftOut("slow/b", "it is no text"))
        yield Document("slow/a", "A slow page.", "", "1", "2026-11-22")


def slow(parser: object) -> Slow:
    return Slow()


def test_a_slow_source_holds_up_no_saved_file_and_what_it_leaves_out_is_said_once(tiny: Tiny, tmp_path: Path) -> None:
    Slow.looks = 0
    table = f'[[sources]]\nkind = "{__name__}:slow"\nname = "slow"\nevery = "0.1s"\n'
    shop = Shop(tmp_path / "shop", tiny, DOCS + table)
    with shop.watched():
        began = time.monotonic()
        shop.save("pump.md", "# Pump\n\nThe pump costs twelve coins.\n")
        soon(lambda: shop.found("pump") == {"pump.md"})
        assert time.monotonic() - began < 3 or shop.found("page") == set()
        soon(lambda: shop.found("page") == {"slow/a"}, 60)
        soon(lambda: "slow: the server is down" in shop.said, 60)
        assert shop.found("page") == {"slow/a"}
        soon(lambda: Slow.looks >= 4, 60)
    assert len([said for said in shop.said.sentences if "left out: slow/b: it is no text" in said]) == 1
    shop.reading.index.close()


def over_it(path: Path, text: str) -> None:
    path.write_text(text)


def renamed_onto_it(path: Path, text: str) -> None:
    beside = path.with_name(f".{path.name}.swp")
    beside.write_text(text)
    beside.replace(path)


def with_a_backup(path: Path, text: str) -> None:
    path.rename(path.with_name(path.name + "~"))
    path.write_text(text)


def in_pieces(path: Path, text: str) -> None:
    with path.open("w") as file:
        for piece in (text[:20], text[20:40], text[40:]):
            file.write(piece)
            file.flush()
            time.sleep(0.08)


def within_the_same_second_and_of_the_same_length(path: Path, text: str) -> None:
    path.write_text(text.replace("fifteen", "fourtee"))
    path.write_text(text)


WAYS = [over_it, renamed_onto_it, with_a_backup, in_pieces, within_the_same_second_and_of_the_same_length]


def test_every_way_of_saving_is_seen(shop: Shop) -> None:
    with shop.watched():
        for number, save in enumerate(WAYS):
            save(shop.docs / "lamp.md", f"# Lamp\n\nThe lamp number{number} costs fifteen coins, as it says here.\n")
            soon(lambda number=number: shop.found(f"number{number}") == {"lamp.md"})  # type: ignore[misc]
            soon(lambda: shop.found("fifteen") == {"lamp.md"})
            if number:
                assert shop.found(f"number{number - 1}") == set()


def test_a_workspace_in_the_watched_folder_does_not_set_it_off(
    tiny: Tiny, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shop = Shop(tmp_path / "shop", tiny, '[[sources]]\nkind = "folder"\npath = "."\ninclude = ["**/*.md"]\n')
    syncs = []
    bring = stages.bring

    def counting(*arguments: object) -> Summary:
        syncs.append(arguments)
        return bring(*arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(stages, "bring", counting)
    with shop.watched():
        soon(lambda: shop.found("coins") == {"docs/lamp.md"})
        time.sleep(1)
        before = len(syncs)
        time.sleep(1.5)
        assert len(syncs) == before <= 2
        (shop.folder / ".groundtune-notes").mkdir()
        shop.save("pump.md", "The pump costs twelve coins.")
        soon(lambda: "docs/pump.md" in shop.found("twelve"))
        time.sleep(1.5)
        assert len(syncs) <= before + 3
    shop.reading.index.close()


def test_what_is_saved_while_the_first_sync_reads_is_found_too(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    bring = stages.bring
    saved: list[bool] = []

    def late(*arguments: object) -> Summary:
        summary = bring(*arguments)  # type: ignore[arg-type]
        if not saved:
            shop.save("late.md", "Saved when all was read already.")
            saved.append(True)
        return summary

    monkeypatch.setattr(stages, "bring", late)
    with shop.watched():
        soon(lambda: shop.found("already") == {"late.md"})


def test_a_folder_that_comes_later_or_comes_again_is_named_and_watched(tiny: Tiny, tmp_path: Path) -> None:
    shop = Shop(tmp_path / "shop", tiny, DOCS + MORE)
    more = shop.folder / "more"
    with shop.watched():
        soon(lambda: shop.found("coins") == {"lamp.md"})
        soon(lambda: any("more:" in one and str(more) in one for one in shop.said.sentences[2:]))
        for number in range(2):
            more.mkdir()
            (more / "pump.md").write_text(f"The pump number{number} costs twelve coins.")
            soon(lambda number=number: shop.found(f"number{number}") == {"pump.md"})  # type: ignore[misc]
            (more / "pump.md").write_text(f"The pump again{number} costs twelve coins.")
            soon(lambda number=number: shop.found(f"again{number}") == {"pump.md"})  # type: ignore[misc]
            shutil.rmtree(more)
        shop.save("lamp.md", "The lamp costs a fortune.")
        soon(lambda: shop.found("fortune") == {"lamp.md"})
        assert shop.found("pump") == {"pump.md"}  # a source that is not there keeps what the index has
    shop.reading.index.close()


def test_a_document_that_became_unreadable_is_gone_even_if_it_was_the_only_one(tiny: Tiny, tmp_path: Path) -> None:
    shop = Shop(tmp_path / "shop", tiny, DOCS + MORE)
    more = shop.folder / "more"
    more.mkdir()
    (more / "pump.md").write_text("The pump costs twelve coins.")
    with shop.watched():
        soon(lambda: shop.found("twelve") == {"pump.md"})
        (more / "pump.md").write_text("---\nreaders: [staff\n---\nThe pump costs twelve coins.")
        soon(lambda: shop.found("twelve") == set())
        assert shop.found("lamp") == {"lamp.md"}
    shop.reading.index.close()


def test_a_database_is_looked_at_by_the_clock(tiny: Tiny, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "tickets.sqlite"
    monkeypatch.setenv("TICKETS", f"sqlite:///{path}")
    with closing(sqlite3.connect(path)) as db:
        db.execute("create table tickets (id integer primary key, body text)")
        db.execute("insert into tickets values (1, 'The pump drips.')")
        db.commit()
        rows = '[[sources]]\nkind = "sql"\nevery = "1s"\nurl_env = "TICKETS"\nkey = "id"\ntext = "body"\n'
        shop = Shop(tmp_path / "shop", tiny, rows + 'query = "select id, body from tickets"\n')
        with shop.watched():
            soon(lambda: shop.found("drips") == {"sql/1"})
            db.execute("insert into tickets values (2, 'The lamp flickers.')")
            db.commit()
            soon(lambda: shop.found("flickers") == {"sql/2"})
            db.execute("alter table tickets rename to others")
            db.commit()
            soon(lambda: "no such table" in shop.said)
            db.execute("alter table others rename to tickets")
            db.execute("delete from tickets where id = 1")
            db.commit()
            soon(lambda: shop.found("drips") == set())
    shop.reading.index.close()


def test_a_run_that_holds_the_workspace_delays_it_and_no_more(shop: Shop) -> None:
    with shop.watched():
        with shop.reading.workspace.alone(30):
            shop.save("pump.md", "The pump costs twelve coins.")
            time.sleep(1.5)
            assert shop.found("pump") == set()
        soon(lambda: shop.found("pump") == {"pump.md"})


def test_an_index_that_is_rebuilt_meanwhile_is_the_one_that_is_kept_in_step(shop: Shop) -> None:
    with shop.watched():
        other = Project(load(shop.config))
        with other.workspace.alone(30):
            rebuilt(other)
        shop.save("pump.md", "The pump costs twelve coins.")
        soon(lambda: shop.found("coins") == {"lamp.md", "pump.md"})
        assert shop.reading.index.faults() == []


def test_without_a_source_there_is_nothing_to_watch(tiny: Tiny, tmp_path: Path) -> None:
    shop = Shop(tmp_path / "shop", tiny, "")
    with pytest.raises(UserError, match="there is nothing to watch"):
        watching.watch(Project(load(shop.config)))


def command(folder: Path) -> None:
    """`groundtune watch` in a process of its own; what it says goes to a file."""
    os.chdir(folder)
    os.dup2(os.open("stderr", os.O_CREAT | os.O_WRONLY | os.O_TRUNC), 2)
    sys.argv = ["groundtune", "watch"]
    sys.stderr = os.fdopen(2, "w")
    cli.main()


def test_ctrl_c_ends_it_with_one_sentence(shop: Shop) -> None:
    process = start(command, shop.folder)
    assert wait(process, lambda: shop.found("coins") == {"lamp.md"})
    shop.save("pump.md", "The pump costs twelve coins.")
    assert wait(process, lambda: shop.found("twelve") == {"pump.md"})

    code = send(process, signal.SIGINT)

    said = (shop.folder / "stderr").read_text()
    assert code == 130, said
    assert said.splitlines()[-1].startswith("groundtune: interrupted")
    assert "Traceback" not in said


class Tidied:
    """Interrupts its own process while it is tidied away, as an unlucky Ctrl-C does."""

    def __del__(self) -> None:
        os.kill(os.getpid(), signal.SIGINT)
        time.sleep(0.1)


def test_a_ctrl_c_that_python_loses_ends_it_all_the_same(capsys: pytest.CaptureFixture[str]) -> None:
    before = signal.getsignal(signal.SIGINT)
    with pytest.raises(KeyboardInterrupt), watching.interrupts() as interrupted:
        assert not interrupted()
        Tidied()
        assert interrupted()
    assert signal.getsignal(signal.SIGINT) is before
    assert capsys.readouterr().err == ""
