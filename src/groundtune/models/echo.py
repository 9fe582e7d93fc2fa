"""A model without weights, for tests and docs: it says again the last line of what it was asked."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from groundtune.errors import UserError
from groundtune.types import Completion, Generator, Limits, Prompt


class EchoBackend:
    name = "echo"

    def generator(self, adapter: Path | None = None) -> Generator:
        """The one generator there is. Raises UserError where an adapter is asked for."""
        if adapter is not None:
            raise UserError('[model] name = "echo" cannot be tuned', 'choose a model with weights, e.g. "smollm2-135m"')
        return EchoGenerator()


class EchoGenerator:
    """Says again what it was given last: the last user message's last line, cut to the limits."""

    name = "echo"

    def generate(self, prompts: Sequence[Prompt], limits: Limits) -> list[Completion]:
        """One completion a prompt; tokens are words."""
        return [self._complete(prompt, limits) for prompt in prompts]

    def stream(self, prompt: Prompt, limits: Limits) -> Iterator[str]:
        """The completion, word by word."""
        for number, word in enumerate(self._complete(prompt, limits).text.split(" ")):
            yield word if number == 0 else " " + word

    def _complete(self, prompt: Prompt, limits: Limits) -> Completion:
        began = time.perf_counter()
        asked = prompt.messages[-1].content
        text = prompt.choices[0] if prompt.choices else asked.strip().splitlines()[-1]
        words = text.split()[: limits.max_tokens]
        read = sum(len(message.content.split()) for message in prompt.messages)
        return Completion(" ".join(words), read, len(words), time.perf_counter() - began)
