"""A config's parts in memory: sources, index, retriever, model, approaches. Each is made when it is first needed."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from functools import cached_property
from pathlib import Path
from typing import Literal

from groundtune import parse, plug
from groundtune.cases import CASE_CHARS
from groundtune.config import Config
from groundtune.errors import UserError
from groundtune.examples.read import Loaded, read_examples
from groundtune.index.sqlite import SqliteIndex
from groundtune.index.store import Store
from groundtune.index.sync import sync
from groundtune.models import load_backend, load_embedder, load_reranker
from groundtune.models.backend import Backend
from groundtune.models.weights import needs_conversion
from groundtune.retrieve._reranked import RerankedRetriever
from groundtune.types import (
    Document,
    Embedder,
    Index,
    LeftOut,
    NoProgress,
    Progress,
    Reranker,
    Retriever,
    Source,
    Task,
    Unchanged,
)
from groundtune.workspace import Workspace, digest, writing

EXAMPLES = "examples"  # the name of the source that the examples' own documents are


class Project:
    """What every stage works with."""

    def __init__(self, config: Config, progress: Progress | None = None, text: str = "") -> None:
        """text: the config as the user wrote it, for the report."""
        self.config = config
        self.text = text
        self.progress = progress or NoProgress()
        self.workspace = Workspace(config.workspace.path)

    @property
    def title(self) -> str:
        """The name of the folder that the project lies in."""
        return self.workspace.root.resolve().parent.name

    @cached_property
    def loaded(self) -> Loaded:
        """The examples as they are in the user's file."""
        path = self.config.examples.path
        if path is None:
            raise UserError("[examples] path is missing", "name the file of your examples (docs/examples.md)")
        return self._read(path, self.config.examples.task)

    @cached_property
    def loaded_test(self) -> Loaded | None:
        """The examples of the user's own test set, of the same task; None where a part of the others is held out."""
        path = self.config.examples.test_path
        return None if path is None else self._read(path, self.loaded.task)

    def _read(self, path: Path, task: Task | Literal["auto"]) -> Loaded:
        table = self.config.examples
        return read_examples(path, format=table.format, task=task, columns=table.columns)

    @cached_property
    def sources(self) -> dict[str, Source]:
        """The sources of the config by name; the examples' own documents (SQuAD, BEIR) where it names none."""
        if not self.config.sources:
            loaded = [self.loaded, *([self.loaded_test] if self.loaded_test else [])]
            documents = {document.id: document for one in loaded for document in one.documents}
            return {EXAMPLES: InMemory(tuple(documents.values()))} if documents else {}
        return {
            name: plug.make("sources", table.kind, table.options, parse, where="[[sources]]")
            for name, table in self.config.named_sources.items()
        }

    @cached_property
    def index(self) -> Store:
        return open_index(self.config, self.workspace.index, self._embedder)

    @property
    def _embedder(self) -> Embedder:
        fitted = self.workspace.last("retrieval").get("queries") if self.config.embedder.tune else None
        return load_embedder(self.config.embedder, self.workspace.embedder(fitted) if fitted else None)

    def forget_index(self) -> None:
        """Opens the index anew when it is next needed: another one lies in its place."""
        if "index" in self.__dict__:
            self.__dict__.pop("index").close()
        self.forget_retriever()

    def forget_retriever(self) -> None:
        """Makes the retriever anew when it is next needed: it is fitted otherwise by now."""
        self.__dict__.pop("retriever", None)

    @cached_property
    def retriever(self) -> Retriever:
        return self.retriever_over(self.index)

    def retriever_over(self, index: Index) -> Retriever:
        """The config's retriever over any index: an earlier state of ours, for instance."""
        table = self.config.retrieve
        fitted = self.workspace.last("retrieval") if table.kind == "hybrid" else {}
        options = {"weight": fitted["weight"], **table.options} if "weight" in fitted else table.options
        retriever: Retriever = plug.make("retrieve", table.kind, options, index, where="[retrieve]")
        return RerankedRetriever(retriever, self._reranker, table.rerank) if self._reranker else retriever

    def bring_cases(self, cases: Sequence[Document]) -> None:
        """Makes the index of solved cases anew where they are others. Where there are no documents there is none: the
        cases are in the project's index."""
        if not self.sources:
            return
        table, folder, embedder = self.config.index, self.workspace.cases, self._plain_embedder
        inputs = digest([embedder.name, table.language, CASE_CHARS, [(one.id, one.stamp) for one in cases]])
        if self.workspace.done("cases", inputs) is not None:
            return
        if "_cases" in self.__dict__:
            self.__dict__.pop("_cases").close()
        self.workspace.begin("cases")
        with writing(folder) as aside, closing(SqliteIndex(aside, embedder, table.language)) as index:
            sync(index, {EXAMPLES: InMemory(cases)}, CASE_CHARS, progress=self.progress)
        self.workspace.finish("cases", inputs, {"cases": len(cases)})

    def retriever_of_cases(self) -> Retriever:
        """The config's retriever over the solved cases as they were last indexed. Raises UserError where they never
        were."""
        if not self.sources:
            return self.retriever
        table = self.config.retrieve
        retriever: Retriever = plug.make("retrieve", table.kind, table.options, self._cases, where="[retrieve]")
        return retriever

    @cached_property
    def _cases(self) -> SqliteIndex:
        if not self.workspace.last("cases"):
            raise UserError("the train examples are not indexed yet", 'run "groundtune run"')
        return SqliteIndex(self.workspace.cases, self._plain_embedder, self.config.index.language)

    @cached_property
    def _plain_embedder(self) -> Embedder:
        """As it came: its tuned side of the queries looks for passages of documents, not for questions."""
        return load_embedder(self.config.embedder)

    @cached_property
    def _reranker(self) -> Reranker | None:
        name = self.config.retrieve.reranker
        return load_reranker(name) if name else None

    @cached_property
    def backend(self) -> Backend:
        if needs_conversion(self.config.model.name):
            self.progress.say(f"converting the weights of {self.config.model.name}, once")
        return load_backend(self.config.model)

    @cached_property
    def writer(self) -> Backend | None:
        """The model that makes questions and words them anew, where one is configured for that."""
        return load_backend(self.config.writer, "writer") if self.config.writer else None


class InMemory:
    """A source over documents that are already read."""

    def __init__(self, documents: Sequence[Document]) -> None:
        self._documents = documents

    def documents(
        self, known: Mapping[str, str], left_out: Callable[[LeftOut], None]
    ) -> Iterator[Document | Unchanged]:
        """All of them."""
        for document in self._documents:
            yield Unchanged(document.id) if known.get(document.id) == document.stamp else document


def open_index(config: Config, folder: Path, embedder: Embedder) -> Store:
    """The index of a config, in this folder where it is kept in files."""
    table = config.index
    if table.store == "postgres":
        from groundtune.index.postgres import open_postgres

        return open_postgres(table.url_env, table.schema_name, embedder, table.language)
    return SqliteIndex(folder, embedder, table.language)


@contextmanager
def rebuilding_index(config: Config, folder: Path) -> Iterator[Store]:
    """An empty index beside that of a config, to be filled. Where the block ends well it takes its place, whole."""
    table, embedder = config.index, load_embedder(config.embedder)
    if table.store == "postgres":
        from groundtune.index.postgres import rebuilding

        with rebuilding(table.url_env, table.schema_name, embedder, table.language) as server:
            yield server
        return
    with writing(folder) as aside, closing(SqliteIndex(aside, embedder, table.language)) as index:
        yield index
