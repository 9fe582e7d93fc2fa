"""Tunes an embedder's query side on questions whose passages are known, within a time budget.

The passages keep their vectors, so nothing is embedded anew, each question can be told from all passages at once rather
than from a batch's few, and what was learnt is judged by the very search that will use it (query-side tuning: Lee et
al. 2021, "Learning Dense Representations of Phrases at Scale"). The tuned weights are averaged with the original ones
(Wortsman et al. 2022, "Robust fine-tuning of zero-shot models"): that keeps what few questions cannot teach.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from groundtune.types import Progress

if TYPE_CHECKING:
    from groundtune.types import Vectors

RATE = 3e-5
WARM_UP = 0.1  # of the steps
BATCH = 32  # questions a step
TEMPERATURE = 0.05  # of the cosines
SHARES = (0.25, 0.5, 0.75, 1.0)  # of the tuned weights in the average, that are tried
HELD_OUT = 0.33  # of the questions decide; the others teach
FEWEST = 20  # questions on either side, below which nothing can be learnt or decided
SAFETY = 0.9  # of the time budget is planned for

# Question numbers and their vectors in; how well each question's search would go with them, 0 to 1, out.
Judge = Callable[[Sequence[int], "Vectors"], Sequence[float]]


@dataclass(frozen=True, slots=True)
class Asked:
    """A question and the rows of its right passages. Questions of one group are held out together."""

    text: str
    right: tuple[int, ...]
    group: str


@dataclass(frozen=True, slots=True)
class Tuned:
    """What tuning came to, on the questions that were held out."""

    kept: bool  # whether it was better by more than chance, and the tuned weights were written
    before: float
    after: float  # with the best of the shares that were tried
    error: float  # one standard error of their difference
    share: float  # of the tuned weights in the average
    questions: int
    epochs: int
    seconds: float
    held_out: tuple[int, ...]  # numbers of the questions that decided
    vectors: Vectors  # of these, by weights that had not seen them


def tune_embedder(
    encoder: Any,
    tokenize: Callable[[Sequence[str]], Any],
    passages: Vectors,
    questions: Sequence[Asked],
    judge: Judge,
    *,
    minutes: float,
    epochs: int,
    seed: int,
    write: Callable[[Any], None],
    progress: Progress | None = None,
) -> Tuned:
    raise NotImplementedError
