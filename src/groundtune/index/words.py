"""The words of passages in an inverted index (tantivy): BM25 over word stems, on disk or in memory.

It is made from the passages alone and can be made again from them at any time; see sqlite.py for how they keep in step.
"""

from __future__ import annotations

import errno
import re
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from shutil import disk_usage
from typing import Any

import numpy as np

from groundtune.errors import UserError
from groundtune.workspace import disk_errors

FORMAT = 1  # raised when what is written into the index changes, so that an older one is made anew
HEAP = 50_000_000  # bytes that a writer gathers before it writes a segment
FULL = 1_000_000  # bytes left on a disk that is full: less than a segment with its files takes
LONGEST = 100  # bytes of a word; longer ones are data in disguise
MOST_TERMS = 512  # of a query: enough for a page of text

Ids = np.ndarray[Any, np.dtype[np.int64]]
Scores = np.ndarray[Any, np.dtype[np.float32]]


class Words:
    """Texts by number, found by their words."""

    def __init__(self, folder: Path | None, language: str) -> None:
        """Opens the index in a folder, or makes it; without a folder it lives in memory.

        language: whose stems words are reduced to, "none" for none. Raises UserError where the files are damaged.
        """
        import tantivy

        self._tantivy = tantivy
        self._folder = folder
        schema = tantivy.SchemaBuilder()
        schema.add_unsigned_field("id", indexed=True, fast=True)
        schema.add_text_field("text", tokenizer_name="stems", index_option="freq")
        self._schema = schema.build()
        self._analyzer = analyzer(language)
        with self._errors():
            if folder is not None:
                folder.mkdir(parents=True, exist_ok=True)
            self._index = self._opened()
            self._searcher = self._index.searcher()

    def search(self, query: str, n: int) -> tuple[Ids, Scores]:
        """The numbers of the `n` best texts that share words with the query, and their BM25 scores, best first."""
        query_class, should = self._tantivy.Query, self._tantivy.Occur.Should
        terms = list(dict.fromkeys(self._analyzer.analyze(clean(query))))[:MOST_TERMS]
        if not terms:
            return np.empty(0, np.int64), np.empty(0, np.float32)
        with self._errors():
            schema = self._index.schema
            clauses = [(should, query_class.term_query(schema, "text", term, "freq")) for term in terms]
            searcher = self._searcher  # addresses are of this one; another thread may reload meanwhile
            hits = searcher.search(query_class.boolean_query(clauses), n, count=False).hits
            ids = searcher.fast_field_values("id", [address for _, address in hits])
        return np.array(ids, np.int64), np.array([score for score, _ in hits], np.float32)

    def change(self, removed: Iterable[int], added: Iterable[tuple[int, str]]) -> None:
        """Takes texts out and puts texts in, durably and all at once."""
        query = self._tantivy.Query
        with self._errors():
            if self._folder is not None:
                self._index = self._opened()  # what it knows of the files is from when it was opened
            writer = self._index.writer(HEAP, 1)
            try:
                # A process that was killed as it committed left files whose names the next commit asks for.
                writer.garbage_collect_files()
                # By a query: delete_documents_by_term passes over unsigned numbers without a word (seen in tantivy
                # 0.27).
                writer.delete_documents_by_query(query.term_set_query(self._index.schema, "id", list(removed)))
                for id, text in added:
                    document = self._tantivy.Document()
                    document.add_unsigned("id", id)
                    document.add_text("text", clean(text))
                    writer.add_document(document)
                writer.commit()
            finally:
                writer.wait_merging_threads()  # gives back the lock on the folder too
        self.reload()

    def count(self) -> int:
        """How many texts there are."""
        return int(self._searcher.num_docs)

    def lies_in(self, folder: Path) -> bool:
        """Whether this is the index in that folder."""
        return self._folder == folder

    def reload(self) -> None:
        """Sees what another process has changed."""
        with self._errors():
            self._index.reload()
            self._searcher = self._index.searcher()

    def ids(self) -> set[int]:
        """The numbers of all texts."""
        searcher = self._searcher
        if not searcher.num_docs:
            return set()
        with self._errors():
            hits = searcher.search(self._tantivy.Query.all_query(), searcher.num_docs, count=False).hits
            ids = searcher.fast_field_values("id", [address for _, address in hits])
            return {int(id) for id in ids if id is not None}

    def _opened(self) -> Any:
        index = self._tantivy.Index(self._schema, path=None if self._folder is None else str(self._folder))
        index.register_tokenizer("stems", self._analyzer)
        return index

    @contextmanager
    def _errors(self) -> Iterator[None]:
        """What tantivy raises, as messages: a full disk as such, all else as damage."""
        folder = self._folder or Path("words")
        try:
            with disk_errors(folder), _numbered(self._folder):
                yield
        except UserError:
            raise
        except BaseException as error:
            if isinstance(error, (OSError, ValueError)) or type(error).__name__ == "PanicException":  # of Rust
                hint = 'remove this folder and run "groundtune sync": it is made anew'
                raise UserError(f"{folder}: damaged ({error})", hint) from error
            raise


@contextmanager
def _numbered(folder: Path | None) -> Iterator[None]:
    """tantivy says an error of the system in words alone; `disk_errors` knows it by its number."""
    try:
        yield
    except ValueError as error:
        found = re.search(r"\bOs { code: (\d+)", str(error))
        if found is not None:
            raise OSError(int(found[1]), str(error)) from error
        # A thread of its own that failed does not say at what: the disk itself is asked.
        if folder is not None and "Worker thread failed" in str(error) and disk_usage(folder).free < FULL:
            raise OSError(errno.ENOSPC, str(error)) from error
        raise


def clean(text: str) -> str:
    """The text without half surrogates, which no index can store."""
    return text.encode(errors="replace").decode()


def analyzer(language: str) -> Any:
    """Splits a text at whatever is no letter and no digit; case, accents and the endings of words do not count."""
    from tantivy import Filter, TextAnalyzerBuilder, Tokenizer

    builder = (
        TextAnalyzerBuilder(Tokenizer.simple())
        .filter(Filter.remove_long(LONGEST + 1))  # of so many and more
        .filter(Filter.lowercase())
        .filter(Filter.ascii_fold())
    )
    return (builder if language == "none" else builder.filter(Filter.stemmer(language))).build()
