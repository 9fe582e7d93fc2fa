"""SciFact through the product's own index and retrievers: nDCG@10 and recall, beside bm25s.

python -m benchmarks.retrieval [--json] [--minutes 20] [--passage-chars 800]

5,183 abstracts, cut into passages as any document is; a document's score is its best passage's. The fusion weight is
chosen on the 809 train questions, and `tuned` is the embedder tuned on them. SciFact asks about documents that training
saw (*knowledge*): 196 of its 300 test questions share a relevant abstract with a train question. So what was fitted is
reported for the other 104 as well, which say whether anything but these documents was learnt.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import ir_measures
from ir_measures import R, nDCG

from benchmarks.data import data
from groundtune.config import Config, EmbedderTable, ExamplesTable, IndexTable, RetrieveTable, WorkspaceTable
from groundtune.progress import TerminalProgress
from groundtune.project import Project
from groundtune.stages import bring
from groundtune.stages.retrieval import fit
from groundtune.types import Evidence, Example

MEASURES = [nDCG @ 10, R @ 1, R @ 3, R @ 5, R @ 10, R @ 100]
DEEP = 400  # passages asked for, so that there are 100 documents among them
Qrels = Mapping[str, Mapping[str, int]]
Run = Mapping[str, Mapping[str, float]]


def main() -> None:
    """Indexes, fits, asks, and prints a table."""
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--json", action="store_true")
    arguments.add_argument("--minutes", type=float, default=20.0)
    arguments.add_argument("--passage-chars", type=int, default=800)
    given = arguments.parse_args()
    folder = data("scifact")
    questions = {row["_id"]: row["text"] for row in rows(folder / "queries.jsonl")}
    train, test = qrels(folder / "qrels" / "train.tsv"), qrels(folder / "qrels" / "test.tsv")
    taught = {document for relevant in train.values() for document in relevant}
    apart = {query: relevant for query, relevant in test.items() if not taught & relevant.keys()}
    asked = {query: questions[query] for query in test}
    examples = [
        Example(query, "qa", questions[query], (), tuple(map(Evidence, relevant)), min(relevant))
        for query, relevant in train.items()
    ]
    result: dict[str, dict[str, float]] = {"bm25s": scored(test, by_bm25s(folder, asked))}
    with tempfile.TemporaryDirectory() as place:
        for name, kind, tune in (
            ("words", "lexical", False),
            ("vectors", "dense", False),
            ("hybrid", "hybrid", False),
            ("tuned", "hybrid", True),
        ):
            project = opened(Path(place), folder, kind, given.passage_chars, given.minutes if tune else None)
            bring(project)
            fitted = fit(project, examples, "tuned") if kind == "hybrid" else {}
            project.workspace.finish("retrieval", "benchmark", fitted)
            project.forget_index()
            run = by_documents(project, asked)
            result[name] = scored(test, run) | {f"{key} (apart)": value for key, value in scored(apart, run).items()}
            result[name] |= {"weight": fitted["weight"]} if "weight" in fitted else {}
            project.forget_index()
    if given.json:
        print(json.dumps({"scifact": result, "test": len(test), "apart": len(apart)}))
        return
    print(f"SciFact, {len(test)} test questions; apart: the {len(apart)} that share no abstract with a train question")
    keys = [str(measure).lower() for measure in MEASURES]
    print(f"| retriever | {' | '.join(keys)} | ndcg@10 (apart) | weight |\n|{'---|' * (len(keys) + 3)}")
    for name, values in result.items():
        figures = [f"{values[key]:.4f}" for key in keys]
        others = [f"{values[key]:.4g}" if key in values else "-" for key in ("ndcg@10 (apart)", "weight")]
        print(f"| {name} | {' | '.join([*figures, *others])} |")


def opened(place: Path, folder: Path, kind: str, passage_chars: int, minutes: float | None) -> Project:
    """A project over the abstracts; all of them share one workspace, and so one index."""
    config = Config(
        workspace=WorkspaceTable(path=place),
        examples=ExamplesTable(path=folder, question="knowledge"),
        index=IndexTable(passage_chars=passage_chars),
        embedder=EmbedderTable(tune=minutes is not None, minutes=minutes or 1),
        retrieve=RetrieveTable.model_validate({"kind": kind, **({} if kind == "lexical" else {"min_similarity": -1})}),
    )
    return Project(config, TerminalProgress())


def by_documents(project: Project, asked: Mapping[str, str]) -> Run:
    """The documents that a project's retriever finds, each with the score of its best passage."""
    run: dict[str, dict[str, float]] = {}
    for query, hits in zip(asked, project.retriever.search(list(asked.values()), DEEP), strict=True):
        best: dict[str, float] = {}
        for hit in hits:
            best[hit.passage.document] = max(hit.score, best.get(hit.passage.document, hit.score))
        run[query] = best
    return run


def by_bm25s(folder: Path, asked: Mapping[str, str]) -> Run:
    """What bm25s finds among whole abstracts, with its own stop words and English stems."""
    import bm25s
    import Stemmer

    documents = rows(folder / "corpus.jsonl")
    tokenize: Callable[[Sequence[str]], object] = lambda texts: bm25s.tokenize(  # noqa: E731
        list(texts), stopwords="en", stemmer=Stemmer.Stemmer("english"), show_progress=False
    )
    index = bm25s.BM25()
    index.index(tokenize([f"{row['title']} {row['text']}" for row in documents]), show_progress=False)
    found, scores = index.retrieve(tokenize(list(asked.values())), k=100, show_progress=False)
    return {
        query: {documents[int(place)]["_id"]: float(score) for place, score in zip(places, values, strict=True)}
        for query, places, values in zip(asked, found, scores, strict=True)
    }


def scored(qrels: Qrels, run: Run) -> dict[str, float]:
    """The measures over the questions of the qrels."""
    found = ir_measures.calc_aggregate(MEASURES, qrels, {query: run[query] for query in qrels})
    return {str(measure).lower(): round(float(found[measure]), 4) for measure in MEASURES}


def rows(path: Path) -> list[dict[str, str]]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def qrels(path: Path) -> dict[str, dict[str, int]]:
    """Question -> document -> 1, for what is relevant."""
    found: dict[str, dict[str, int]] = {}
    for line in path.read_text(encoding="utf-8").splitlines()[1:]:
        query, document, score = line.split("\t")
        if int(score) > 0:
            found.setdefault(query, {})[document] = 1
    return found


if __name__ == "__main__":
    main()
