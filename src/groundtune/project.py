"""A config's parts in memory: sources, index, retriever, model, approaches. Each is made when it is first needed."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import cached_property

from groundtune import parse, plug
from groundtune.config import Config
from groundtune.errors import UserError
from groundtune.examples.read import Loaded, read_examples
from groundtune.index.store import SqliteIndex
from groundtune.models import load_backend, load_embedder
from groundtune.models.backend import Backend
from groundtune.models.weights import needs_conversion
from groundtune.types import Document, LeftOut, NoProgress, Progress, Retriever, Source
from groundtune.workspace import Workspace


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
        table = self.config.examples
        if table.path is None:
            raise UserError("[examples] path is missing", "name the file of your examples (docs/examples.md)")
        return read_examples(table.path, format=table.format, task=table.task, columns=table.columns)

    @cached_property
    def sources(self) -> list[Source]:
        """The sources of the config; the examples' own documents (SQuAD, BEIR) where it names none."""
        if not self.config.sources:
            return [InMemory(self.loaded.documents)] if self.loaded.documents else []
        return [
            plug.make("sources", table.kind, table.options, parse, where="[[sources]]") for table in self.config.sources
        ]

    @cached_property
    def index(self) -> SqliteIndex:
        return SqliteIndex(self.workspace.index, load_embedder(self.config.embedder))

    @cached_property
    def retriever(self) -> Retriever:
        table = self.config.retrieve
        retriever: Retriever = plug.make("retrieve", table.kind, table.options, self.index, where="[retrieve]")
        return retriever

    @cached_property
    def backend(self) -> Backend:
        if needs_conversion(self.config.model.name):
            self.progress.say(f"converting the weights of {self.config.model.name}, once")
        return load_backend(self.config.model)


class InMemory:
    """A source over documents that are already read."""

    def __init__(self, documents: Sequence[Document]) -> None:
        self._documents = documents

    def documents(self, left_out: Callable[[LeftOut], None]) -> Iterator[Document]:
        """All of them."""
        yield from self._documents
