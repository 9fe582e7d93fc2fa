"""How probable each of some choices is as the reply to a prompt: all are read at once, as a trie behind the prompt.

A choice's probability is that the reply begins with its tokens and with those of no longer choice. No end is asked for:
how a model goes on behind a label says nothing about the label.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch

from groundtune.models.hf_decoding import at_work, read
from groundtune.models.hf_tree import Node, tree

Tokens = tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Trie:
    """Choices' tokens. Only inner ones are read, for nothing is asked behind a last one.

    inner: the beginnings that some choice goes on from, the empty one first, parents before children. seen: which of
    them, without the empty one, lie on the way to which.
    """

    choices: tuple[Tokens, ...]
    inner: tuple[Tokens, ...]
    seen: Any

    @staticmethod
    def of(choices: Sequence[Tokens]) -> Trie:
        inner = sorted({(), *(choice[:n] for choice in choices for n in range(len(choice)))})
        read = inner[1:]
        seen = torch.tensor([[other == one[: len(other)] for other in read] for one in read], dtype=torch.bool)
        return Trie(tuple(dict.fromkeys(choices)), tuple(inner), seen)

    def behind(self, prompt: Node) -> Node:
        """The node of the inner tokens, as the reply to a prompt."""
        ids, positions = [one[-1] for one in self.inner[1:]], [prompt.end + len(one) - 1 for one in self.inner[1:]]
        return Node(ids, positions, prompt, prompt.rows, asked=len(ids), seen=self.seen)

    def logprobs(self, logits: Any) -> dict[Tokens, float]:
        """Of each choice. logits: behind each inner beginning, (inner, vocabulary)."""
        place = {one: row for row, one in enumerate(self.inner)}
        steps = sorted({choice[: n + 1] for choice in self.choices for n in range(len(choice))})
        rows = torch.tensor([place[step[:-1]] for step in steps], dtype=torch.long)
        tokens = torch.tensor([step[-1] for step in steps], dtype=torch.long)
        found = (logits[rows, tokens] - logits.logsumexp(-1)[rows]).double().tolist()
        of_step = dict(zip(steps, found, strict=True))
        begun = {one: sum(of_step[one[: n + 1]] for n in range(len(one))) for one in self.choices}
        longer = dict.fromkeys(self.choices, 0.0)
        for one in self.choices:
            shorter = next((one[:n] for n in reversed(range(len(one))) if one[:n] in begun), None)
            if shorter is not None:
                longer[shorter] += math.exp(begun[one] - begun[shorter])
        return {one: begun[one] + math.log(max(1 - longer[one], 1e-12)) for one in self.choices}


def probabilities(
    model: Any, rows: Sequence[list[int]], choices: Sequence[Sequence[Tokens]], root: Node | None = None
) -> list[list[float]]:
    """For each row, of each of its choices, in order; those of one row are 1 in all. Equal choices share theirs.

    root: what all rows begin with, read before.
    """
    tries = {tuple(some): Trie.of(some) for some in choices}
    order = sorted(range(len(rows)), key=lambda row: rows[row])
    result: list[list[float]] = [[] for _ in rows]
    shared, own = tree([rows[row] for row in order], root)
    nodes = list(shared)
    owner: dict[int, int] = {}
    for row, prompt in zip(order, own, strict=True):
        both = [prompt, tries[tuple(choices[row])].behind(prompt)]
        nodes += [node for node in both if node.ids]
        owner |= {id(node): row for node in both}
    logits: list[Any] = []
    with at_work(model):
        for node, found in read(model, nodes):
            row = owner[id(node)]
            logits.append(found)
            trie = tries[tuple(choices[row])]
            if sum(map(len, logits)) == len(trie.inner):
                result[row] = _shares(trie.logprobs(torch.cat(logits)), choices[row])
                logits.clear()
    return result


def _shares(logprobs: dict[Tokens, float], choices: Sequence[Tokens]) -> list[float]:
    highest = max(logprobs.values())
    total = sum(math.exp(logprobs[choice] - highest) for choice in choices)
    return [math.exp(logprobs[choice] - highest) / total for choice in choices]
