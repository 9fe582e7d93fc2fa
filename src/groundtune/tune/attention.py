"""Attention for packed rows: only the blocks of scores that count are computed.

A strip of tokens is cut into blocks: some queries next to each other, and all keys that one of them may see, next to
each other as well. On a processor a block is a few products and a softmax, written out with its backward pass; on a GPU
it is one call of PyTorch's fused kernels, flash attention among them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch

from groundtune.attention import forbidding, refuse_others, register, up_to_itself

NAME = "groundtune"  # what transformers knows it by
ON_GPU = 2048  # queries of a block there


@dataclass(frozen=True, slots=True)
class Block:
    """Queries `first` to `last` (left out) see keys `keys` to `last`.

    mask: (queries, the last of the keys), added to the scores; the keys before those are seen by all. None: all keys
    are the queries' own, each sees itself and what is before it.
    """

    first: int
    last: int
    keys: int
    mask: Any = None


def causal(first: int, last: int, keys: int, queries: int, dtype: torch.dtype) -> list[Block]:
    """Blocks for tokens that see all tokens from `keys` on up to themselves."""
    blocks = []
    for start in range(first, last, queries):
        end = min(start + queries, last)
        blocks.append(Block(start, end, keys, None if start == keys else forbidding(up_to_itself(end - start), dtype)))
    return blocks


def own_rows(lengths: list[int]) -> Any:
    """Which of some rows' tokens see which: (tokens, tokens), each sees its own row up to itself."""
    row = torch.repeat_interleave(torch.arange(len(lengths)), torch.tensor(lengths))
    return (row[:, None] == row[None, :]).tril_()


class Blocks(torch.autograd.Function):
    """softmax(q k') v over blocks.

    q (already scaled): (heads of keys, heads of queries to each, tokens, size of a head); k, v: (heads of keys, tokens,
    size). All queries that share a head of keys go through one product (grouped-query attention, Ainslie et al. 2023).
    """

    @staticmethod
    def forward(ctx: Any, q: Any, k: Any, v: Any, blocks: list[Block]) -> Any:
        out = torch.empty_like(q)
        kept = []
        longest = max((block.last - block.first for block in blocks if block.mask is None), default=0)
        triangle = forbidding(up_to_itself(longest), q.dtype)
        for block in blocks:
            queries, keys = slice(block.first, block.last), slice(block.keys, block.last)
            asking = q[:, :, queries]
            scores = torch.bmm(asking.flatten(1, 2), k[:, keys].transpose(1, 2)).view(*asking.shape[:3], -1)
            mask = triangle[: asking.shape[2], : asking.shape[2]] if block.mask is None else block.mask
            scores[..., -mask.shape[1] :] += mask
            chances = torch.softmax(scores, -1)
            out[:, :, queries] = torch.bmm(chances.flatten(1, 2), v[:, keys]).view(asking.shape)
            kept.append(chances)
        ctx.save_for_backward(q, k, v, out, *kept)
        ctx.blocks = blocks
        return out

    @staticmethod
    def backward(ctx: Any, *gradients: Any) -> Any:
        q, k, v, out, *kept = ctx.saved_tensors
        gradient = gradients[0]
        of_q, of_k, of_v = torch.empty_like(q), torch.zeros_like(k), torch.zeros_like(v)
        level = (gradient * out).sum(-1, keepdim=True)  # what softmax takes off (Dao et al. 2022, FlashAttention)
        for block, chances in zip(ctx.blocks, kept, strict=True):
            queries, keys = slice(block.first, block.last), slice(block.keys, block.last)
            asking, above = q[:, :, queries], gradient[:, :, queries].flatten(1, 2)
            of_v[:, keys] += torch.bmm(chances.flatten(1, 2).transpose(1, 2), above)
            of_chances = torch.bmm(above, v[:, keys].transpose(1, 2)).view(chances.shape)
            of_scores = of_chances.sub_(level[:, :, queries]).mul_(chances).flatten(1, 2)
            of_q[:, :, queries] = torch.bmm(of_scores, k[:, keys]).view(asking.shape)
            of_k[:, keys] += torch.bmm(of_scores.transpose(1, 2), asking.flatten(1, 2))
        return of_q, of_k, of_v, None


def attend(
    module: Any, query: Any, key: Any, value: Any, _mask: Any, scaling: float, *, blocks: list[Block], **others: Any
) -> tuple[Any, None]:
    """What transformers calls for each layer: query (1, heads, tokens, size), key and value likewise, fewer heads.

    Gives (1, tokens, heads, size). Raises UnknownAttentionError for kinds of attention that this is not; a window must
    be no shorter than the longest row.
    """
    refuse_others(module, others)
    heads, groups = key.shape[1], query.shape[1] // key.shape[1]
    if query.is_cuda:
        key, value = key.repeat_interleave(groups, 1), value.repeat_interleave(groups, 1)
        parts = [_fused(query, key, value, scaling, block) for block in blocks]
        return torch.cat(parts, 2).transpose(1, 2), None
    grouped = (query[0] * scaling).unflatten(0, (heads, groups))
    out = Blocks.apply(grouped, key[0], value[0], blocks)  # type: ignore[no-untyped-call]
    return out.flatten(0, 1).unsqueeze(0).transpose(1, 2), None


def _fused(query: Any, key: Any, value: Any, scaling: float, block: Block) -> Any:
    queries, keys = slice(block.first, block.last), slice(block.keys, block.last)
    mask = block.mask
    if mask is not None:
        seen_by_all = mask.new_zeros(len(mask), block.last - block.keys - mask.shape[1])
        mask = torch.cat([seen_by_all, mask], 1)
    return torch.nn.functional.scaled_dot_product_attention(
        query[:, :, queries],
        key[:, :, keys],
        value[:, :, keys],
        attn_mask=mask,
        is_causal=mask is None,
        scale=scaling,
    )


def use(model: Any) -> None:
    """Lets a model of transformers attend in blocks; `blocks` goes through its forward pass as a keyword."""
    register(NAME, attend)
    model.set_attn_implementation(NAME)
