"""Evidence: was the right passage found, does the answer stand in what it cites, was it right to abstain?"""

from __future__ import annotations

import math
from collections.abc import Sequence

from groundtune.metrics.words import stands_in, words
from groundtune.types import Answer, Evidence, Example, Hit

_HALF_QUOTE = 5  # a half of a quote that is cut by the end of a passage must have so many words to be known by


def retrieval_scores(example: Example, hits: Sequence[Hit]) -> dict[str, float]:
    """How well a search, at least 10 hits deep, found the example's evidence; nothing where no evidence is known.

    A piece of evidence is found at the rank of the first hit that holds it. recall@k: the share of the pieces that are
    found up to rank k. ndcg@10 (Järvelin & Kekäläinen 2002, binary gains): the sum of 1 / log2(1 + rank), divided by
    what the best order would give. mrr: 1 / the rank of the piece found first. Where passages are whole documents these
    are the measures of trec_eval; where they are not, a second passage of a document that was found gains nothing.
    """
    if not example.evidence:
        return {}
    ranks = _ranks(example.evidence, hits)
    return {
        **{f"recall@{k}": _recall(ranks, k) for k in (1, 3, 5)},
        "ndcg@10": _ndcg(ranks, 10),
        "mrr": 1 / min(ranks),
    }


def prompt_scores(example: Example, answer: Answer) -> dict[str, float]:
    """recall@1 and recall@k of the k passages that an answer was made from, 0 where none was found.

    For approaches with a retriever alone; nothing where no evidence is known.
    """
    if not example.evidence:
        return {}
    ranks = _ranks(example.evidence, answer.hits)
    return {"recall@1": _recall(ranks, 1), "recall@k": _recall(ranks, len(answer.hits))}


def citation_scores(example: Example, answer: Answer) -> dict[str, float]:
    """What an answer's citations are worth; nothing for an abstention, or for an answer that was made without passages.

    cited (short answers alone): the answer's words stand, in this order, in a passage that it cites; an answer from
    passages that cites none of them is not cited. evidence_cited: it cites a passage that holds the example's evidence.
    """
    if answer.abstained or not (answer.citations or answer.hits):
        return {}
    scores = {}
    if example.task == "qa":
        said = words(answer.text)
        scores["cited"] = float(any(stands_in(said, words(citation.text)) for citation in answer.citations))
    if example.evidence:
        scores["evidence_cited"] = float(
            any(holds(c.document, c.text, evidence) for c in answer.citations for evidence in example.evidence)
        )
    return scores


def abstention_scores(example: Example, answer: Answer) -> dict[str, float]:
    """abstained: 1 if there was no answer. abstained_rightly: the same, for examples that cannot be answered."""
    scores = {"abstained": float(answer.abstained)}
    if not example.answers:
        scores["abstained_rightly"] = float(answer.abstained)
    return scores


def holds(document: str, text: str, evidence: Evidence) -> bool:
    """Whether a passage (its document's id and its text) holds a piece of evidence.

    With a quote, the passage must hold it, or that half of it which the passage's end has left, or lie within it. Case,
    punctuation and white space do not count. Without a quote, any passage of the document will do; without a document,
    any document that holds the quote.
    """
    if evidence.document not in ("", document):
        return False
    if not evidence.quote.strip():
        return bool(evidence.document)
    quote, passage = words(evidence.quote), words(text)
    half = math.ceil(len(quote) / 2)
    parts = [quote, quote[:half], quote[-half:]] if half >= _HALF_QUOTE else [quote]
    return any(stands_in(part, passage) for part in parts) or (
        len(passage) >= _HALF_QUOTE and stands_in(passage, quote)
    )


def _ranks(pieces: Sequence[Evidence], hits: Sequence[Hit]) -> list[float]:
    """For each piece of evidence the rank, from 1, of the first hit that holds it; infinite if none does."""
    return [
        next(
            (rank for rank, hit in enumerate(hits, start=1) if holds(hit.passage.document, hit.passage.text, piece)),
            math.inf,
        )
        for piece in dict.fromkeys(pieces)
    ]


def _recall(ranks: list[float], k: int) -> float:
    return sum(rank <= k for rank in ranks) / len(ranks)


def _ndcg(ranks: list[float], k: int) -> float:
    found = sum(1 / math.log2(1 + rank) for rank in ranks if rank <= k)
    ideal = sum(1 / math.log2(1 + rank) for rank in range(1, min(len(ranks), k) + 1))
    return min(1.0, found / ideal)  # one passage may hold several pieces, and then does better than one rank each
