"""Attention over a tree of prompts (tree.py): to read it without padding, and to decode all its rows at once."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Protocol

import torch

from groundtune.attention import QUERIES, forbidding, refuse_others, register, up_to_itself
from groundtune.models.hf.tree import Node

NAME = "groundtune_decoding"  # what transformers knows it by
FORMAT = torch.float32  # of its scores


class View(Protocol):
    """What tokens of a pass through the model see."""

    def attend(self, layer: int, query: Any, key: Any, value: Any) -> Any:
        """softmax(q k') v. query (scaled) and result: (heads, tokens, size); key, value: the same with fewer heads."""
        ...


class Reading:
    """Nodes of a tree, one behind the other. Their keys and values stay with them."""

    def __init__(self, nodes: Sequence[Node]) -> None:
        self.nodes = nodes

    def attend(self, layer: int, query: Any, key: Any, value: Any) -> Any:
        parts = []
        start = 0
        for node in self.nodes:
            own = slice(start, start + len(node.ids))
            node.keys[layer], node.values[layer] = key[:, own], value[:, own]
            path = node.path()
            keys = torch.cat([one.keys[layer] for one in path], 1)
            values = torch.cat([one.values[layer] for one in path], 1)
            parts.append(_seeing(query[:, own], keys, values, node.seen))
            start = own.stop
        return torch.cat(parts, 1)


def _seeing(query: Any, keys: Any, values: Any, seen: Any) -> Any:
    """The queries are those of the last keys. seen: which of these each sees; None: those up to its own."""
    heads, tokens, size = query.shape
    groups = heads // len(keys)
    before = keys.shape[1] - tokens
    parts = []
    for start in range(0, tokens, QUERIES):
        end = min(start + QUERIES, tokens)
        some = query[:, start:end].reshape(len(keys), -1, size)  # heads that share keys, one behind the other
        scores = torch.bmm(some, keys[:, : before + end].transpose(1, 2)).view(len(keys), groups, end - start, -1)
        if seen is None:
            scores[..., before + start :] += forbidding(up_to_itself(end - start), FORMAT)
        else:
            scores[..., before:] += forbidding(seen[start:end, :end], FORMAT)
        chances = torch.softmax(scores, -1).flatten(1, 2)
        parts.append(torch.bmm(chances, values[:, : before + end]).view(heads, end - start, size))
    return parts[0] if len(parts) == 1 else torch.cat(parts, 1)


class Decoding:
    """One token a row. What rows share is multiplied once for all of them; what is a row's own lies in a padded block,
    with room for what comes."""

    def __init__(self, shared: Sequence[Node], own: Sequence[Node], room: int) -> None:
        lengths = [len(node.ids) for node in own]
        self.shared = [(node, node.rows) for node in shared]
        self.lengths = torch.tensor(lengths)
        self.starts = torch.tensor([node.positions[0] for node in own])
        width = max(lengths) + room
        layers = list(own[0].keys)  # what a node has of one goes when its block is there: no two copies of all
        self.keys = {layer: _block([node.keys.pop(layer) for node in own], width) for layer in layers}
        self.values = {layer: _block([node.values.pop(layer) for node in own], width) for layer in layers}

    def advance(self) -> Any:
        """The positions of the next tokens, whose keys get their places: before each step."""
        self.rows = torch.arange(len(self.lengths))
        self.width = int(self.lengths.max()) + 1
        seen = torch.arange(self.width) <= self.lengths[:, None]
        self.own_mask = forbidding(seen, FORMAT)[:, None, None, :]
        shared = torch.zeros(len(self.rows), max((node.end for node, _ in self.shared), default=0), dtype=torch.bool)
        for node, rows in self.shared:
            shared[rows.start : rows.stop, node.positions[0] : node.end] = True
        self.shared_mask = forbidding(shared, FORMAT)[:, None, None, :]
        self.places = self.lengths
        self.lengths = self.lengths + 1
        return self.starts + self.places

    def attend(self, layer: int, query: Any, key: Any, value: Any) -> Any:
        heads, rows, size = query.shape
        keys, values = self.keys[layer], self.values[layer]
        few = len(key)
        keys[self.rows, :, self.places], values[self.rows, :, self.places] = key.transpose(0, 1), value.transpose(0, 1)
        keys, values = (block[:, :, : self.width].flatten(0, 1) for block in (keys, values))
        query = query.view(few, -1, rows, size).permute(2, 0, 1, 3).contiguous()  # (rows, few, groups, size)
        own = torch.bmm(query.flatten(0, 1), keys.transpose(1, 2)).view(rows, few, -1, self.width) + self.own_mask
        if not self.shared:
            chances = torch.softmax(own, -1).flatten(0, 1)
            return torch.bmm(chances, values).view(rows, heads, size).transpose(0, 1)
        scores = torch.cat([self.shared_mask.expand(-1, few, own.shape[2], -1), own], -1)
        for node, some in self.shared:
            these = query[some.start : some.stop].transpose(0, 1).flatten(1, 2)  # (few, rows and groups, size)
            found = torch.bmm(these, node.keys[layer].transpose(1, 2)).view(few, len(some), -1, len(node.ids))
            scores[some.start : some.stop, :, :, node.positions[0] : node.end] = found.transpose(0, 1)
        chances = torch.softmax(scores, -1)
        before = self.shared_mask.shape[-1]
        out = torch.bmm(chances[..., before:].flatten(0, 1), values).view(rows, few, -1, size)
        for node, some in self.shared:
            these = chances[some.start : some.stop, :, :, node.positions[0] : node.end].transpose(0, 1).flatten(1, 2)
            found = torch.bmm(these, node.values[layer]).view(few, len(some), -1, size)
            out[some.start : some.stop] += found.transpose(0, 1)
        return out.view(rows, heads, size).transpose(0, 1)

    def keep(self, rows: list[int]) -> None:
        """Lets all rows go but these, in ascending order."""
        self.lengths, self.starts = self.lengths[rows], self.starts[rows]
        for blocks in (self.keys, self.values):
            for layer in blocks:
                blocks[layer] = blocks[layer][rows]
        left = [
            (node, range(bisect_left(rows, some.start), bisect_left(rows, some.stop))) for node, some in self.shared
        ]
        self.shared = [(node, some) for node, some in left if some]


def _block(parts: list[Any], width: int) -> Any:
    """(rows, heads, width, size), each row's part at its beginning; behind it zeros: even what is masked is finite."""
    heads, _, size = parts[0].shape
    block = parts[0].new_zeros(len(parts), heads, width, size)
    for row, part in enumerate(parts):
        block[row, :, : part.shape[1]] = part
    return block


def attend(
    module: Any, query: Any, key: Any, value: Any, _mask: Any, scaling: float, *, view: View, **others: Any
) -> tuple[Any, None]:
    """What transformers calls for each layer: query (1, heads, tokens, size), key and value likewise, fewer heads.

    Gives (1, tokens, heads, size). Raises UnknownAttentionError for kinds of attention that this is not.
    """
    refuse_others(module, others)
    out = view.attend(module.layer_idx, query[0] * scaling, key[0], value[0])
    return out.transpose(0, 1).unsqueeze(0), None


@contextmanager
def attending(model: Any) -> Iterator[None]:
    """For as long as the block runs, the model attends so; `view` goes through its forward pass as a keyword."""
    register(NAME, attend)
    before = model.config._attn_implementation
    model.set_attn_implementation(NAME)
    try:
        yield
    finally:
        model.set_attn_implementation(before)
