"""How well a model foresees texts: the negative log likelihood of each token after those before it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch


def token_losses(model: Any, tokenizer: Any, texts: Sequence[str]) -> list[list[float]]:
    """For each text, of each of its tokens but the first, in nats; a text is read alone, without a chat template.

    Where the tokenizer begins texts with a token of its own, every token of the text has a loss. The mean over a text
    is the loss that transformers gives with `labels`.
    """
    return [_of_one(model, tokenizer(text)["input_ids"]) for text in texts]


def _of_one(model: Any, ids: list[int]) -> list[float]:
    with torch.inference_mode():
        rows = torch.tensor([ids], device=model.device)
        logits = model(rows, use_cache=False).logits[0, :-1].float()  # (tokens - 1, vocabulary)
        losses: list[float] = torch.nn.functional.cross_entropy(logits, rows[0, 1:], reduction="none").tolist()
    return losses
