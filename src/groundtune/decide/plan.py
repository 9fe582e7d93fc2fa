"""Before anything is spent: how small a difference can so many examples show?"""

from __future__ import annotations

from groundtune.decide.compare import confidence_together
from groundtune.stats import design_effect, smallest_detectable

# A guess at differences not yet measured: on every sixth question one of two approaches is right, the other wrong.
TYPICAL_SD = 0.4


def smallest_visible_difference(n: int, clusters: int, approaches: int = 4, confidence: float = 0.95) -> float:
    """The difference that n test examples of so many groups will show four times out of five; 1 at the most.

    Smaller ones will mostly be "not told apart". All pairs of the approaches are compared, so more is asked of each.
    The verdict itself goes by the variance that was measured, not by the guesses made here.
    """
    if n < 1:
        return 1.0
    effect, together = design_effect(n / clusters), confidence_together(confidence, approaches)
    return min(1.0, smallest_detectable(n, TYPICAL_SD, effect, together, clusters=clusters))
