"""Examples and documents: the split, the index, and the gates between them."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from functools import cache
from pathlib import Path

from groundtune.cases import case_chars, solved_cases
from groundtune.errors import UserError
from groundtune.examples.leaks import find_leaks, gate
from groundtune.examples.split import Split, split, split_as_given
from groundtune.examples.store import from_row, to_row
from groundtune.index.store import Store
from groundtune.index.sync import Summary, known_of, sync
from groundtune.index.verify import Difference, verify
from groundtune.metrics.words import stands_in, words
from groundtune.project import EXAMPLES, InMemory, Project, rebuilding_index
from groundtune.types import Evidence, Example, Json, Reader, Source
from groundtune.workspace import digest, read_jsonl, write_jsonl

LONGEST_ANSWER = 512  # tokens, where [prompt] max_tokens does not say
NAMED = 10  # documents that a sync names one by one


def split_stage(project: Project) -> Json:
    """Train and test examples, apart from here on: nothing before `measure` opens the test file."""
    table = project.config.examples
    inputs = digest([table, project.config.question, file_digest(table.path), file_digest(table.test_path)])
    done = project.workspace.done("split", inputs)
    if done is not None:
        return done
    given = [one for one in (project.loaded, project.loaded_test) if one is not None]
    examples = [example for one in given for example in one.examples]
    if any(one.retrieval_only for one in given):
        raise UserError(
            f"{table.path}: its questions have evidence but no answers, so there is nothing to tune on or to score",
            "give the questions answers (docs/examples.md)",
        )
    parts = _parts(project)
    if project.config.question == "skill" and project.config.sources:
        _insist_on_documents(table.path, examples)
    notes = [*(note for one in given for note in one.notes), *parts.notes]
    project.workspace.begin("split")
    write_jsonl(project.workspace.train, [to_row(example) for example in parts.train])
    write_jsonl(project.workspace.test, [to_row(example) for example in parts.test])
    trained_on = {piece.document for example in parts.train for piece in example.evidence}
    others = {piece.document for example in examples for piece in example.evidence}
    task = project.loaded.task
    result = {
        "task": task,
        "notes": notes,
        "train": len(parts.train),
        "test": len(parts.test),
        "test_groups": len({example.group for example in parts.test}),
        "choices": sorted({answer for e in examples for answer in e.answers}) if task == "labels" else [],
        "held_out_documents": sorted(others - trained_on),
        "longest_answer": _longest_answer(parts.train),
    }
    project.workspace.finish("split", inputs, result)
    for note in (*notes, *_cut_answers(project, parts.train)):
        project.progress.say(note)
    return result


def _insist_on_documents(path: Path | None, examples: Sequence[Example]) -> None:
    """Raises UserError where it is not known which documents are those of the test: tuning must be kept from them."""
    hint = 'without that, tuning cannot be kept from the test\'s documents: add "evidence", or ask for knowledge'
    if not any(example.evidence for example in examples):
        raise UserError(
            f'[examples] question = "skill", but no example in {path} names a document that it is about', hint
        )
    unnamed = [one for one in examples if one.evidence and not all(piece.document for piece in one.evidence)]
    if unnamed:
        raise UserError(
            f'[examples] question = "skill", but {len(unnamed):,} examples in {path} have evidence that does not '
            f'say in which document it stands (the first: "{unnamed[0].id}")',
            hint,
        )


def last_split(project: Project) -> Json:
    """What the last split says, though the examples may have been edited since: that is what was built and measured.

    All but `split_stage` read it, so that serving writes nothing. Raises UserError where nothing was split yet.
    """
    facts = project.workspace.last("split")
    if not facts:
        raise UserError("the examples are not split yet", 'run "groundtune run"')
    return facts


def _parts(project: Project) -> Split:
    """Train and test: the user's own test set, or a part of the examples that is held out."""
    table, question, examples = project.config.examples, project.config.question, project.loaded.examples
    if project.loaded_test is None:
        return split(
            examples, question=question, test_share=table.test_share, test_most=table.test_most, seed=table.seed
        )
    test = project.loaded_test.examples
    return split_as_given(examples, test, question=question, test_most=table.test_most, seed=table.seed)


def sync_stage(project: Project, *, rebuild: bool = False) -> Summary:
    """Brings the index in step with the sources, then looks for leaks between train, test and documents.

    rebuild: makes the index from nothing, beside the one that is there, which answers until then. A source that could
    not be read is named in the summary; the others are in step.
    """
    summary = rebuilt(project) if rebuild else bring(project)
    report_sync(project, summary)
    # What one changed document takes: all are looked at, one is embedded. Known from the last sync that had work to do.
    work = len(summary.added) + len(summary.changed)
    took = summary.reading_seconds + summary.embedding_seconds / max(1, work)
    update = took if work else project.workspace.last("sync").get("update_seconds", took)
    left_out = [asdict(item) for item in summary.left_out]
    project.workspace.finish("sync", "last", {"update_seconds": update, "left_out": left_out})
    if project.config.examples.path is not None and not summary.failed:
        _check_leaks(project)
    return summary


def insist(summary: Summary) -> None:
    """Raises the error of the first source that could not be read, where there is one."""
    for failed in summary.failed:
        raise type(failed.error)(f"{failed.source}: {failed.error.message}", failed.error.hint)


def bring(project: Project, only: Mapping[str, Source] | None = None, index: Store | None = None) -> Summary:
    """Brings an index in step with the sources, or with only these of them, by name.

    index: the project's own where none is given.
    """
    sources = _sources(project)
    tables = project.config.named_sources
    return sync(
        index or project.index,
        sources if only is None else only,
        _passage_chars(project),
        names=list(sources),
        settings={name: digest(tables[name].options) for name in sources if name in tables},
        keep=project.config.index.keep,
        progress=project.progress,
    )


def known(project: Project, name: str) -> dict[str, str]:
    """What a sync would tell the source of this name that the index has from it."""
    table = project.config.named_sources[name]
    return known_of(project.index, name, project.config.index.passage_chars, digest(table.options))


def rebuilt(project: Project) -> Summary:
    """The index made from nothing. It takes the old one's place at its end, whole."""
    with rebuilding_index(project.config, project.workspace.index) as index:
        summary = bring(project, index=index)
        insist(summary)  # what a source cannot give now is in the old index
    project.forget_index()
    return summary


def differences(project: Project) -> list[Difference]:
    """Where the index differs from the sources."""
    return verify(project.index, _sources(project), _passage_chars(project))


def _sources(project: Project) -> Mapping[str, Source]:
    """The project's sources; where it has none, the train examples as solved cases."""
    if project.sources:
        return project.sources
    split_stage(project)
    return {EXAMPLES: InMemory(solved_cases(train_examples(project), _passage_chars(project)))}


def _passage_chars(project: Project) -> int:
    """A solved case is one passage."""
    chars = project.config.index.passage_chars
    return chars if project.sources else case_chars(project.config.retrieve.k, chars)


def report_sync(project: Project, summary: Summary) -> None:
    """Says what a sync did."""
    documents, passages = project.index.counts()
    project.progress.say(
        f"{documents:,} documents, {passages:,} passages: {len(summary.added):,} added, {len(summary.changed):,} "
        f"changed, {len(summary.removed):,} removed, {summary.unchanged:,} as they were, "
        f"{len(summary.left_out):,} left out; {summary.embedded:,} passages embedded"
    )
    for what, ids in (("added", summary.added), ("changed", summary.changed), ("removed", summary.removed)):
        if 0 < len(ids) <= NAMED:
            project.progress.say(f"{what}: {', '.join(ids)}")
    for failed in summary.failed:
        project.progress.say(f"failed: {failed.source}: {failed.error.message}; what the index has from it stays")
    for item in summary.left_out[:NAMED]:
        stays = "; the version that was read last stays" if item.passing else ""
        project.progress.say(f"left out: {item.id}: {item.reason}{stays}")
    if len(summary.left_out) > NAMED:
        project.progress.say(f"and {len(summary.left_out) - NAMED:,} more left out; --json lists them all")


def _check_leaks(project: Project) -> None:
    split_stage(project)
    allow = project.config.examples.allow_leaks
    inputs = digest([project.index.digest(), file_digest(project.workspace.test), allow])
    if project.workspace.done("leaks", inputs) is None:
        # Where there are no documents, the train examples are in the index, and are no evidence of anything.
        texts = project.index.documents(Reader(project.index.groups())) if project.sources else {}
        examples = test_examples(project)
        if not project.sources:
            examples = [Example(e.id, e.task, e.question, e.answers, (), e.group) for e in examples]
        notes = gate(find_leaks(train_examples(project), examples, texts), allow=allow)
        project.workspace.finish("leaks", inputs, {"notes": notes})
        for note in notes:
            project.progress.say(note)


def train_examples(project: Project) -> list[Example]:
    """What tuning and the choice of prompts may see, as it was last split."""
    last_split(project)
    return [from_row(row) for row in read_jsonl(project.workspace.train)]


def open_examples(project: Project, reader: Reader) -> list[Example]:
    """The train examples without those whose evidence lies in documents that are closed to the reader."""
    texts = project.index.documents(reader)
    closed = project.index.versions().keys() - texts.keys()
    if not closed:
        return train_examples(project)

    @cache
    def said() -> list[list[str]]:  # of all open documents: only where a piece of evidence names none
        return [words(text) for text in texts.values()]

    def is_open(piece: Evidence) -> bool:
        if piece.document:
            return piece.document not in closed
        return any(stands_in(words(piece.quote), text) for text in said())

    return [example for example in train_examples(project) if all(map(is_open, example.evidence))]


def test_examples(project: Project) -> list[Example]:
    """The held-out examples, as they were last split, for `measure` and the leak gates alone."""
    last_split(project)
    return [from_row(row) for row in read_jsonl(project.workspace.test)]


def file_digest(path: Path | None) -> str:
    """The digest of a file, or of a folder's names and times; empty where there is none."""
    if path is None or not path.exists():
        return ""
    if path.is_dir():
        return digest([(str(p), p.stat().st_mtime_ns) for p in sorted(path.rglob("*"))])
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()[:16]


def _longest_answer(train: Sequence[Example]) -> int:
    """Tokens that the longest train answers need, but for one in a hundred."""
    needs = sorted(map(_needs, _answers(train)))
    return min(LONGEST_ANSWER, needs[int(0.99 * (len(needs) - 1))]) if needs else 32


def _cut_answers(project: Project, train: Sequence[Example]) -> list[str]:
    """A note on how many answers may be cut, where one in a hundred or more are."""
    given = _answers(train)
    cut = sum(_needs(answer) > LONGEST_ANSWER for answer in given)
    if project.config.prompt.max_tokens is not None or 100 * cut <= len(given):
        return []
    return [
        (
            f"{cut:,} of {len(given):,} train answers may be longer than {LONGEST_ANSWER} tokens, where answers end: "
            "[prompt] max_tokens allows more"
        )
    ]


def _answers(train: Sequence[Example]) -> list[str]:
    return [answer for example in train for answer in example.answers]


def _needs(answer: str) -> int:
    """Tokens, estimated: a generous two a word, or one in three bytes where words are long."""
    return 8 + max(2 * len(answer.split()), len(answer.encode()) // 3)
