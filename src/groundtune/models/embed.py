"""Sentence vectors from a transformer: mean of the last layer, scaled to length 1 (Reimers and Gurevych 2019)."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from groundtune.errors import UserError

if TYPE_CHECKING:
    from groundtune.types import Vectors

MAX_TOKENS = 256  # what all-MiniLM-L6-v2 was trained to read


class TransformersEmbedder:
    """An Embedder over any Hugging Face encoder; the weights are loaded at the first text."""

    def __init__(self, weights: str, name: str, *, batch: int = 32) -> None:
        self.name = name
        self._weights = weights
        self._batch = batch
        self._loaded: tuple[Any, Any] | None = None
        self._lock = threading.Lock()

    def embed(self, texts: Sequence[str]) -> Vectors:
        """Unit vectors, float32, shape (len(texts), dimensions). Texts of like length are embedded together."""
        import numpy as np
        import torch

        tokenizer, model = self._load()
        longest = min(MAX_TOKENS, getattr(model.config, "max_position_embeddings", MAX_TOKENS))
        order = sorted(range(len(texts)), key=lambda i: len(texts[i]))
        vectors = np.zeros((len(texts), model.config.hidden_size), dtype=np.float32)
        with torch.inference_mode():
            for start in range(0, len(order), self._batch):
                rows = order[start : start + self._batch]
                inputs = tokenizer(
                    [texts[i] for i in rows], padding=True, truncation=True, max_length=longest, return_tensors="pt"
                )
                states = model(**inputs).last_hidden_state  # (batch, tokens, dimensions)
                mask = inputs["attention_mask"].unsqueeze(-1)
                mean = (states * mask).sum(1) / mask.sum(1).clamp(min=1)
                vectors[rows] = torch.nn.functional.normalize(mean, dim=1).numpy()
        return vectors

    def _load(self) -> tuple[Any, Any]:
        with self._lock:
            if self._loaded is None:
                import torch
                from safetensors import SafetensorError
                from transformers import AutoModel, AutoTokenizer
                from transformers.utils import logging

                logging.disable_progress_bar()  # type: ignore[no-untyped-call]
                try:
                    tokenizer = AutoTokenizer.from_pretrained(self._weights)
                    model = AutoModel.from_pretrained(self._weights, dtype=torch.float32, use_safetensors=True)
                except (OSError, ValueError, SafetensorError) as error:
                    raise UserError(f"[embedder] name = {self.name!r}: cannot be loaded ({error})") from error
                self._loaded = (tokenizer, model.eval())
            return self._loaded
