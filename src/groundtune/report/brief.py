"""report.md: the verdict in short, for a README or a pull request."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from groundtune.report.context import ReportContext
from groundtune.report.forgotten import forgotten_note, forgotten_sentences, forgotten_table
from groundtune.report.sentences import asked, data_facts, headline, setting, signature, table_note
from groundtune.report.standing import Standing
from groundtune.report.table import approaches_table
from groundtune.report.wording import p_value, share, signed
from groundtune.types import Json


def markdown(verdict: Json, context: ReportContext) -> str:
    """The text of report.md: verdict, table, comparisons, what would flip it, data, digest of the run."""
    standing = Standing(verdict)
    act, number = headline(standing)
    blocks = [f"**{_plain(act)}:** {_plain(number)}", _asked(standing, context)]
    blocks += _list("Why", verdict.get("reasons", ()))
    blocks += ["## Approaches", _approaches(standing), _plain(table_note(standing, context))]
    if leads := standing.leads():
        rows = [
            [
                _plain(lead.ahead),
                _plain(lead.behind),
                signed(lead.difference),
                f"{signed(lead.low)} to {signed(lead.high)}",
                p_value(lead.p),
            ]
            for lead in leads
        ]
        blocks += ["## Comparisons", _table(["Better", "than", "by", "interval", "p"], rows)]
    blocks += _list("What would flip it", verdict.get("flips", ()))
    blocks += _forgotten(verdict)
    blocks += _list("Data", [*data_facts(context), *context.notes])
    return "\n\n".join([*blocks, _plain(signature(standing, context))]) + "\n"


def _asked(standing: Standing, context: ReportContext) -> str:
    question = standing.verdict["question"]
    return f"{_plain(setting(standing, context))} The question asked is **{question}**: {asked(standing, context)}"


def _approaches(standing: Standing) -> str:
    table = approaches_table(standing)
    best, several = standing.verdict["probability_best"], len(standing.names) > 1
    rows = [
        [
            f"**{_plain(row.name)}**" if row.name == standing.recommended else _plain(row.name),
            *(f"{cell.value} ({cell.detail})" if cell.detail else cell.value for cell in row.cells),
            *([share(best.get(row.name))] if several else []),
        ]
        for row in table.rows
    ]
    return _table(["Approach", *table.columns, *(["Best with probability"] if several else [])], rows)


def _forgotten(verdict: Json) -> list[str]:
    table = forgotten_table(verdict)
    if not table.rows:
        return []
    rows = [
        [row.name, *(f"{cell.value} ({cell.detail})" if cell.detail else cell.value for cell in row.cells)]
        for row in table.rows
    ]
    said = _plain(" ".join(forgotten_sentences(verdict)))
    return ["## What tuning forgot", said, _table(["Model", *table.columns], rows), forgotten_note(verdict)]


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [head, ["---", *("---:" for _ in head[1:])], *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _list(title: str, sentences: Iterable[str]) -> list[str]:
    lines = [f"- {_plain(sentence)}" for sentence in sentences]
    return [f"## {title}", "\n".join(lines)] if lines else []


def _plain(text: str) -> str:
    """Text that Markdown shows as it is, on one line: no tags, links, images or code come out of it."""
    return re.sub(r"([\\`*<|]|(?<=\])[(\[:])", r"\\\1", " ".join(text.split()))
