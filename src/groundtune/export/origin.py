"""What an exported model comes from: what its card tells about it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from groundtune.models.weights import BUNDLED
from groundtune.prompts import Template
from groundtune.types import Json, Limits


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a tuned approach comes from and what was measured of it.

    model: the base model's name in the config; verdict: all of it; training: what the tune stage says of the adapter;
    forgetting: what the verdict says of it; lineage: its lines; k: passages in a prompt, 0 without a retriever;
    choices: the labels, where it is one of them that answers; abstain_below: as in the config; dtype: of the weights
    as they were measured; bits: of each of them in memory, None where that is what the format says; ends: the ids that
    end a text.
    """

    project: str
    approach: str
    model: str
    verdict: Json
    train: int
    training: Json
    forgetting: Json | None
    lineage: Sequence[Json]
    template: Template
    limits: Limits
    k: int
    choices: Sequence[str]
    abstain_below: float | None
    dtype: str
    bits: int | None
    ends: Sequence[int]
    version: str

    @property
    def hub_name(self) -> str | None:
        """What the hub knows the base model by, where it comes from there."""
        return self.model.removeprefix("hf:") if self.model.startswith("hf:") else None

    @property
    def base(self) -> str:
        """The base model in words. A folder of the user's is named without the way to it."""
        if self.model in BUNDLED:
            return f"`{self.model}`, as the package `{BUNDLED[self.model].requirement}` carries it"
        if self.hub_name:
            return f"`{self.hub_name}` of the Hugging Face hub"
        return f"`{self.model.rstrip('/').rpartition('/')[2]}`, a local folder"
