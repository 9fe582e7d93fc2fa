"""Generators, embedders, rerankers: a file a backend. A model's name says which one it is for (see docs/models.md)."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from groundtune.config import EmbedderTable, ModelTable
from groundtune.errors import UserError
from groundtune.models.backend import Backend
from groundtune.types import Embedder, Reranker

if TYPE_CHECKING:
    from groundtune.models.trainable import Trainable


def load_backend(table: ModelTable, key: str = "model") -> Backend:
    """The backend of a `[model]` table: "smollm2-135m", "hf:org/name", a folder, "openai:name" or "echo".

    key: which table it is, for messages. Raises UserError where the name is unknown, or its weights, its key or its
    package are missing, or where a key goes neither with the name nor with another key.
    """
    here = table.name != "echo" and not table.name.startswith("openai:")
    if not here and (table.bits or table.engine != "transformers"):
        raise UserError(f"[{key}] bits and engine are for weights on this machine; {table.name!r} has none here")
    if table.name == "echo":
        from groundtune.models.echo import EchoBackend

        return EchoBackend()
    if table.name.startswith("openai:"):
        from groundtune.models.openai import OpenAIBackend

        return OpenAIBackend(table.name.removeprefix("openai:"), table.base_url, table.key_env)
    from groundtune.models.weights import find_weights

    weights = find_weights(table.name, f"[{key}] name")
    if table.engine == "vllm":
        from groundtune.models.vllm import VLLMBackend

        if table.bits:
            raise UserError(f'[{key}] engine = "vllm" answers without bits', 'leave bits out, or engine = "vllm"')
        return VLLMBackend(weights, table.name, threads=table.threads, batch=table.batch)
    from groundtune.models.hf.backend import HFBackend

    return HFBackend(weights, table.name, bits=table.bits, threads=table.threads, batch=table.batch)


def load_embedder(table: EmbedderTable, queries: Path | None = None) -> Embedder:
    """The embedder of an `[embedder]` table; nothing heavy is imported before its first use.

    queries: the folder of its tuned side of the queries, where there is one.
    """
    from groundtune.models.embed import OnnxEmbedder, QueryTuned
    from groundtune.models.weights import find_weights

    embedder = OnnxEmbedder(find_weights(table.name, "[embedder] name", embeds=True), table.name)
    return embedder if queries is None else QueryTuned(embedder, OnnxEmbedder(str(queries), str(queries)))


def trainable_embedder(table: EmbedderTable) -> Trainable:
    """The same embedder in torch, to be trained."""
    from groundtune.models.trainable import Trainable
    from groundtune.models.weights import find_weights

    return Trainable(find_weights(table.name, "[embedder] name", embeds=True), table.name)


def load_reranker(name: str) -> Reranker:
    """The cross-encoder of `[retrieve] reranker`; nothing heavy is imported before its first use."""
    from groundtune.models.rerank import CrossEncoder
    from groundtune.models.weights import find_weights

    return CrossEncoder(find_weights(name, "[retrieve] reranker"), name)
