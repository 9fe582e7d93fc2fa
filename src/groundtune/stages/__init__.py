"""The line of the design, as plain function calls: split, sync, retrieval, prompts, tune, measure, decide, report.

Every stage reads what the ones before it left in the workspace, and is skipped when the digest of its inputs is the one
that it last finished with.
"""

from __future__ import annotations

from groundtune.project import Project
from groundtune.stages.build import approach, prompts_stage
from groundtune.stages.data import bring, differences, insist, known, split_stage, sync_stage
from groundtune.stages.export import export_stage
from groundtune.stages.judge import (
    check_settings,
    decide_stage,
    measure_stage,
    named_or_recommended,
    report_stage,
    visible_difference,
)
from groundtune.stages.retrieval import retrieval_stage
from groundtune.stages.tuning import kept_out, tune_stage
from groundtune.types import Json

__all__ = [
    "approach",
    "bring",
    "check_settings",
    "decide_stage",
    "differences",
    "export_stage",
    "insist",
    "kept_out",
    "known",
    "measure_stage",
    "named_or_recommended",
    "prepare",
    "prompts_stage",
    "report_stage",
    "retrieval_stage",
    "run",
    "split_stage",
    "sync_stage",
    "tune_stage",
    "visible_difference",
]


def prepare(project: Project) -> Json:
    """What all further stages need: the split, the index in step, retrieval fitted. Returns the split's facts."""
    facts = split_stage(project)
    insist(sync_stage(project))
    retrieval_stage(project)
    return facts


def run(project: Project) -> Json:
    """The whole line, from sources to report. Returns the verdict (see docs/verdict.md)."""
    split_stage(project)
    check_settings(project)
    prepare(project)
    measure_stage(project)  # which chooses prompts and trains the adapter first
    verdict = decide_stage(project)
    report_stage(project)
    return verdict
