"""One question to one approach that a run has built: the answer, where it stands, and what it took."""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace

from groundtune import stages
from groundtune.config import DecideTable
from groundtune.decide import cost_per_1000
from groundtune.errors import UserError
from groundtune.progress import printable
from groundtune.project import Project
from groundtune.searching import indented, place, state_of
from groundtune.types import EVERYONE, Answer, Json, Reader


@dataclass(frozen=True, slots=True)
class Asked:
    """An answer, with what it cost at the config's prices; nothing of it is for training."""

    approach: str
    question: str
    answer: Answer
    cost: float
    knowledge_as_of: str = ""  # of an approach that retrieves

    def to_json(self) -> Json:
        """Plain values: text, abstained, citations with document, heading or page, offsets and version, and costs."""
        answer = self.answer
        return {
            "approach": self.approach,
            "question": self.question,
            "answer": answer.text,
            "abstained": answer.abstained,
            "confidence": answer.confidence,
            "withheld": answer.withheld,
            "citations": [asdict(citation) for citation in answer.citations],
            "seconds": answer.seconds,
            "prompt_tokens": answer.prompt_tokens,
            "completion_tokens": answer.completion_tokens,
            "cost": self.cost,
            "knowledge_as_of": self.knowledge_as_of,
        }

    def to_text(self) -> str:
        """The answer, its citations, its cost: as a terminal shows them."""
        answer = self.answer
        lines = [answer.text, ""]
        for number, citation in enumerate(answer.citations, start=1):
            lines += [f"[{number}] {place(citation)}", *indented(citation.text)]
        lines.append(
            f"{self.approach}: {answer.seconds:.2f} s, {answer.prompt_tokens} tokens read, "
            f"{answer.completion_tokens} written, {self.cost:.6f} at the prices of [decide]"
            + (f"; knowledge as of {self.knowledge_as_of}" if self.knowledge_as_of else "")
        )
        return printable("\n".join(lines))


def ask(
    project: Project, question: str, approach: str | None, reader: Reader = EVERYONE, as_of: str | None = None
) -> Asked:
    """Asks one approach; the recommended one where none is named.

    as_of: an earlier time whose knowledge it is to answer from. Raises UserError for an empty question, an unknown
    approach or a time whose state is not kept, and where a verdict is needed but there is none.
    """
    if not question.strip():
        raise UserError("the question is empty")
    name = stages.named_or_recommended(project, approach)
    built = stages.approach(project, name)
    known = ""
    if built.retriever is not None:
        state = state_of(project, as_of)
        known = state.moment
        retriever = project.retriever_over(state.index)
        retriever.search([question], 1)  # what is loaded at first use is not the answer's time
        built = replace(built, retriever=retriever)
    elif as_of is not None:
        raise UserError(f"{name} has no retriever: what it knows is of no time", "name rag or hybrid: --approach rag")
    answer = built.answer([question], reader)[0]
    return Asked(name, question, answer, _cost(answer, project.config.decide), known)


def _cost(answer: Answer, table: DecideTable) -> float:
    tokens = answer.prompt_tokens + answer.completion_tokens
    thousand = cost_per_1000(
        answer.seconds, table.price_per_hour, 0, table.queries_per_month, tokens, table.price_per_million_tokens
    )
    return thousand / 1000
