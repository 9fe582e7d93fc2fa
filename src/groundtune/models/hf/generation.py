"""How a model decodes wherever it is measured, served or exported: greedily, whatever its makers advise."""

from __future__ import annotations

from typing import Any


def greedy_config(advised: Any, tokenizer: Any) -> Any:
    """A generation config without temperature, and without penalties on words that come again: transformers would apply
    those to greedy decoding too, and count the words of passages among them.

    Text ends where the model's own config (advised) or its tokenizer, by which training ends an answer, says so.
    """
    from transformers import GenerationConfig

    own = advised.eos_token_id if isinstance(advised.eos_token_id, list) else [advised.eos_token_id]
    return GenerationConfig(  # type: ignore[no-untyped-call]
        do_sample=False,
        bos_token_id=advised.bos_token_id,
        pad_token_id=advised.pad_token_id,
        eos_token_id=sorted({*own, tokenizer.eos_token_id} - {None}),
    )
