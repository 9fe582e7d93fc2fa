"""What every model backend offers: the base generator, and generators with an adapter where it can be tuned."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

from groundtune.types import Generator, Prompt


class Backend(Protocol):
    name: str

    def generator(self, adapter: Path | None = None) -> Generator:
        """The generator of the bare model, or of the model with the adapter in a folder."""
        ...


@runtime_checkable
class TunableBackend(Backend, Protocol):
    """A backend whose weights are here, so that adapters can be trained for it."""

    def fresh(self) -> tuple[Any, Any]:
        """The tokenizer and a copy of the bare model of its own, for training."""
        ...

    def losses(self, texts: Sequence[str], adapter: Path | None = None) -> list[list[float]]:
        """For each text the negative log likelihood of its tokens, by the bare model or the one with an adapter."""
        ...

    def let_go(self) -> None:
        """Frees the memory of the weights that are kept; they are read again when they are next needed."""
        ...

    def render(self, prompt: Prompt) -> str:
        """The text that the model reads for a prompt."""
        ...
