"""A tuned model to take away: as an adapter, merged, or as GGUF, each held to the answers that were measured."""

from __future__ import annotations

from typing import Literal

Format = Literal["adapter", "merged", "gguf"]
Numbers = Literal["f16", "f32", "bf16", "q8_0"]  # of a GGUF's weights
