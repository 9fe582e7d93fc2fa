"""One query to the retriever: the passages it finds, where each stands, and what its score is made of."""

from __future__ import annotations

from dataclasses import asdict, dataclass

from groundtune.errors import UserError
from groundtune.progress import printable
from groundtune.project import Project
from groundtune.times import moment
from groundtune.types import Citation, Hit, Index, Json, Passage, Reader

SHOWN = 300  # characters of a passage


@dataclass(frozen=True, slots=True)
class State:
    """The index as it is now, or as it was, and the time that its knowledge is of."""

    index: Index
    moment: str


@dataclass(frozen=True, slots=True)
class Found:
    """What a search found."""

    query: str
    hits: list[Hit]
    knowledge_as_of: str

    def to_json(self) -> Json:
        """Plain values: each passage with its document, offsets, version, score and the score's parts."""
        return {
            "query": self.query,
            "knowledge_as_of": self.knowledge_as_of,
            "hits": [asdict(hit.passage) | {"score": hit.score, "parts": dict(hit.parts)} for hit in self.hits],
        }

    def to_text(self) -> str:
        """The passages as a terminal shows them."""
        lines = []
        for number, hit in enumerate(self.hits, start=1):
            parts = ", ".join(f"{name} {value:.3f}" for name, value in hit.parts.items())
            lines += [f"[{number}] {hit.score:.3f} ({parts}) {place(hit.passage)}", *indented(hit.passage.text)]
        lines.append(f"{len(self.hits)} passages; knowledge as of {self.knowledge_as_of}")
        return printable("\n".join(lines))


def search(project: Project, query: str, k: int, reader: Reader, as_of: str | None) -> Found:
    """The `k` best passages that the reader may read.

    as_of: an earlier time whose index is to be searched. Raises UserError for an empty query, where there is no index
    yet and where that time's state is not kept.
    """
    if not query.strip():
        raise UserError("the query is empty")
    state = state_of(project, as_of)
    (hits,) = project.retriever_over(state.index).search([query], k, reader)
    return Found(query, hits, state.moment)


def state_of(project: Project, as_of: str | None) -> State:
    """The index at a time that a user named, or now. Raises UserError where there is none."""
    known = project.index.knowledge_as_of()
    if not known:
        raise UserError("nothing is indexed yet", 'run "groundtune sync"')
    if as_of is None:
        return State(project.index, known)
    asked = moment(as_of, "--as-of")
    return State(project.index.as_of(asked), min(asked, known))


def place(where: Citation | Passage) -> str:
    """Where a passage stands: document, heading or page, offsets, version and its time."""
    parts = [where.document, where.heading, f"page {where.page}" if where.page else ""]
    parts += [
        f"characters {where.start} to {where.end}",
        f"version {where.version[:8]} of {where.changed}" if where.version else "",
    ]
    return ", ".join(part for part in parts if part)


def indented(text: str) -> list[str]:
    """The lines of a passage's text, cut short, as they stand below its place."""
    short = text if len(text) <= SHOWN else text[:SHOWN].rsplit(" ", 1)[0] + " …"
    return [f"    {line}" for line in short.splitlines()]
