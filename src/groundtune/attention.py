"""What our two attentions share: the one that trains (tune/attention.py) and the one that answers
(models/hf/attention.py). Both stand in for transformers' own, and both are tried before they are used."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

QUERIES = 128  # at once on a processor: fewer waste time between products, more compute scores that do not count


class UnknownAttentionError(Exception):
    """A kind of attention that ours is not."""


# What a model raises whose layers do not take what ours needs.
MISFITS = (UnknownAttentionError, TypeError, AttributeError, RuntimeError, ValueError)


def up_to_itself(n: int) -> Any:
    """Which of n tokens see which: (n, n), each sees itself and those before it."""
    import torch

    return torch.ones(n, n, dtype=torch.bool).tril_()


def forbidding(seen: Any, dtype: Any) -> Any:
    """What is added to scores so that only those count where `seen` is true."""
    import torch

    return torch.zeros(seen.shape, dtype=dtype).masked_fill_(~seen, torch.finfo(dtype).min)


def refuse_others(module: Any, options: dict[str, Any]) -> None:
    """Raises UnknownAttentionError where a layer asks for more than softmax(q k') v."""
    if options.get("softcap") is not None or options.get("s_aux") is not None:
        raise UnknownAttentionError(f"{type(module).__name__}: soft-capped, or with sinks")


def register(name: str, attend: Callable[..., Any]) -> None:
    """Lets transformers know an attention by a name; it makes no mask for it."""
    from transformers.masking_utils import AttentionMaskInterface
    from transformers.modeling_utils import AttentionInterface

    AttentionInterface.register(name, attend)
    AttentionMaskInterface.register(name, lambda *_, **__: None)


def places_depend_on_length(model: Any) -> bool:
    """Whether a token's position is another in a longer text: a short trial could not show it."""
    kinds = str(getattr(model.config.get_text_config(), "rope_parameters", ""))
    return "dynamic" in kinds or "longrope" in kinds


def window(model: Any) -> float:
    """How many tokens a model's attention reaches back in every layer; ours knows no other."""
    config = model.config.get_text_config()
    found = [getattr(config, name, None) for name in ("sliding_window", "attention_chunk_size")]
    return min((reach for reach in found if reach), default=float("inf"))


def trial(model: Any, length: int) -> list[int]:
    """Ids to try a model on."""
    vocabulary = model.config.get_text_config().vocab_size
    return [(7 * n + 3) % vocabulary for n in range(length)]
