"""The index in PostgreSQL with pgvector: the server holds documents, words and vectors, and searches them.

A transaction brings all of a change, its words too. Vectors are compared exactly, by a scan: an HNSW index lost up to a
fifth of the hundred nearest ones that a reader may read (benchmarks/LOG.md).
"""

from __future__ import annotations

import json
import os
import threading
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np

from groundtune.errors import UserError
from groundtune.index import postgres_database as database
from groundtune.index import postgres_words as postings
from groundtune.index.postgres_server import errors
from groundtune.index.postgres_words import AUDIENCES
from groundtune.index.store import embedded_text
from groundtune.index.tables import PASSAGE, Tables, in_order, not_kept, other_embedder, snapshot
from groundtune.index.words import FORMAT, analyzer, clean
from groundtune.types import EVERYONE, Document, Embedder, Index, Passage, Reader
from groundtune.workspace import digest

if TYPE_CHECKING:
    from psycopg import Connection
    from psycopg.abc import Params

    from groundtune.index.store import Ids
    from groundtune.types import Vectors

T = TypeVar("T")

TIDY_AFTER = 0.1  # of the passages were changed: the server is told to tidy up now rather than when it finds time


def open_postgres(url_env: str, schema: str, embedder: Embedder, language: str) -> PostgresIndex:
    """The index in a schema of the database whose URL an environment variable holds.

    Raises UserError where the variable is missing, and as PostgresIndex does.
    """
    return PostgresIndex(_url(url_env, schema), embedder, language, schema)


@contextmanager
def rebuilding(url_env: str, schema: str, embedder: Embedder, language: str) -> Iterator[PostgresIndex]:
    """An empty index beside the one in a schema, to be filled; at the end of the block it takes its place, whole.

    Where the block fails, the one that is there stays. Raises WorkFailed where another process is at the same.
    """
    index = PostgresIndex(_url(url_env, schema), embedder, language, schema, aside=True)
    try:
        yield index
        index.settle()
    finally:
        index.discard()


class PostgresIndex(Tables):
    """The index in a schema of a database. Satisfies `store.Store`."""

    def __init__(
        self, url: str, embedder: Embedder, language: str = "english", schema: str = "groundtune", aside: bool = False
    ) -> None:
        """Opens the index, or makes an empty one.

        language: whose word endings do not count. aside: a new one, which `settle` puts in the schema. Raises UserError
        where the server cannot be reached or used, or the index is another embedder's.
        """
        self.embedder = embedder
        self._url, self._schema, self._aside = url, schema, aside
        self._place = database.named(schema)
        self._analyzer = analyzer(language)
        self._words_state = f"{language} {FORMAT}"
        self._lock = threading.RLock()
        self._writing = False
        self._added: dict[int, tuple[int, Counter[str]]] = {}  # passages, in the transaction that is open
        self._removed: list[int] = []
        self._changed = 0  # passages, since the server was last told to tidy up
        self._db = database.connect(url, schema, aside=aside)
        try:
            self._read(self._check_embedder)
        except UserError:
            self.close()
            raise

    def close(self) -> None:
        """Closes the connection. The index is of no use after that."""
        self._db.close()

    # ------------------------------------------------------------ searching

    def search_words(self, query: str, n: int, reader: Reader = EVERYONE) -> list[tuple[int, float]]:
        """Ids and BM25 scores of the passages that share words with the query, best first."""
        terms = self._analyzer.analyze(clean(query))

        def search(db: Connection[Any]) -> list[tuple[int, float]]:
            with db.transaction():
                if not self._writing:  # all of its queries see one state
                    db.execute("set transaction isolation level repeatable read, read only")
                return postings.search(db, terms, n, _groups(reader), self._words_state)

        return self._read(search) if terms else []

    def search_vectors(
        self, queries: Sequence[str], n: int, reader: Reader = EVERYONE
    ) -> list[list[tuple[int, float]]]:
        """For each query ids and cosines of the nearest passages, best first."""
        if not queries or not self._rows("select 1 from vectors where alive limit 1"):
            return [[] for _ in queries]
        self._read(self._check_embedder)
        return [
            self._rows(
                f"""select passage, -distance from (
                        select passage, vector <#> %(query)b as distance from vectors
                        where alive and audience = any({AUDIENCES}) order by distance, passage limit %(n)s
                    ) nearest order by distance, passage""",  # of unit vectors the inner product is the cosine
                {"query": vector, "n": n, "groups": _groups(reader)},
            )
            for vector in self.embedder.embed_queries(queries)
        ]

    # ------------------------------------------------------------ reading

    def passages(self, ids: Sequence[int]) -> list[Passage]:
        """The passages with these ids, in this order, without those that a sync has removed meanwhile."""
        rows = self._rows(f"select {PASSAGE} from passages p where p.died is null and p.id = any(%s)", [list(ids)])
        return in_order(ids, rows)

    def documents(self, reader: Reader = EVERYONE) -> dict[str, str]:
        """The texts of the documents that the reader may read, by id."""
        return dict(
            self._rows(
                f"select d.id, d.text from documents d where d.audience = any({AUDIENCES}) order by d.id",
                {"groups": _groups(reader)},
            )
        )

    def all_passages(self, reader: Reader = EVERYONE) -> list[Passage]:
        """Every passage that the reader may read, in the order of the documents."""
        rows = self._rows(
            f"""select {PASSAGE} from passages p
                where p.died is null and p.audience = any({AUDIENCES}) order by p.document, p.start""",
            {"groups": _groups(reader)},
        )
        return [Passage(*row) for row in rows]

    def passages_of(self, document: str) -> list[tuple[Passage, str, str]]:
        """A document's passages in their order, each with its readers as JSON and the digest of what was embedded."""
        rows = self._rows(
            f"""select a.readers, p.key, {PASSAGE} from passages p join audiences a on a.id = p.audience
                where p.died is null and p.document = %s order by p.start""",
            [document],
        )
        return [(Passage(*row), readers, key) for readers, key, *row in rows]

    def versions_of(self, ids: Collection[str]) -> dict[str, str]:
        """The same for those of these documents that there are."""
        return dict(self._rows("select id, version from documents where id = any(%s)", [list(ids)]))

    def known(self, source: str) -> dict[str, str]:
        """The stamps of the documents that came from a source, by id."""
        return dict(self._rows("select id, stamp from documents where source = %s", [source]))

    def owners(self, ids: Collection[str]) -> dict[str, str]:
        """For those of these documents that there are, the source that they came from."""
        return dict(self._rows("select id, source from documents where id = any(%s)", [list(ids)]))

    def groups(self) -> frozenset[str]:
        """All groups that documents name as their readers."""
        return frozenset(name for (names,) in self._rows("select readers from audiences") for name in json.loads(names))

    def vectors_of(self, texts: Iterable[str]) -> dict[str, bytes]:
        """The vectors of those of these texts that the index holds already, in whatever document."""
        keys = {digest(text): text for text in texts}
        rows = self._rows(
            "select distinct on (p.key) p.key, v.vector from passages p join vectors v on v.passage = p.id"
            " where p.key = any(%s) order by p.key",
            [list(keys)],
        )
        return {keys[key]: _bytes(vector) for key, vector in rows}

    def vectors(self, reader: Reader = EVERYONE) -> tuple[Ids, Vectors]:
        """The ids of all passages that the reader may read, and their vectors, row by row."""
        rows = self._rows(
            f"select passage, vector from vectors where alive and audience = any({AUDIENCES}) order by passage",
            {"groups": _groups(reader)},
        )
        vectors = np.frombuffer(b"".join(_bytes(vector) for _, vector in rows), np.float32)
        return np.array([id for id, _ in rows], np.int64), vectors.reshape(len(rows), -1)

    def faults(self) -> list[str]:
        """What does not hold inside the index itself, in sentences."""
        found = self._read(postings.faults)
        ((missing, many),) = self._rows(
            """select count(*) filter (where v.passage is null), count(*) filter (where p.id is null)
               from (select id from passages where died is null) p
               full join (select passage from vectors where alive) v on v.passage = p.id"""
        )
        return [*found, f"vectors: {missing} passages are missing, {many} are too many"] if missing or many else found

    # ------------------------------------------------------------ time

    def as_of(self, moment: str) -> Index:
        """The index as it was at a time. What was closed to a reader since, stays closed."""
        ((number, kept),) = self._rows(
            "select max(number) filter (where finished <= %s), min(finished) from syncs", [moment]
        )
        if number is None:
            raise not_kept(moment, kept)
        found = self._rows(
            f"""with last as (select distinct on (document) document, audience from passages order by document, id desc)
                select v.vector, was.readers, since.readers, {PASSAGE}
                from passages p join vectors v on v.passage = p.id join audiences was on was.id = p.audience
                join last on last.document = p.document left join documents d on d.id = p.document
                join audiences since on since.id = coalesce(d.audience, last.audience)
                where p.born <= %(number)s and (p.died is null or p.died > %(number)s) order by p.id""",
            {"number": number},
        )
        rows = [(_bytes(vector), *others) for vector, *others in found]
        return snapshot(rows, self.embedder, self._words_state.split()[0])

    def knowledge_as_of(self) -> str:
        """Up to when the index is known to hold what all its sources held; empty before the first sync."""
        ((read,),) = self._rows("select min(value) from facts where name like 'read %'")
        return read or ""

    # ------------------------------------------------------------ writing

    @contextmanager
    def writing(self) -> Iterator[None]:
        """One transaction: all of its changes become visible together at its end, or none."""
        with self._lock, errors(self._place):
            self._read(self._check_embedder)  # makes the connection anew where it was lost
            self._added, self._removed = {}, []
            try:
                with self._db.transaction():
                    database.alone(self._db, self._schema, aside=self._aside)
                    self._writing = True
                    yield
                    self._bring_words()
            finally:
                self._writing = False

    def put(
        self, document: Document, source: str, version: str, passages: Iterable[Passage], vectors: Mapping[str, bytes]
    ) -> None:
        """Puts a document in the place of its older version (inside `writing`).

        version: the digest of everything it is indexed from; vectors: by `embedded_text`.
        """
        self.remove(document.id)
        sync, audience = self._sync(), self._audience(document.readers)
        d = [document.id, source, document.stamp, version, document.title, document.changed, audience,
             json.dumps(dict(document.metadata)), document.text]  # fmt: skip
        self._db.execute("insert into documents values (%s, %s, %s, %s, %s, %s, %s, %s, %s)", _storable(d))
        rows, found, counted = [], [], []
        for p in passages:
            text = embedded_text(p)
            counted.append(self._counted(text))
            found.append(np.frombuffer(vectors[text], np.float32))
            rows.append(_storable([document.id, p.text, p.start, p.end, p.title, p.heading, p.page, version,
                                   document.changed, audience, digest(text), counted[-1].total(), sync]))  # fmt: skip
        if not rows:
            return
        with self._db.cursor() as cursor:
            cursor.executemany(
                """insert into passages (document, text, start, "end", title, heading, page, version, changed, audience,
                       key, words, born) values (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s) returning id""",
                rows,
                returning=True,
            )
            ids = [int(made.fetchall()[0][0]) for made in cursor.results()]
            cursor.executemany(
                "insert into vectors (passage, audience, vector) values (%s, %s, %b)",
                [(id, audience, vector) for id, vector in zip(ids, found, strict=True)],
            )
        self._added |= {id: (audience, words) for id, words in zip(ids, counted, strict=True)}

    def touch(self, id: str, source: str, stamp: str) -> None:
        """Notes a document's new stamp (inside `writing`); all else of it is as it was."""
        self._db.execute("update documents set stamp = %s, source = %s where id = %s", [stamp, source, id])

    def remove(self, id: str) -> None:
        """Takes a document and its passages out (inside `writing`)."""
        rows = self._db.execute("select id from passages where document = %s and died is null", [id]).fetchall()
        if rows:
            ids = [int(row[0]) for row in rows]
            self._db.execute("update passages set died = %s where id = any(%s)", [self._sync(), ids])
            self._db.execute("update vectors set alive = false where passage = any(%s)", [ids])
            self._removed += [id for id in ids if self._added.pop(id, None) is None]
        self._db.execute("delete from documents where id = %s", [id])

    def finish(self, read: Collection[str], names: Collection[str], moment: str, keep: int) -> None:
        """Ends a sync: these sources were read whole at that time; so many earlier states stay to be asked.

        names: of all sources that there are.
        """
        with self.writing():
            self._db.execute("update syncs set finished = %s where finished is null", [moment])
            for source in read:
                self._set_fact(f"read {source}", moment)
            self._db.execute(  # a source that is out of the config, and all of whose documents are gone
                """delete from facts where name like 'read %%' and substr(name, 6) not in
                   (select unnest(%s::text[]) union select source from documents)""",
                [list(names)],
            )
            kept = self._db.execute("select number from syncs order by number desc limit %s", [keep + 1]).fetchall()
            if kept:
                self._db.execute("delete from syncs where number < %s", kept[-1])
                self._db.execute("delete from passages where died <= %s", kept[-1])
        if self._changed > TIDY_AFTER * self.counts()[1]:
            self._read(lambda db: db.execute("vacuum (analyze) postings, vectors, passages, terms, documents"))
            self._changed = 0

    def settle(self) -> None:
        """Puts an index that was made aside into its schema, in the place of the one that is there."""
        with self._lock, errors(self._place):
            database.settle(self._db, self._schema)

    def discard(self) -> None:
        """Closes the connection, and drops what was made aside and not settled."""
        with suppress(UserError), errors(self._place):  # where the server is lost, the next rebuild drops it
            database.drop(self._db, database.aside_of(self._schema))
        self.close()

    # ------------------------------------------------------------ inside

    def _read(self, read: Callable[[Connection[Any]], T]) -> T:
        """What is read from the server. A connection that was lost while nothing was being written is made anew."""
        from psycopg import OperationalError

        with self._lock, errors(self._place):
            try:
                return read(self._db)
            except OperationalError:
                if self._writing or self._aside or not self._db.closed:
                    raise
                self._db = database.connect(self._url, self._schema)
                return read(self._db)

    def _rows(self, query: str, values: Params | None = None) -> list[Any]:
        return self._read(lambda db: db.execute(query, values).fetchall())

    def _check_embedder(self, db: Connection[Any]) -> None:
        """Whose index it is can change while it is open: it may be rebuilt."""
        rows = db.execute("select value from facts where name = 'embedder'").fetchall()
        if not rows:
            db.execute("insert into facts values ('embedder', %s) on conflict do nothing", [self.embedder.name])
        elif rows[0][0] != self.embedder.name:
            raise other_embedder(self._place, rows[0][0], self.embedder.name)

    def _sync(self) -> int:
        """The number of the sync that is going on; one that was broken off goes on under its number."""
        rows = self._db.execute("select number from syncs where finished is null").fetchall()
        rows = rows or self._db.execute("insert into syncs (finished) values (null) returning number").fetchall()
        return int(rows[0][0])

    def _audience(self, readers: Iterable[str]) -> int:
        """The number of a set of readers."""
        names = sorted(readers)
        given = json.dumps(names)
        rows = self._db.execute("select id from audiences where readers = %s", [given]).fetchall()
        if not rows:
            made = "insert into audiences (readers, names) values (%s, %s) returning id"
            rows = self._db.execute(made, [given, [json.dumps(name) for name in names]]).fetchall()
        return int(rows[0][0])

    def _counted(self, text: str) -> Counter[str]:
        """How often each word of a text is in it."""
        return Counter(self._analyzer.analyze(clean(text)))

    def _set_fact(self, name: str, value: str) -> None:
        self._db.execute(
            "insert into facts values (%s, %s) on conflict (name) do update set value = excluded.value", [name, value]
        )

    def _bring_words(self) -> None:
        """Brings the words in step with the passages: those that this transaction changed, or all of them where the
        words are another language's."""
        if self._rows("select 1 from facts where name = 'words' and value = %s", [self._words_state]):
            self._changed += len(self._removed) + len(self._added)
            postings.change(self._db, self._removed, self._added)
            return
        postings.clear(self._db)
        ids = [id for (id,) in self._rows("select id from passages where died is null order by id")]
        for start in range(0, len(ids), 1000):
            rows = self._rows(
                f"select p.audience, {PASSAGE} from passages p where id = any(%s)", [ids[start : start + 1000]]
            )
            some = {row[1]: (row[0], self._counted(embedded_text(Passage(*row[1:])))) for row in rows}
            with self._db.cursor() as cursor:
                counts = [(words.total(), id) for id, (_, words) in some.items()]
                cursor.executemany("update passages set words = %s where id = %s", counts)
            postings.change(self._db, [], some)
        self._changed += len(ids)
        self._set_fact("words", self._words_state)


def _url(url_env: str, schema: str) -> str:
    url = os.environ.get(url_env, "").strip()
    if not url:
        raise UserError(
            f"{database.named(schema)}: the environment variable {url_env} is not set",
            f"export {url_env}=postgresql://USER:PASSWORD@HOST/DATABASE",
        )
    return url


def _groups(reader: Reader) -> list[str]:
    """The reader's groups as JSON: any name, even one that PostgreSQL cannot store, can be compared so."""
    return [json.dumps(group) for group in reader.groups]


def _storable(values: Sequence[Any]) -> list[Any]:
    """The values of a row; PostgreSQL cannot store a NUL, so a mark stands in its place."""
    return [value.replace("\0", "\ufffd") if isinstance(value, str) else value for value in values]


def _bytes(vector: Any) -> bytes:
    """A vector of pgvector as the other stores keep it."""
    return bytes(vector.to_numpy().tobytes())
