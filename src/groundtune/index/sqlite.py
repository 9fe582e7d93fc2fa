"""The embedded index: one SQLite file is the truth, beside it the passages' words; their vectors are held in memory.

A transaction of SQLite is what makes a change visible. What it adds is put among the words before it ends, and what it
removes is taken from them after it, so the words of every passage that lives are there, whoever is killed when. They
may hold more; search passes over it, and the next sync takes it out.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from groundtune.errors import UserError, WorkFailed
from groundtune.index import database, words
from groundtune.index.local import LocalIndex
from groundtune.index.matrix import Matrix, Numbers
from groundtune.index.store import embedded_text
from groundtune.index.tables import PASSAGE, Tables, in_order, not_kept, other_embedder, snapshot
from groundtune.index.words import Words
from groundtune.types import EVERYONE, Document, Embedder, Index, Passage, Reader
from groundtune.workspace import digest, locked, remove

if TYPE_CHECKING:
    from groundtune.types import Vectors

PATIENCE = 60  # seconds that a writer waits for another one
UNIT = 1e-3  # so far a vector's length may be from 1

# What comes from outside is always bound, never written into a query.
AMONG = "id in (select value from json_each(?))"
PERMITTED = """(d.readers = '[]' or exists (
    select 1 from json_each(d.readers) r where r.value in (select value from json_each(:groups))))"""


class SqliteIndex(Tables, LocalIndex):
    """The index in a folder. Satisfies `store.Store`."""

    def __init__(self, folder: Path, embedder: Embedder, language: str = "english") -> None:
        """Opens the index, or makes an empty one.

        language: whose word endings do not count. Raises UserError where its file is damaged or another embedder's.
        """
        self.folder = folder
        self.path = folder / "index.sqlite"
        self.embedder = embedder
        self._language = language
        self._lock = threading.RLock()
        self._words: Words | None = None
        self._matrix = Matrix.empty()
        self._state: object = None  # of the file when words and matrix were read
        self._added: list[int] = []  # passages, in the transaction that is open
        self._removed: list[int] = []
        self._stale: set[int] = set()  # passages that are removed and, as far as is known, still among the words
        self._db = database.connect(self.path)
        self._file = self.path.stat().st_ino
        try:
            self._check_embedder()
        except UserError:
            self.close()
            raise

    def close(self) -> None:
        """Closes the file. The index is of no use after that."""
        self._db.close()

    # ------------------------------------------------------------ reading

    def passages(self, ids: Sequence[int]) -> list[Passage]:
        """The passages with these ids, in this order, without those that a sync has removed meanwhile."""
        rows = self._rows(
            f"select {PASSAGE} from passages p where p.died is null and p.id in (select value from json_each(?))",
            [json.dumps(list(ids))],
        )
        return in_order(ids, rows)

    def documents(self, reader: Reader = EVERYONE) -> dict[str, str]:
        """The texts of the documents that the reader may read, by id."""
        return dict(
            self._rows(f"select d.id, d.text from documents d where {PERMITTED} order by d.id", _groups(reader))
        )

    def all_passages(self, reader: Reader = EVERYONE) -> list[Passage]:
        """Every passage that the reader may read, in the order of the documents."""
        rows = self._rows(
            f"""select {PASSAGE} from passages p join documents d on d.id = p.document
                where p.died is null and {PERMITTED} order by p.document, p.start""",
            _groups(reader),
        )
        return [Passage(*row) for row in rows]

    def passages_of(self, document: str) -> list[tuple[Passage, str, str]]:
        """A document's passages in their order, each with its readers as JSON and the digest of what was embedded."""
        rows = self._rows(
            f"""select p.readers, p.key, {PASSAGE} from passages p
                where p.died is null and p.document = ? order by p.start""",
            [document],
        )
        return [(Passage(*row), readers, key) for readers, key, *row in rows]

    def versions_of(self, ids: Collection[str]) -> dict[str, str]:
        """The same for those of these documents that there are."""
        return dict(self._rows(f"select id, version from documents where {AMONG}", [json.dumps(list(ids))]))

    def known(self, source: str) -> dict[str, str]:
        """The stamps of the documents that came from a source, by id."""
        return dict(self._rows("select id, stamp from documents where source = ?", [source]))

    def owners(self, ids: Collection[str]) -> dict[str, str]:
        """For those of these documents that there are, the source that they came from."""
        return dict(self._rows(f"select id, source from documents where {AMONG}", [json.dumps(list(ids))]))

    def groups(self) -> frozenset[str]:
        """All groups that documents name as their readers."""
        return frozenset(
            name for (names,) in self._rows("select distinct readers from documents") for name in json.loads(names)
        )

    def vectors_of(self, texts: Iterable[str]) -> dict[str, bytes]:
        """The vectors of those of these texts that the index holds already, in whatever document."""
        keys = {digest(text): text for text in texts}
        rows = self._rows(
            "select key, vector from passages where key in (select value from json_each(?))", [json.dumps(list(keys))]
        )
        return {keys[key]: vector for key, vector in rows}

    def vectors(self, reader: Reader = EVERYONE) -> tuple[Numbers, Vectors]:
        """The ids of all passages that the reader may read, and their vectors, row by row."""
        _, matrix = self._current()
        permitted = matrix.open_to(reader)
        return matrix.ids[permitted], matrix.vectors[permitted]

    def faults(self) -> list[str]:
        """What does not hold inside the index itself, in sentences."""
        found = []
        try:
            words, matrix = self._current()
            held, living = words.ids(), set(matrix.ids.tolist())
        except UserError as error:
            found.append(error.message)
        else:
            if held != living:
                found.append(f"words: {len(living - held)} passages are missing, {len(held - living)} are too many")
            if wrong := np.count_nonzero(~(np.abs(np.linalg.norm(matrix.vectors, axis=1) - 1) < UNIT)):
                found.append(f"vectors: {wrong} are damaged")
        torn = self._rows(
            """select distinct p.document from passages p left join documents d on d.id = p.document
               where p.died is null and (p.title, p.version, p.readers) is not (d.title, d.version, d.readers)"""
        )
        found += [f"{id}: its passages are of another version of it" for (id,) in torn]
        ((broken,),) = self._rows("pragma quick_check(1)")
        return found if broken == "ok" else [*found, f"{self.path}: {broken}"]

    # ------------------------------------------------------------ time

    def as_of(self, moment: str) -> Index:
        """The index as it was at a time. What was closed to a reader since, stays closed."""
        rows = self._rows("select max(number), max(finished) from syncs where finished <= ?", [moment])
        number = rows[0][0]
        if number is None:
            kept = self._rows("select min(finished) from syncs")[0][0]
            raise not_kept(moment, kept)
        found = self._rows(
            f"""with last as (select document, readers, max(id) from passages group by document)
                select p.vector, p.readers, coalesce(d.readers, last.readers), {PASSAGE}
                from passages p join last on last.document = p.document left join documents d on d.id = p.document
                where p.born <= :number and (p.died is null or p.died > :number) order by p.id""",
            {"number": number},
        )
        return snapshot(found, self.embedder, self._language)

    def knowledge_as_of(self) -> str:
        """Up to when the index is known to hold what all its sources held; empty before the first sync."""
        rows = self._rows("select min(value) from facts where name like 'read %'")
        return rows[0][0] or ""

    # ------------------------------------------------------------ writing

    @contextmanager
    def writing(self) -> Iterator[None]:
        """One transaction: all of its changes become visible together at its end, or none."""
        with self._alone(), database.errors(self.path):
            self._reopen()
            self._added, self._removed = [], []
            self._db.execute("begin immediate")
            try:
                words = self._words_in_step()
                yield
                if added := set(self._added) - set(self._removed):
                    self._change_words(words, added)
                self._db.execute("commit")
            finally:
                if self._db.in_transaction:  # SQLite has ended it by itself where the disk was full
                    self._db.execute("rollback")
            self._stale |= set(self._removed)

    def put(
        self, document: Document, source: str, version: str, passages: Iterable[Passage], vectors: Mapping[str, bytes]
    ) -> None:
        """Puts a document in the place of its older version (inside `writing`).

        version: the digest of everything it is indexed from; vectors: by `embedded_text`.
        """
        self.remove(document.id)
        sync = self._sync()
        readers, metadata = json.dumps(sorted(document.readers)), json.dumps(dict(document.metadata))
        self._db.execute(
            "insert into documents values (?, ?, ?, ?, ?, ?, ?, ?, ?)",
            [document.id, source, document.stamp, version, document.title, document.changed, readers, metadata,
             document.text],
        )  # fmt: skip
        for p in passages:
            text = embedded_text(p)
            made = self._db.execute(
                """insert into passages (document, text, start, "end", title, heading, page, version, changed, readers,
                    key, vector, born) values (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)""",
                [document.id, p.text, p.start, p.end, p.title, p.heading, p.page, version, document.changed, readers,
                 digest(text), vectors[text], sync],
            )  # fmt: skip
            self._added.append(int(made.lastrowid or 0))

    def touch(self, id: str, source: str, stamp: str) -> None:
        """Notes a document's new stamp (inside `writing`); all else of it is as it was."""
        self._db.execute("update documents set stamp = ?, source = ? where id = ?", [stamp, source, id])

    def remove(self, id: str) -> None:
        """Takes a document and its passages out (inside `writing`)."""
        rows = self._db.execute("select id from passages where document = ? and died is null", [id]).fetchall()
        if rows:
            self._db.execute("update passages set died = ? where document = ? and died is null", [self._sync(), id])
            self._removed += [int(row[0]) for row in rows]
        self._db.execute("delete from documents where id = ?", [id])

    def finish(self, read: Collection[str], names: Collection[str], moment: str, keep: int) -> None:
        """Ends a sync: these sources were read whole at that time; so many earlier states stay to be asked.

        names: of all sources that there are.
        """
        with self.writing():
            if self._stale:
                self._change_words(self._words_in_step(), set())
            self._db.execute("update syncs set finished = ? where finished is null", [moment])
            for source in read:
                self._db.execute("insert or replace into facts values (?, ?)", [f"read {source}", moment])
            self._db.execute(  # a source that is out of the config, and all of whose documents are gone
                """delete from facts where name like 'read %' and substr(name, 6) not in
                    (select value from json_each(?) union select source from documents)""",
                [json.dumps(list(names))],
            )
            kept = self._db.execute("select number from syncs order by number desc limit ?", [keep + 1]).fetchall()
            if kept:
                self._db.execute("delete from syncs where number < ?", kept[-1])
                self._db.execute("delete from passages where died <= ?", kept[-1])
        with self._lock, database.errors(self.path):
            self._db.execute("pragma incremental_vacuum").fetchall()
            self._db.execute("pragma wal_checkpoint(truncate)").fetchall()

    # ------------------------------------------------------------ inside

    def _rows(self, query: str, values: Sequence[Any] | Mapping[str, Any] = ()) -> list[Any]:
        with self._lock, database.errors(self.path):
            self._reopen()
            return self._db.execute(query, values).fetchall()

    @contextmanager
    def _alone(self) -> Iterator[None]:
        """Keeps every other writer away, in this process and in others: words and file change one after the other."""
        with self._lock, locked(self.folder / "lock", PATIENCE, f"{self.path}: another process is writing to it"):
            yield

    def _check_embedder(self) -> None:
        rows = self._rows("select value from facts where name = 'embedder'")
        if not rows:
            self._rows("insert or ignore into facts values ('embedder', ?)", [self.embedder.name])
        elif rows[0][0] != self.embedder.name:
            raise other_embedder(self.path, rows[0][0], self.embedder.name)

    def _sync(self) -> int:
        """The number of the sync that is going on; one that was broken off goes on under its number."""
        rows = self._db.execute("select number from syncs where finished is null").fetchall()
        if rows:
            return int(rows[0][0])
        return int(self._db.execute("insert into syncs (finished) values (null)").lastrowid or 0)

    @property
    def _words_folder(self) -> Path:
        return self.folder / f"words-{self._language}-{words.FORMAT}"

    def _words_in_step(self) -> Words:
        """The words of all passages that live, and beside them none but the stale ones; brought there where some are
        missing, damaged, or of another language."""
        for other in self.folder.glob("words-*"):
            if other != self._words_folder:
                remove(other)
        ((live,),) = self._rows("select count(*) from passages where died is null")
        try:
            self._words = self._open_words()
            if self._words.count() == live + len(self._stale):
                return self._words
            held = self._words.ids()
        except WorkFailed:
            raise
        except UserError:
            remove(self._words_folder)
            self._words, held = Words(self._words_folder, self._language), set()
        living = {int(id) for (id,) in self._rows("select id from passages where died is null")}
        self._stale = held - living
        if missing := living - held:
            self._change_words(self._words, missing)
        return self._words

    def _change_words(self, words: Words, added: set[int]) -> None:
        """Puts passages among the words, and takes the stale ones out."""
        stale, self._stale = self._stale, set()  # nothing is known of them if this fails
        words.change(sorted(stale | added), self._texts(sorted(added)))

    def _texts(self, ids: Sequence[int]) -> Iterator[tuple[int, str]]:
        """What of these passages is searched for words, some at a time."""
        for start in range(0, len(ids), 1000):
            among = json.dumps(ids[start : start + 1000])
            for row in self._rows(f"select {PASSAGE} from passages p where {AMONG}", [among]):
                yield row[0], embedded_text(Passage(*row))

    def _current(self) -> tuple[Words, Matrix]:
        """Words and vectors; read again after another process, or this one, has changed the index."""
        with self._lock:
            while self._state != (state := self._state_now()) or self._words is None:
                self._matrix = self._read_matrix()
                there = (self._words_folder / "meta.json").exists()
                try:
                    self._words = self._open_words() if there else Words(None, self._language)
                except UserError:
                    if self._state_now() == state:  # else a rebuild has put other files there in the middle of it
                        raise
                else:
                    if self._state_now() == state:  # words and vectors are of one state
                        self._state = state
            if self._words.count() < len(self._matrix.ids):
                missing = len(self._matrix.ids) - self._words.count()
                raise UserError(
                    f"{self._words_folder}: the words of {missing:,} passages are missing", 'run "groundtune sync"'
                )
            return self._words, self._matrix

    def _state_now(self) -> tuple[int, int, int]:
        ((others,),) = self._rows("pragma data_version")
        return self._file, int(others), self._db.total_changes

    def _reopen(self) -> None:
        """After a rebuild another file lies at the path: that is the index from now on."""
        try:
            number = self.path.stat().st_ino
        except FileNotFoundError:  # for a moment there is none
            return
        if number != self._file and not self._db.in_transaction:
            self._db.close()
            self._db, self._file = database.connect(self.path), number
            self._matrix, self._words, self._stale = Matrix.empty(), None, set()
            self._check_embedder()

    def _read_matrix(self) -> Matrix:
        """The matrix with what has changed since it was last read."""
        last = int(self._matrix.ids[-1]) if len(self._matrix.ids) else 0
        with database.errors(self.path):
            self._db.execute("begin")  # both queries see one state
            try:
                live = self._rows("select id from passages where died is null")
                added = self._rows(
                    "select id, vector, readers from passages where died is null and id > ? order by id", [last]
                )
            finally:
                self._db.execute("commit")
        try:
            return self._matrix.changed(np.array([id for (id,) in live], np.int64), added)
        except ValueError as error:
            raise database.damaged(self.path, error) from error

    def _open_words(self) -> Words:
        if self._words is not None and self._words.lies_in(self._words_folder):
            self._words.reload()
            return self._words
        return Words(self._words_folder, self._language)


def _groups(reader: Reader) -> dict[str, str]:
    return {"groups": json.dumps(sorted(reader.groups))}
