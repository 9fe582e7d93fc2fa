"""A config's parts in memory: sources, index, retriever, model, approaches. Each is made when it is first needed."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import cached_property

from groundtune import parse, plug
from groundtune.config import Config
from groundtune.errors import UserError
from groundtune.examples.read import Loaded, read_examples
from groundtune.index.store import SqliteIndex
from groundtune.metrics.evidence import holds
from groundtune.models import load_backend, load_embedder
from groundtune.models.backend import Backend
from groundtune.types import (
    EVERYONE,
    Document,
    Example,
    Hit,
    LeftOut,
    NoProgress,
    Passage,
    Progress,
    Reader,
    Retriever,
    Source,
)
from groundtune.workspace import Workspace, digest


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
        return load_backend(self.config.model)


class InMemory:
    """A source over documents that are already read."""

    def __init__(self, documents: Sequence[Document]) -> None:
        self._documents = documents

    def documents(self, left_out: Callable[[LeftOut], None]) -> Iterator[Document]:
        """All of them."""
        yield from self._documents


def solved_cases(examples: Sequence[Example]) -> list[Document]:
    """Train examples as documents, so that retrieval has something to find where there are no documents."""
    cues = {"labels": ("Text", "Label"), "text": ("Input", "Output"), "qa": ("Q", "A")}
    documents = []
    for example in examples:
        ask, answer = cues[example.task]
        text = f"{ask}: {example.question}\n{answer}: {example.answers[0] if example.answers else ''}"
        documents.append(Document(solved_case(example), text, "", digest(text), ""))
    return documents


def solved_case(example: Example) -> str:
    """The id of the document that `solved_cases` makes of an example."""
    return f"example/{example.id}"


class LeaveOneOut:
    """A retriever that finds for a train question everything but its own solved case."""

    def __init__(self, retriever: Retriever, examples: Sequence[Example]) -> None:
        self._retriever = retriever
        self._own = {example.question: solved_case(example) for example in examples}

    def search(self, queries: Sequence[str], k: int, reader: Reader = EVERYONE) -> list[list[Hit]]:
        """As the retriever does, one passage deeper, so that `k` are left."""
        found = self._retriever.search(queries, k + 1, reader)
        return [
            [hit for hit in hits if hit.passage.document != self._own.get(query)][:k]
            for query, hits in zip(queries, found, strict=True)
        ]


def holds_evidence(passage: Passage, example: Example) -> bool:
    """Whether a passage holds the example's evidence; without known evidence, whether it holds an answer."""
    if example.evidence:
        return any(holds(passage.document, passage.text, piece) for piece in example.evidence)
    return any(answer.lower() in passage.text.lower() for answer in example.answers if example.task == "qa")
