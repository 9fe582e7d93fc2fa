"""Tunes the query side of an embedder on questions whose right passages are known, within a time budget.

The passages keep their vectors. So nothing is embedded anew, a question is told from all passages at once rather than
from a batch's few, and what was learnt is judged by the very search that will use it (query-side tuning: Lee et al.
2021, "Learning Dense Representations of Phrases at Scale"). The tuned weights are averaged with the original ones where
that is better (Wortsman et al. 2022, "Robust fine-tuning of zero-shot models").
"""

from __future__ import annotations

import math
import random
import statistics
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from groundtune.types import NoProgress, Progress
from groundtune.workspace import writing

if TYPE_CHECKING:
    import torch

    from groundtune.types import Vectors

RATE = 5e-5
WARM_UP = 0.1  # of the steps
BATCH = 32  # questions a step
TEMPERATURE = 0.05  # of the cosines
SHARES = (0.5, 1.0)  # of the tuned weights in the average
FEWEST = 20  # questions on either side: with fewer nothing can be learnt, or decided
LONGEST = 256  # tokens of a question
SAFETY = 0.9  # of the time budget is planned for

# The numbers of questions with their vectors in; how well the search for each goes with them, 0 to 1, out.
Judge = Callable[[Sequence[int], "Vectors"], Sequence[float]]


@dataclass(frozen=True, slots=True)
class Asked:
    """A question and the rows of its right passages."""

    text: str
    right: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Encoder:
    """What is tuned.

    module: from token ids and their mask to unit vectors, shape (texts, dimensions), its weights to be changed in
    place; tokenizer: of Hugging Face; save: writes a model folder with the module's weights as they are then.
    """

    module: Any
    tokenizer: Any
    save: Callable[[Path], None]


@dataclass(frozen=True, slots=True)
class Tuned:
    """What tuning came to, by the questions that were held out."""

    kept: bool  # whether it was better by more than one standard error: then the folder is written
    before: float  # the judge's mean
    after: float
    error: float  # one standard error of the difference
    share: float  # of the tuned weights in the average
    steps: int
    seconds: float
    held_out: tuple[int, ...]  # the numbers of the questions that decided
    vectors: Vectors  # theirs, by weights that had not seen them: a fusion weight can be chosen with them


def tune_embedder(
    encoder: Encoder,
    passages: Vectors,
    questions: Sequence[Asked],
    held_out: Sequence[int],
    judge: Judge,
    folder: Path,
    *,
    minutes: float,
    epochs: float = 4,
    seed: int = 1,
    progress: Progress | None = None,
) -> Tuned | None:
    """Trains on the questions that are not held out, decides by those that are; trains on all where that was better.

    passages: the vectors of all passages, by the same embedder. held_out: the numbers of the questions that decide,
    about a third of them, none nearly the same as one of the others. judge: scores the searches for questions. folder:
    gets the tuned model, whole or not at all. Where the minutes are too few, less is trained; where they are not, the
    same questions and seed give the same weights. None where there are too few questions.
    """
    decide = sorted(set(held_out))
    everything = range(len(questions))
    teach = sorted(set(everything) - set(decide))
    if min(len(teach), len(decide)) < FEWEST:
        return None
    began, progress = time.perf_counter(), progress or NoProgress()
    run = _Run(encoder, passages, questions, seed)
    before = judge(decide, run.embed(decide))
    seconds = SAFETY * minutes * 60 - (time.perf_counter() - began)
    first, second = _steps([len(teach), len(everything)], epochs, seconds / run.seconds_a_step(teach))
    progress.start("tuning the embedder", first + second)
    run.train(teach, first, progress)
    tried = {share: run.averaged(share, decide) for share in SHARES}
    scores = {share: judge(decide, vectors) for share, vectors in tried.items()}
    share = max(SHARES, key=lambda share: statistics.fmean(scores[share]))
    gains = [new - old for new, old in zip(scores[share], before, strict=True)]
    error = statistics.stdev(gains) / math.sqrt(len(gains))
    kept = statistics.fmean(gains) > error
    if kept:
        run.train(everything, second, progress)
        run.average(share)
        with writing(folder) as temporary:
            encoder.save(temporary)
    progress.finish()
    return Tuned(
        kept=kept,
        before=statistics.fmean(before),
        after=statistics.fmean(scores[share]),
        error=error,
        share=share,
        steps=first + second if kept else first,
        seconds=time.perf_counter() - began,
        held_out=tuple(decide),
        vectors=tried[share],
    )


def _steps(questions: Sequence[int], epochs: float, affordable: float) -> list[int]:
    """Each training's steps, by its number of questions: what the epochs come to, or as much less as is affordable."""
    wanted = [math.ceil(number * epochs / BATCH) for number in questions]
    share = min(1.0, affordable / sum(wanted))
    return [max(1, math.floor(share * number)) for number in wanted]


class _Run:
    """The weights under training, and what they are trained on."""

    def __init__(self, encoder: Encoder, passages: Vectors, questions: Sequence[Asked], seed: int) -> None:
        import torch

        self._module = encoder.module.eval()  # gradients need no training mode, and without it dropout stays off
        self._tokenizer = encoder.tokenizer
        self._passages = torch.from_numpy(passages)
        self._questions = questions
        self._seed = seed
        embeddings = {id(table) for table in _tables(self._module)}  # half of a small model, and few words of it asked
        self._weights = [weight for weight in self._module.parameters() if id(weight) not in embeddings]
        self._original = [weight.detach().clone() for weight in self._weights]
        self._tuned = self._original

    def train(self, rows: Sequence[int], steps: int, progress: Progress) -> None:
        """So many steps, begun from the original weights."""
        import torch

        self.average(0.0)
        optimizer = torch.optim.AdamW(self._weights, lr=RATE, weight_decay=0.01)
        schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: _rate(step, steps))
        for _, batch in zip(range(steps), _batches(rows, random.Random(self._seed)), strict=False):
            self._loss(batch).backward()  # type: ignore[no-untyped-call]
            torch.nn.utils.clip_grad_norm_(self._weights, 1.0)
            optimizer.step()
            schedule.step()
            optimizer.zero_grad(set_to_none=True)
            progress.advance()
        self._tuned = [weight.detach().clone() for weight in self._weights]

    def average(self, share: float) -> None:
        """Makes the weights the average of the original ones and, with this share, the tuned ones."""
        import torch

        with torch.no_grad():
            for weight, original, tuned in zip(self._weights, self._original, self._tuned, strict=True):
                weight.copy_(torch.lerp(original, tuned, share))

    def averaged(self, share: float, rows: Sequence[int]) -> Vectors:
        """The questions' vectors by such an average."""
        self.average(share)
        return self.embed(rows)

    def embed(self, rows: Sequence[int]) -> Vectors:
        """The questions' vectors by the weights as they are."""
        import torch

        with torch.inference_mode():
            parts = [self._encode(rows[start : start + BATCH]) for start in range(0, len(rows), BATCH)]
            vectors: Vectors = torch.cat(parts).numpy()
        return vectors

    def seconds_a_step(self, rows: Sequence[int]) -> float:
        """How long a step takes; nothing is learnt from it. The first one is slower than all others."""
        batch = rows[:BATCH]
        self._loss(batch)
        began = time.perf_counter()
        self._loss(batch).backward()  # type: ignore[no-untyped-call]
        for weight in self._weights:
            weight.grad = None
        return time.perf_counter() - began

    def _loss(self, rows: Sequence[int]) -> torch.Tensor:
        """How unlikely it is that a passage drawn by its nearness to the question is a right one (-log)."""
        import torch

        likely = torch.log_softmax(self._encode(rows) @ self._passages.T / TEMPERATURE, dim=1)  # (questions, passages)
        right = [torch.logsumexp(likely[n, list(self._questions[row].right)], 0) for n, row in enumerate(rows)]
        return -torch.stack(right).mean()

    def _encode(self, rows: Sequence[int]) -> torch.Tensor:
        texts = [self._questions[row].text for row in rows]
        inputs = self._tokenizer(texts, padding=True, truncation=True, max_length=LONGEST, return_tensors="pt")
        vectors: torch.Tensor = self._module(inputs["input_ids"], inputs["attention_mask"])
        return vectors


def _batches(rows: Sequence[int], rng: random.Random) -> Iterator[list[int]]:
    """The questions in a new order each time round, without end; every batch is full."""
    waiting: list[int] = []
    while True:
        again = list(rows)
        rng.shuffle(again)
        waiting += again
        while len(waiting) >= BATCH:
            yield waiting[:BATCH]
            waiting = waiting[BATCH:]


def _rate(step: int, steps: int) -> float:
    """The share of the rate: it rises, then falls to 0."""
    return min((step + 1) / (WARM_UP * steps), 1 - step / steps, 1.0)


def _tables(module: Any) -> Iterator[Any]:
    """The weights of all embedding tables."""
    import torch

    return (part.weight for part in module.modules() if isinstance(part, torch.nn.Embedding))
