"""A generator that says what a test tells it to, and keeps what it was asked."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence

from groundtune.types import Completion, Limits, Prompt


class Rigged:
    name = "rigged"

    def __init__(
        self, say: Callable[[Prompt], str], seconds: float = 0.0, sure: Callable[[Prompt], float | None] | None = None
    ) -> None:
        """sure: how confident it is of what it says; None: it does not tell."""
        self.asked: list[Prompt] = []
        self._say = say
        self._seconds = seconds
        self._sure = sure or (lambda prompt: None)

    def generate(self, prompts: Sequence[Prompt], limits: Limits) -> list[Completion]:
        self.asked += prompts
        time.sleep(self._seconds * len(prompts))
        return [Completion(self._say(prompt), 10, 2, self._seconds, self._sure(prompt)) for prompt in prompts]

    def stream(self, prompt: Prompt, limits: Limits) -> Iterator[str]:
        yield from self._say(prompt).split(" ")
