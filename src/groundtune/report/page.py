"""report.html: the verdict and everything behind it on one page that opens anywhere and asks nobody for anything."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jinja2

from groundtune.report import wording
from groundtune.report.cases import groups, tally
from groundtune.report.context import ReportContext
from groundtune.report.forgotten import forgotten_note, forgotten_sentences, forgotten_table
from groundtune.report.plots import plots
from groundtune.report.sentences import asked, data_facts, headline, setting, signature, table_note
from groundtune.report.standing import Standing
from groundtune.report.svg import COLOURS
from groundtune.report.table import approaches_table, metrics_table
from groundtune.types import Json, Record

HERE = Path(__file__).parent


@dataclass(frozen=True, slots=True)
class Likely:
    """How probable it is that an approach is the best."""

    name: str
    share: float


def html(verdict: Json, records: Mapping[str, Sequence[Record]], context: ReportContext) -> str:
    """The text of report.html.

    verdict: the object of verdict.json; records: by approach, any of them may be missing. The page is one file without
    scripts; whatever stands in documents and answers is escaped by the template engine.
    """
    standing = Standing(verdict)
    act, number = headline(standing)
    forgotten = forgotten_table(verdict)
    return _template().render(
        context=context,
        standing=standing,
        verdict=verdict,
        act=act,
        number=number,
        setting=setting(standing, context),
        asked=asked(standing, context),
        table=approaches_table(standing),
        table_note=table_note(standing, context),
        plots=plots(standing),
        likely=[Likely(name, verdict["probability_best"].get(name, 0.0)) for name in standing.names],
        leads=standing.leads(),
        metric=wording.metric_name(standing.metric),
        groups=groups(standing, records),
        tally=tally(standing, records),
        metrics=metrics_table(standing),
        forgotten=forgotten,
        forgotten_note=forgotten_note(verdict) if forgotten.rows else "",
        forgotten_sentences=forgotten_sentences(verdict),
        data_facts=data_facts(context),
        signature=signature(standing, context),
        colours={name: place % COLOURS for name, place in standing.place.items()},
    )


def _template() -> jinja2.Template:
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(HERE),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    filters: dict[str, Any] = {
        "score": wording.score,
        "signed": wording.signed,
        "p_value": wording.p_value,
        "share": wording.share,
        "count": wording.count,
        "duration": wording.duration,
        "date": wording.date,
        "plural": wording.plural,
    }
    environment.filters.update(filters)
    return environment.get_template("template.html")
