"""From how sure a model is of a reply to how probable it is that the reply is right (Platt scaling)."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

SUREST = 1 - 1e-6  # a model that gives a reply all the probability there is has no logit


@dataclass(frozen=True, slots=True)
class Calibration:
    """A logistic curve over the logit of a model's confidence; slope 1 and intercept 0 change nothing."""

    slope: float
    intercept: float

    def probability(self, confidence: float) -> float:
        """How probable it is that a reply of this confidence is right, strictly between 0 and 1."""
        return _sigmoid(self.slope * _logit(confidence) + self.intercept)


def fit(confidences: Sequence[float], right: Sequence[bool]) -> Calibration:
    """The curve under which it is most likely that just these replies were right.

    The targets are smoothed as in Platt 1999 (Probabilistic outputs for support vector machines, section 2.2), so that
    a few replies, all of them right, make nobody certain. Raises ValueError without any replies.
    """
    if not confidences:
        raise ValueError("a calibration needs replies")
    import numpy as np
    from scipy.optimize import minimize  # type: ignore[import-untyped]
    from scipy.special import expit  # type: ignore[import-untyped]

    hits = sum(right)
    high, low = (hits + 1) / (hits + 2), 1 / (len(right) - hits + 2)
    logits = np.array([_logit(confidence) for confidence in confidences])
    targets = np.where(np.array(right, bool), high, low)

    def loss(curve: np.ndarray) -> tuple[float, np.ndarray]:
        """The mean cross-entropy, which is convex, and its gradient."""
        z = curve[0] * logits + curve[1]
        off = expit(z) - targets
        return float(np.mean(np.logaddexp(0, z) - targets * z)), np.array([np.mean(off * logits), np.mean(off)])

    found = minimize(loss, np.array([1.0, 0.0]), jac=True, method="BFGS").x
    return Calibration(float(found[0]), float(found[1]))


def _logit(confidence: float) -> float:
    bounded = min(max(confidence, 1 - SUREST), SUREST)
    return math.log(bounded / (1 - bounded))


def _sigmoid(z: float) -> float:
    return 1 / (1 + math.exp(-z)) if z >= 0 else math.exp(z) / (1 + math.exp(z))
