"""The index in one SQLite file: documents, passages, their words (FTS5) and their vectors.

One file and its transactions are the whole story: a reader sees a sync's changes all at once or not at all, and a
killed sync leaves the last finished transaction (docs/decisions/001-sqlite-index.md).
"""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from groundtune.errors import UserError
from groundtune.index import database
from groundtune.types import EVERYONE, Document, Embedder, Passage, Reader
from groundtune.workspace import digest

if TYPE_CHECKING:
    from groundtune.types import Vectors

QUERIES_AT_ONCE = 256  # whose cosines with all passages are in memory together

# The two pieces of SQL that several queries share. What comes from outside is always bound, never written into them.
PERMITTED = """(d.readers = '[]' or exists (
    select 1 from json_each(d.readers) r where r.value in (select value from json_each(:groups))))"""

PASSAGE = """select p.id, p.document, p.text, p.start, p."end", d.title, p.heading, p.page, d.version
    from passages p join documents d on d.id = p.document"""


@dataclass(frozen=True, slots=True)
class Matrix:
    """All vectors in memory, row by row, with the passages they belong to and who may read them."""

    ids: np.ndarray[Any, np.dtype[np.int64]]
    vectors: Vectors
    audiences: tuple[frozenset[str], ...]  # the different sets of readers that there are
    audience: np.ndarray[Any, np.dtype[np.int64]]  # for each row the number of its set
    state: tuple[int, int]  # of the database when it was read

    def open_to(self, reader: Reader) -> np.ndarray[Any, np.dtype[np.int64]]:
        """The numbers of the rows that the reader may read."""
        permitted = [n for n, names in enumerate(self.audiences) if not names or names & reader.groups]
        return np.flatnonzero(np.isin(self.audience, permitted))


class SqliteIndex:
    """The embedded index: words by BM25 (FTS5), vectors by an exact scan. Satisfies `types.Index`."""

    def __init__(self, path: Path, embedder: Embedder) -> None:
        """Opens the index, or makes an empty one. Raises UserError where the file is damaged or another embedder's."""
        self.path = path
        self.embedder = embedder
        self._lock = threading.RLock()
        self._matrix: Matrix | None = None
        self._db = database.connect(path)
        try:
            self._check_embedder()
        except UserError:
            self.close()
            raise

    def close(self) -> None:
        """Closes the file. The index is of no use after that."""
        self._db.close()

    # ------------------------------------------------------------ searching

    def search_words(self, query: str, n: int, reader: Reader = EVERYONE) -> list[tuple[int, float]]:
        """Ids and BM25 scores of the passages that share words with the query, best first."""
        words = re.findall(r"\w+", query.lower())  # so nothing of FTS5's own query language is left
        if not words:
            return []
        match = " OR ".join(f'"{word}"' for word in dict.fromkeys(words))
        rows = self._rows(
            f"""with found as materialized
                    (select rowid as id, bm25(words) as score from words where words match :match)
                select found.id, -found.score from found
                join passages p on p.id = found.id join documents d on d.id = p.document
                where {PERMITTED} order by found.score, found.id limit :n""",  # noqa: S608
            {"match": match, "groups": _groups(reader), "n": n},
        )
        return [(int(id), float(score)) for id, score in rows]

    def search_vectors(
        self, queries: Sequence[str], n: int, reader: Reader = EVERYONE
    ) -> list[list[tuple[int, float]]]:
        """For each query ids and cosines of the nearest passages, best first."""
        matrix = self._read_matrix()
        rows = matrix.open_to(reader)
        if not len(rows) or not queries:
            return [[] for _ in queries]
        vectors = self.embedder.embed(queries)
        found = []
        for start in range(0, len(vectors), QUERIES_AT_ONCE):
            for scores in vectors[start : start + QUERIES_AT_ONCE] @ matrix.vectors.T:  # (queries, passages)
                best = rows[_best(scores[rows], n)]
                found.append([(int(matrix.ids[i]), float(scores[i])) for i in best])
        return found

    def passages(self, ids: Sequence[int]) -> list[Passage]:
        """The passages with these ids, in this order, without those that a sync has removed meanwhile."""
        rows = self._rows(f"{PASSAGE} where p.id in (select value from json_each(?))", [json.dumps(list(ids))])  # noqa: S608
        found = {row[0]: Passage(*row) for row in rows}
        return [found[id] for id in ids if id in found]

    # ------------------------------------------------------------ reading

    def documents(self, reader: Reader = EVERYONE) -> dict[str, str]:
        """The texts of the documents that the reader may read, by id."""
        return dict(
            self._rows(
                f"select d.id, d.text from documents d where {PERMITTED} order by d.id",  # noqa: S608
                {"groups": _groups(reader)},
            )
        )

    def all_passages(self, reader: Reader = EVERYONE) -> list[Passage]:
        """Every passage that the reader may read, in the order of the documents."""
        rows = self._rows(f"{PASSAGE} where {PERMITTED} order by p.document, p.start", {"groups": _groups(reader)})
        return [Passage(*row) for row in rows]

    def counts(self) -> tuple[int, int]:
        """How many documents and passages there are."""
        ((documents, passages),) = self._rows(
            "select (select count(*) from documents), (select count(*) from passages)"
        )
        return int(documents), int(passages)

    def states(self) -> dict[str, str]:
        """For each document the digest of everything it was indexed from."""
        return dict(self._rows("select id, digest from documents"))

    def digest(self) -> str:
        """One digest for all that the index holds: equal content, equal digest."""
        return digest(sorted(self.states().items()))

    def vectors_of(self, texts: Iterable[str]) -> dict[str, bytes]:
        """The vectors of those of these texts that the index holds already, in whatever document."""
        keys = {digest(text): text for text in texts}
        rows = self._rows(
            "select key, vector from passages where key in (select value from json_each(?))", [json.dumps(list(keys))]
        )
        return {keys[key]: vector for key, vector in rows}

    # ------------------------------------------------------------ writing

    @contextmanager
    def writing(self) -> Iterator[None]:
        """One transaction: all of its changes become visible together at its end, or none."""
        with self._lock, database.errors(self.path):
            self._db.execute("begin immediate")
            try:
                yield
                self._db.execute("commit")
            finally:
                if self._db.in_transaction:  # SQLite has ended it by itself where the disk was full
                    self._db.execute("rollback")

    def remove(self, document: str) -> None:
        """Takes a document and its passages out (inside `writing`)."""
        self._db.execute("delete from passages where document = ?", [document])
        self._db.execute("delete from documents where id = ?", [document])

    def put(self, document: Document, state: str, passages: Iterable[Passage], vectors: Mapping[str, bytes]) -> None:
        """Puts a document in the place of its older version (inside `writing`).

        state: the digest of everything it is indexed from; vectors: by `embedded_text`.
        """
        self.remove(document.id)
        readers, metadata = json.dumps(sorted(document.readers)), json.dumps(dict(document.metadata))
        self._db.execute(
            "insert into documents values (?, ?, ?, ?, ?, ?, ?)",
            [document.id, state, document.title, document.version, readers, metadata, document.text],
        )
        for p in passages:
            text = embedded_text(p)
            self._db.execute(
                """insert into passages (document, start, "end", heading, page, text, context, key, vector)
                    values (?, ?, ?, ?, ?, ?, ?, ?, ?)""",
                [document.id, p.start, p.end, p.heading, p.page, p.text, _context(p), digest(text), vectors[text]],
            )

    # ------------------------------------------------------------ inside

    def _rows(self, query: str, values: Sequence[Any] | Mapping[str, Any] = ()) -> list[Any]:
        with self._lock, database.errors(self.path):
            return self._db.execute(query, values).fetchall()

    def _check_embedder(self) -> None:
        rows = self._rows("select value from facts where name = 'embedder'")
        if not rows:
            self._rows("insert into facts values ('embedder', ?)", [self.embedder.name])
        elif rows[0][0] != self.embedder.name:
            raise UserError(
                f"{self.path} was built with the embedder {rows[0][0]}; the config says {self.embedder.name}",
                'run "groundtune sync --rebuild"',
            )

    def _read_matrix(self) -> Matrix:
        """The vectors; read again after another process, or this one, has changed the index."""
        with self._lock:
            ((others,),) = self._rows("pragma data_version")
            state = (int(others), self._db.total_changes)
            if self._matrix is None or self._matrix.state != state:
                rows = self._rows(
                    """select p.id, p.vector, d.readers
                        from passages p join documents d on d.id = p.document order by p.id"""
                )
                try:
                    self._matrix = _matrix(rows, state)
                except ValueError as error:
                    raise database.damaged(self.path, error) from error
            return self._matrix


def _best(scores: Vectors, n: int) -> np.ndarray[Any, np.dtype[np.int64]]:
    """The places of the n highest scores, best first; equal ones in their order."""
    away = -scores
    n = min(n, len(away))
    near = np.flatnonzero(away <= np.partition(away, n - 1)[n - 1])  # n of them, and more where the last ones are equal
    return near[np.argsort(away[near], kind="stable")[:n]]


def _matrix(rows: Sequence[tuple[int, bytes, str]], state: tuple[int, int]) -> Matrix:
    audiences = {readers: number for number, readers in enumerate(dict.fromkeys(row[2] for row in rows))}
    vectors = np.frombuffer(b"".join(row[1] for row in rows), dtype=np.float32)
    return Matrix(
        ids=np.array([row[0] for row in rows], dtype=np.int64),
        vectors=vectors.reshape(len(rows), -1) if rows else vectors.reshape(0, 1),
        audiences=tuple(frozenset(json.loads(readers)) for readers in audiences),
        audience=np.array([audiences[row[2]] for row in rows], dtype=np.int64),
        state=state,
    )


def embedded_text(passage: Passage) -> str:
    """The text whose vector stands for a passage: what it stands under, and its own."""
    context = _context(passage)
    return f"{context}\n{passage.text}" if context else passage.text


def _context(passage: Passage) -> str:
    """What a passage stands under: its document's title and its heading. Searched and embedded with its text."""
    headings = [part for part in passage.heading.split(" > ") if part and part != passage.title]
    return " > ".join([passage.title, *headings] if passage.title else headings)


def _groups(reader: Reader) -> str:
    return json.dumps(sorted(reader.groups))
