"""How often an interval holds the truth where a score is a mean over a few trainings: three ways to count these.

python -m benchmarks.seeds [--json] [--confidence 0.95] [--trials 40000]

Scores are normal: 150 questions, whose chance alone makes a standard error of 0.037, and 2 to 5 trainings, each off by
so much and besides by 0.25 on each question. tests/stats/test_trainings.py asks the same of the product's intervals.
"""

from __future__ import annotations

import argparse
import json

import numpy as np
from scipy.stats import t  # type: ignore[import-untyped]

from groundtune.types import Json

QUESTIONS, OF_QUESTION, OF_BOTH = 150, 0.45, 0.25
WAYS = ("questions alone", "Welch", "halves added")


def main() -> None:
    """Simulates and prints the table."""
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--json", action="store_true")
    arguments.add_argument("--confidence", type=float, default=0.95)
    arguments.add_argument("--trials", type=int, default=40_000)
    given = arguments.parse_args()
    cases = [(trainings, spread) for trainings in (2, 3, 5) for spread in (0.0, 0.02, 0.04, 0.08, 0.2)]
    rows = [simulated(trainings, spread, given.confidence, given.trials) for trainings, spread in cases]
    if given.json:
        print(json.dumps(rows))
        return
    print(f"| trainings, each off by | {' | '.join(WAYS)} |\n|---|{'---|' * len(WAYS)}")
    for row in rows:
        cells = (f"{row[way]['held'] * 100:.0f} % ({row[way]['half']:.2f})" for way in WAYS)
        print(f"| {row['trainings']}, by {row['spread']:.2f} | {' | '.join(cells)} |")


def simulated(trainings: int, spread: float, confidence: float, trials: int) -> Json:
    """For each way how often its interval held the truth, and the median of half its width."""
    chance, free, few = np.random.default_rng(0), QUESTIONS - 1, trainings - 1
    off = chance.normal(0, spread, (trials, trainings))
    off += chance.normal(0, OF_BOTH / np.sqrt(QUESTIONS), (trials, trainings))
    mean = chance.normal(0, OF_QUESTION / np.sqrt(QUESTIONS), trials) + off.mean(axis=1)
    one_question = OF_QUESTION**2 + OF_BOTH**2 / trainings
    questions = one_question / QUESTIONS * chance.chisquare(free, trials) / free  # as it would be estimated
    tuning = off.var(axis=1, ddof=1) / trainings
    both = (questions + tuning) ** 2 / (questions**2 / free + tuning**2 / few)
    tail = (1 + confidence) / 2
    alone = t.ppf(tail, free) * np.sqrt(questions)
    halves = {
        "questions alone": alone,
        "Welch": t.ppf(tail, both) * np.sqrt(questions + tuning),
        "halves added": np.hypot(alone, t.ppf(tail, few) * np.sqrt(tuning)),
    }
    told = {
        way: {"held": float((abs(mean) <= half).mean()), "half": float(np.median(half))} for way, half in halves.items()
    }
    return {"trainings": trainings, "spread": spread, **told}


if __name__ == "__main__":
    main()
