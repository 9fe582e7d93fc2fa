"""How probable each of some choices is as the reply to a prompt: they are read at once, as a trie behind the prompt.

A choice's probability is that the reply begins with its tokens and with those of no longer choice. No end is asked for:
how a model goes on behind a label says nothing about the label. First the prompts are read, then only the choices whose
first tokens are likely enough to matter: of 77 labels mostly a few.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import torch

from groundtune.models.hf_decoding import at_work, read
from groundtune.models.hf_tree import Node, tree

Tokens = tuple[int, ...]
UNLIKELY = (
    0.002  # of the probability that choices' first tokens have: what lies behind the least probable may stay unread
)
MOST_UNREAD = 0.01  # of the probability of all choices


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

    The most probable is exact. Where some choices stayed unread the others' probabilities are up to MOST_UNREAD too
    small, and each unread one has its part of what its first token has. root: what all rows begin with, read before.
    """
    order = sorted(range(len(rows)), key=lambda row: rows[row])
    shared, own = tree([rows[row] for row in order], root)
    prompts = dict(zip(order, own, strict=True))
    place = {id(node): row for row, node in prompts.items()}
    with at_work(model):
        begun = {place[id(node)]: found for node, found in read(model, [*shared, *own])}
        first = {row: _first(begun[row], choices[row]) for row in order}
        likely = {row: _likely(first[row], choices[row]) for row in order}
        found = _read_choices(model, prompts, begun, likely)
        unsure = {row: tuple(choices[row]) for row in order if _tells_too_little(found[row], first[row])}
        found |= _read_choices(model, prompts, begun, unsure)
    return [_shares(found[row], _unread(first[row], found[row]), choices[row]) for row in range(len(rows))]


def _first(logits: Any, choices: Sequence[Tokens]) -> dict[int, float]:
    """The probability of each first token of the choices; logits: behind the prompt, (1, vocabulary)."""
    tokens = sorted({choice[0] for choice in choices})
    chances = (logits[0, tokens].double() - logits[0].double().logsumexp(-1)).exp()
    return dict(zip(tokens, chances.tolist(), strict=True))


def _likely(first: dict[int, float], choices: Sequence[Tokens]) -> tuple[Tokens, ...]:
    """The choices behind the most probable first tokens, which have all but UNLIKELY of what all have."""
    most = (1 - UNLIKELY) * sum(first.values())
    read: set[int] = set()
    for token in sorted(first, key=lambda token: (-first[token], token)):
        if sum(first[one] for one in read) >= most and read:
            break
        read.add(token)
    return tuple(choice for choice in choices if choice[0] in read)


def _read_choices(
    model: Any, prompts: dict[int, Node], begun: dict[int, Any], choices: dict[int, tuple[Tokens, ...]]
) -> dict[int, dict[Tokens, float]]:
    """For each row, of each of its choices, the log-probability. begun: what follows the prompts."""
    tries = {some: Trie.of(some) for some in set(choices.values())}
    nodes = {row: tries[some].behind(prompts[row]) for row, some in choices.items()}
    logits = {row: begun[row] for row in nodes}
    place = {id(node): row for row, node in nodes.items()}
    for node, found in read(model, [node for node in nodes.values() if node.ids]):
        logits[place[id(node)]] = torch.cat([begun[place[id(node)]], found])
    return {row: tries[some].logprobs(logits[row]) for row, some in choices.items()}


def _tells_too_little(logprobs: dict[Tokens, float], first: dict[int, float]) -> bool:
    """Whether too much of the probability is unread, or an unread choice could be the most probable."""
    unread = _unread(first, logprobs).values()
    chances = [math.exp(logprob) for logprob in logprobs.values()]
    return bool(unread) and (sum(unread) > MOST_UNREAD * sum(chances) or max(unread) > max(chances))


def _unread(first: dict[int, float], read: Iterable[Tokens]) -> dict[int, float]:
    """The first tokens behind which no choice was read, with their probabilities where they have any."""
    known = {choice[0] for choice in read}
    return {token: chance for token, chance in first.items() if token not in known and chance > 0}


def _shares(logprobs: dict[Tokens, float], unread: dict[int, float], choices: Sequence[Tokens]) -> list[float]:
    highest = max(logprobs.values())
    behind = Counter(choice[0] for choice in choices)
    part = {token: math.exp(math.log(chance) - highest) / behind[token] for token, chance in unread.items()}
    chances = [
        math.exp(logprobs[choice] - highest) if choice in logprobs else part.get(choice[0], 0.0) for choice in choices
    ]
    return [chance / sum(chances) for chance in chances]
