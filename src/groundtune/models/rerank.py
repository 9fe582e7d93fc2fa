"""A cross-encoder: reads a question and a passage together and says how well they fit (Nogueira and Cho 2019)."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from typing import Any

from groundtune.errors import UserError

MOST_TOKENS = 512  # of a question with its passage
BATCH = 16


class CrossEncoder:
    """A Reranker over any Hugging Face model that classifies pairs; the weights are loaded at the first question."""

    def __init__(self, weights: str, name: str) -> None:
        self.name = name
        self._weights = weights
        self._lock = threading.Lock()
        self._loaded: tuple[Any, Any] | None = None

    def score(self, query: str, passages: Sequence[str]) -> list[float]:
        """How well each passage answers the query: the model's logit, of "relevant" over "not" where it has both."""
        import torch

        tokenizer, model = self._load()
        most = min(MOST_TOKENS, getattr(model.config, "max_position_embeddings", MOST_TOKENS))
        order = sorted(range(len(passages)), key=lambda i: len(passages[i]))
        scores = [0.0] * len(passages)
        with torch.inference_mode():
            for start in range(0, len(order), BATCH):
                rows = order[start : start + BATCH]
                pairs = [query] * len(rows), [passages[i] for i in rows]
                inputs = tokenizer(*pairs, padding=True, truncation="only_second", max_length=most, return_tensors="pt")
                logits = model(**inputs).logits  # (batch, 1 or 2)
                for row, values in zip(rows, logits.tolist(), strict=True):
                    scores[row] = values[0] if len(values) == 1 else values[1] - values[0]
        return scores

    def _load(self) -> tuple[Any, Any]:
        with self._lock:
            if self._loaded is None:
                import torch
                from safetensors import SafetensorError
                from transformers import AutoModelForSequenceClassification, AutoTokenizer
                from transformers.utils import logging

                logging.disable_progress_bar()  # type: ignore[no-untyped-call]
                logging.set_verbosity_error()  # type: ignore[no-untyped-call]
                try:
                    tokenizer = AutoTokenizer.from_pretrained(self._weights)
                    model, told = AutoModelForSequenceClassification.from_pretrained(
                        self._weights, dtype=torch.float32, use_safetensors=True, output_loading_info=True
                    )
                except (OSError, ValueError, SafetensorError) as error:
                    raise UserError(f"[retrieve] reranker = {self.name!r}: cannot be loaded ({error})") from error
                if told["missing_keys"] or model.config.num_labels > 2:
                    raise UserError(
                        f"[retrieve] reranker = {self.name!r} is no cross-encoder",
                        "name a model that was trained to classify pairs of question and passage, with 1 or 2 labels",
                    )
                self._loaded = (tokenizer, model.eval())
            return self._loaded
