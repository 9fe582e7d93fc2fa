"""Which train examples tuning is kept from, for they decide: when it stops, at which rate, from which confidence on to
answer."""

from __future__ import annotations

from collections.abc import Sequence

from groundtune.examples.split import keep_back
from groundtune.project import Project
from groundtune.stages.build import rows
from groundtune.stages.data import last_split
from groundtune.types import Example

SHARE = 0.05  # of the train examples
MOST = 96
FEWEST = 16  # with fewer nothing can be decided: then tuning learns from all
LEAST = 20  # are kept, for groups do not always come to what is asked for
SHARE_MOST = 0.15  # of few examples
WITHHELD_MOST = 0.3  # may be kept from tuning where groups are large, for they stay whole
TOO_FEW = f"too few train examples, or groups of them, to keep {FEWEST} from tuning"


def decides(project: Project) -> bool:
    """Whether anything is to be decided. Short answers without passages decide nothing but when to withhold them."""
    config = project.config
    if last_split(project)["task"] != "qa" or config.prompt.abstain_below is not None:
        return True
    return config.tune.recipe != "closed-book" and any(row.retriever for row in rows(project, "tuned").values())


def tuning_split(project: Project, examples: Sequence[Example]) -> tuple[list[Example], list[Example]]:
    """Train examples in two: those that adapters learn from, and those that decide.

    The same for the same examples; apart by document as the test is. Nothing decides where there would be too few to
    decide or too few to learn from.
    """
    if not decides(project):
        return list(examples), []
    learnt, deciding = keep_back(
        examples,
        question=project.config.question,
        share=min(SHARE_MOST, max(SHARE, LEAST / max(1, len(examples)))),
        most=MOST,
        seed=project.config.examples.seed + 1,
    )
    few = len(deciding) < FEWEST or len(learnt) < (1 - WITHHELD_MOST) * len(examples)
    return (list(examples), []) if few else (learnt, deciding)
