"""The nouns of Groundtune, and the protocols that its parts meet through. Nothing here imports anything heavy.

A document is cut into passages; a retriever turns queries into hits; a generator turns prompts into completions; an
approach puts the two together and gives answers; measuring an answer against an example gives a record.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, Protocol

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Vectors = NDArray[np.float32]

Task = Literal["qa", "labels", "text"]
Question = Literal["knowledge", "skill"]

# ---------------------------------------------------------------- documents


@dataclass(frozen=True, slots=True)
class Section:
    """A stretch of a document's text, `text[start:end]`, under one heading or on one page (counted from 1)."""

    start: int
    end: int
    heading: str = ""
    page: int | None = None


@dataclass(frozen=True, slots=True)
class Document:
    """One text with an identity. `readers` names the groups who may read it; empty means everyone."""

    id: str
    text: str
    title: str
    stamp: str  # what its source tells two states of it apart by, without reading it: a time, an ETag, a digest
    changed: str  # ISO 8601 time of the last change; empty where the source does not know it
    sections: tuple[Section, ...] = ()
    readers: frozenset[str] = frozenset()
    metadata: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Unchanged:
    """A document that is there and, by its stamp, as the index knows it: it was not read again."""

    id: str


@dataclass(frozen=True, slots=True)
class LeftOut:
    """A document that could not be read, and why, in a sentence for the user.

    passing: the trouble may pass by itself (a time-out, a file that is being written), so the index keeps the version
    that it has; else what it has is out of date, and goes.
    """

    id: str
    reason: str
    passing: bool = False


@dataclass(frozen=True, slots=True)
class Passage:
    """A piece of a document: `document.text[start:end] == text`."""

    id: int
    document: str
    text: str
    start: int
    end: int
    title: str = ""
    heading: str = ""
    page: int | None = None
    version: str = ""  # a digest of the document that it was cut from
    changed: str = ""  # ISO 8601 time of that document's last change


@dataclass(frozen=True, slots=True)
class Reader:
    """Who asks. A document is open to a reader if it names no readers, or one of the reader's groups."""

    groups: frozenset[str] = frozenset()


EVERYONE = Reader()


@dataclass(frozen=True, slots=True)
class Hit:
    """A passage that a search found, its score (higher is better) and the parts that the score was made of."""

    passage: Passage
    score: float
    parts: Mapping[str, float] = field(default_factory=dict)


# ---------------------------------------------------------------- examples


@dataclass(frozen=True, slots=True)
class Evidence:
    """Where an answer stands: a document's id and, where known, the words of it that say so."""

    document: str
    quote: str = ""


@dataclass(frozen=True, slots=True)
class Example:
    """A question with its right answers. No answers: it cannot be answered. Examples of one group share a split."""

    id: str
    task: Task
    question: str
    answers: tuple[str, ...]
    evidence: tuple[Evidence, ...] = ()
    group: str = ""


# ---------------------------------------------------------------- generation


@dataclass(frozen=True, slots=True)
class Message:
    role: Literal["system", "user", "assistant"]
    content: str


@dataclass(frozen=True, slots=True)
class Prompt:
    """What a generator is asked: a conversation that ends with the user.

    With `choices`, one of them is the answer. A `plain` prompt is text to be continued, without a chat template: small
    models follow a few examples much better so (benchmarks/LOG.md).
    """

    messages: tuple[Message, ...]
    choices: tuple[str, ...] = ()
    plain: bool = False


@dataclass(frozen=True, slots=True)
class Limits:
    """When a completion ends at the latest; `stop` strings are not part of it."""

    max_tokens: int = 48
    stop: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Completion:
    """A generator's reply with what it took. `seconds` is the whole batch's time shared out evenly.

    confidence: the probability that the model gave to this reply, among the choices where there are some; None where
    the generator does not tell.
    """

    text: str
    prompt_tokens: int
    completion_tokens: int
    seconds: float
    confidence: float | None = None


@dataclass(frozen=True, slots=True)
class Citation:
    """Where an answer comes from: a place in a version of a document, and the words that stand there."""

    document: str
    start: int
    end: int
    text: str
    heading: str = ""
    page: int | None = None
    version: str = ""
    changed: str = ""


@dataclass(frozen=True, slots=True)
class Answer:
    """What an approach says. An abstention has a text too (it says that nothing was found) but no citations.

    confidence: the probability that the reply is right, where it is known: calibrated (calibration.py), else the
    model's own. withheld: there was a reply, `unsaid`, but its confidence was too low ([prompt] abstain_below).
    """

    text: str
    abstained: bool = False
    citations: tuple[Citation, ...] = ()
    hits: tuple[Hit, ...] = ()
    prompt_tokens: int = 0
    completion_tokens: int = 0
    seconds: float = 0.0
    confidence: float | None = None
    withheld: bool = False
    unsaid: str = ""


# ---------------------------------------------------------------- measuring


@dataclass(frozen=True, slots=True)
class Record:
    """One approach's answer to one example, with its scores: metric name to value, higher is better."""

    approach: str
    example: Example
    answer: Answer
    scores: Mapping[str, float]


# ---------------------------------------------------------------- protocols


class Source(Protocol):
    """Where documents come from.

    It may have an attribute `watched`: a folder whose changes the system tells at once; and `may_be_empty`: true where
    it is no mistake that it holds nothing any more.
    """

    def documents(
        self, known: Mapping[str, str], left_out: Callable[[LeftOut], None]
    ) -> Iterator[Document | Unchanged]:
        """Every document there is now, one at a time; what cannot be read goes to `left_out`.

        known: id -> stamp of the documents that the index has from this source, the stamp empty where it says nothing
        any more; one whose stamp is still the same need not be read and is given as Unchanged. Raises UserError where
        the source as a whole cannot be read: the index then keeps all that it has from it.
        """
        ...


class Embedder(Protocol):
    """Texts in, unit vectors out. `name` tells what an index's vectors were made with."""

    name: str

    def embed(self, texts: Sequence[str]) -> Vectors:
        """The vectors of passages: shape (len(texts), dimensions), float32, each of length 1."""
        ...

    def embed_queries(self, queries: Sequence[str]) -> Vectors:
        """The vectors of queries, likewise: near to those of the passages that answer them."""
        ...


class Index(Protocol):
    """Passages with their words and vectors, as retrievers see them. Searches return ids with scores, best first."""

    def search_words(self, query: str, n: int, reader: Reader) -> list[tuple[int, float]]:
        """The `n` passages with the highest BM25 score that the reader may read."""
        ...

    def search_vectors(self, queries: Sequence[str], n: int, reader: Reader) -> list[list[tuple[int, float]]]:
        """For each query the `n` passages with the highest cosine that the reader may read."""
        ...

    def passages(self, ids: Sequence[int]) -> list[Passage]:
        """The passages with these ids, in this order, without those that a sync has removed meanwhile."""
        ...


class Retriever(Protocol):
    def search(self, queries: Sequence[str], k: int, reader: Reader = EVERYONE) -> list[list[Hit]]:
        """For each query its `k` best passages that the reader may read, best first."""
        ...


class Reranker(Protocol):
    name: str

    def score(self, query: str, passages: Sequence[str]) -> list[float]:
        """How well each passage answers the query; higher is better."""
        ...


class Generator(Protocol):
    name: str

    def generate(self, prompts: Sequence[Prompt], limits: Limits) -> list[Completion]:
        """One completion a prompt, in order; deterministic (greedy)."""
        ...

    def stream(self, prompt: Prompt, limits: Limits) -> Iterator[str]:
        """The same completion in pieces, as they come."""
        ...


class Progress(Protocol):
    """Tells a user what goes on. `NoProgress` where nobody watches."""

    def say(self, sentence: str) -> None:
        """Something that was found or finished."""
        ...

    def start(self, what: str, total: float | None) -> None: ...
    def advance(self, amount: float = 1) -> None: ...
    def finish(self) -> None: ...


class NoProgress:
    """Shows nothing."""

    def say(self, sentence: str) -> None:
        """Nothing."""

    def start(self, what: str, total: float | None) -> None:
        """Nothing."""

    def advance(self, amount: float = 1) -> None:
        """Nothing."""

    def finish(self) -> None:
        """Nothing."""


Json = dict[str, Any]
