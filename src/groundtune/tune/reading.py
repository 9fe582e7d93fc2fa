"""How packs go through a model: together where its layers let rows be kept from each other, else row by row.

Either way the logits are those that the model's own forward pass gives for each row alone, final caps and scales
included; together they cost a fraction of the tokens.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch

from groundtune.attention import MISFITS, QUERIES, places_depend_on_length, trial, window
from groundtune.tune import attention
from groundtune.tune.packing import Pack, Tokens, strip

COMMON, FIRST, SECOND, ALONE = 20, 3, 9, 12  # tokens in a trial: two rows that begin alike, and a third
CLOSE = {torch.float32: 1e-3}  # of the largest logit
ROUGHLY = 0.05  # the same in formats of 16 bits


def together(model: Any, packs: Sequence[Pack]) -> tuple[Any, Any]:
    """What the model says where answers stand, (answer tokens, vocabulary), and the ids that should stand there.

    The model is one that `can_be_packed`.
    """
    queries = attention.ON_GPU if model.device.type == "cuda" else QUERIES
    tensors = strip(packs, queries, model.dtype, model.device)
    out = model(
        input_ids=tensors.ids,
        position_ids=tensors.positions,
        use_cache=False,
        logits_to_keep=tensors.asked,
        blocks=tensors.blocks,
    )
    return out.logits[0], tensors.right


def apart(model: Any, packs: Sequence[Pack]) -> tuple[Any, Any]:
    """The same, each row read alone and by the model's own attention."""
    logits, right = [], []
    for row in (row for one in packs for row in one.rows):
        asked = torch.arange(row.asked - 1, len(row.ids) - 1, device=model.device)
        ids = torch.tensor([row.ids], device=model.device)
        logits.append(model(input_ids=ids, use_cache=False, logits_to_keep=asked).logits[0])
        right.append(ids[0, row.asked :])
    return torch.cat(logits), torch.cat(right)


def can_be_packed(model: Any, longest: int) -> bool:
    """Whether rows of so many tokens can be read together; if so, the model attends for that from now on.

    Found out in a trial of few tokens, so for every architecture: recurrent layers and convolutions carry one row into
    the next, and attention with soft caps or sinks is none that we have. What so short a trial could not show is known
    from the config: windows that are shorter than a row, and positions that depend on the length of all.
    """
    if places_depend_on_length(model) or window(model) < longest:
        return False
    packs = _trial(model)
    with torch.no_grad():
        alone, _ = apart(model, packs)
    before = model.config._attn_implementation
    try:
        attention.use(model)
        if _says(model, packs, alone) and _keeps_apart(model, packs):
            return True
    except MISFITS:
        pass  # its layers do not take what packing needs
    model.set_attn_implementation(before)
    return False


def _trial(model: Any) -> list[Pack]:
    """Two rows that share their beginning, and one of its own. The loss is on what is a row's own."""
    ids = trial(model, COMMON + FIRST + SECOND + ALONE)
    common, alone = ids[:COMMON], ids[-ALONE:]
    first, second = ids[COMMON : COMMON + FIRST], ids[COMMON + FIRST : -ALONE]
    pair = tuple(Tokens(common + own, COMMON + 1) for own in (first, second))
    return [Pack(COMMON, pair), Pack(0, (Tokens(alone, 1),))]


def _says(model: Any, packs: Sequence[Pack], expected: Any) -> bool:
    """Whether the packs, read together, get the logits of their rows alone."""
    with torch.no_grad():
        found, _ = together(model, packs)
    return bool((found - expected).abs().max() <= CLOSE.get(model.dtype, ROUGHLY) * expected.abs().max())


def _keeps_apart(model: Any, packs: Sequence[Pack]) -> bool:
    """Whether the trial's second and third row depend on nothing in the others. Then no gradient flows there, not even
    a small one, which logits alone could not show."""
    read: list[Any] = []

    def note(_module: Any, _given: Any, out: Any) -> Any:
        read.append(out.detach().requires_grad_())
        return read[0]

    hook = model.get_input_embeddings().register_forward_hook(note)
    try:
        logits, _ = together(model, packs)
    finally:
        hook.remove()
    sizes = [COMMON, FIRST, SECOND, ALONE]
    for part, foreign in ((slice(FIRST - 1, -(ALONE - 1)), (1, 3)), (slice(-(ALONE - 1), None), (0, 1, 2))):
        [gradient] = torch.autograd.grad(logits[part].float().square().sum(), read, retain_graph=True)
        parts = torch.split(gradient[0], sizes)
        if any(parts[number].any() for number in foreign):
            return False
    return True
