"""One question to one approach that a run has built: the answer, where it stands, and what it took."""

from __future__ import annotations

from dataclasses import asdict, dataclass

from groundtune import stages
from groundtune.config import DecideTable
from groundtune.decide import cost_per_1000
from groundtune.errors import UserError
from groundtune.progress import printable
from groundtune.project import Project
from groundtune.types import Answer, Citation, Json
from groundtune.workspace import read_json

SHOWN = 300  # characters of a cited passage


@dataclass(frozen=True, slots=True)
class Asked:
    """An answer, with what it cost at the config's prices; nothing of it is for training."""

    approach: str
    question: str
    answer: Answer
    cost: float

    def to_json(self) -> Json:
        """Plain values: text, abstained, citations with document, heading or page, offsets and version, and costs."""
        answer = self.answer
        return {
            "approach": self.approach,
            "question": self.question,
            "answer": answer.text,
            "abstained": answer.abstained,
            "citations": [asdict(citation) for citation in answer.citations],
            "seconds": answer.seconds,
            "prompt_tokens": answer.prompt_tokens,
            "completion_tokens": answer.completion_tokens,
            "cost": self.cost,
        }

    def to_text(self) -> str:
        """The answer, its citations, its cost: as a terminal shows them."""
        answer = self.answer
        lines = [answer.text, ""]
        for number, citation in enumerate(answer.citations, start=1):
            lines += [f"[{number}] {place(citation)}", *(f"    {line}" for line in _short(citation.text).splitlines())]
        lines.append(
            f"{self.approach}: {answer.seconds:.2f} s, {answer.prompt_tokens} tokens read, "
            f"{answer.completion_tokens} written, {self.cost:.6f} at the prices of [decide]"
        )
        return printable("\n".join(lines))


def ask(project: Project, question: str, approach: str | None) -> Asked:
    """Asks one approach; the recommended one where none is named.

    Raises UserError for an empty question or an unknown approach, and where a verdict is needed but there is none.
    """
    if not question.strip():
        raise UserError("the question is empty")
    name = approach or _recommended(project)
    rows = project.config.approaches
    if name not in rows:
        raise UserError(f"--approach {name!r} is unknown; one of: {', '.join(rows)}")
    built = stages.approach(project, name)
    if built.retriever is not None:
        built.retriever.search([question], 1)  # what is loaded at first use is not the answer's time
    answer = built.answer([question])[0]
    return Asked(name, question, answer, _cost(answer, project.config.decide))


def place(citation: Citation) -> str:
    """Where a citation stands: document, heading or page, offsets, version."""
    parts = [citation.document, citation.heading, f"page {citation.page}" if citation.page else ""]
    parts += [
        f"characters {citation.start} to {citation.end}",
        f"version {citation.version}" if citation.version else "",
    ]
    return ", ".join(part for part in parts if part)


def _cost(answer: Answer, table: DecideTable) -> float:
    tokens = answer.prompt_tokens + answer.completion_tokens
    thousand = cost_per_1000(
        answer.seconds, table.price_per_hour, 0, table.queries_per_month, tokens, table.price_per_million_tokens
    )
    return thousand / 1000


def _recommended(project: Project) -> str:
    if not project.workspace.verdict.exists():
        raise UserError("there is no verdict yet", 'run "groundtune run", or name an approach: --approach rag')
    verdict = read_json(project.workspace.verdict)
    if verdict["recommended"] is None:
        best = verdict["leader"] or max(verdict["probability_best"], key=verdict["probability_best"].get)
        raise UserError("no approach is recommended (see the report)", f"name one: --approach {best}")
    return str(verdict["recommended"])


def _short(text: str) -> str:
    return text if len(text) <= SHOWN else text[:SHOWN].rsplit(" ", 1)[0] + " …"
