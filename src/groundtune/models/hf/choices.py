"""How probable each of some choices is as the reply to a prompt: they are read at once, as a trie behind the prompt
where the model is packed (`probabilities`), else side by side (padded.py).

A choice's probability is that the reply begins with its tokens and with those of no longer choice. No end is asked for:
how a model goes on behind a label says nothing about the label. First the prompts are read, then only the choices whose
first tokens are likely enough to matter: of 77 labels mostly a few.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch

from groundtune.models.hf.decoding import at_work, read
from groundtune.models.hf.tree import Node, tree

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

    def longest(self) -> list[Tokens]:
        """The inner beginnings that hold all others but the empty one: none is the beginning of another."""
        following = [*self.inner[1:], ()]
        return [one for one, after in zip(self.inner, following, strict=True) if after[: len(one)] != one]

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
    """The `shares` of a model that is packed. root: what all rows begin with, read before."""
    order = sorted(range(len(rows)), key=lambda row: rows[row])
    shared, own = tree([rows[row] for row in order], root)
    prompts = dict(zip(order, own, strict=True))
    place = {id(node): row for row, node in prompts.items()}

    def behind(tries: Mapping[int, Trie]) -> dict[int, Any]:
        nodes = {row: trie.behind(prompts[row]) for row, trie in tries.items()}
        place = {id(node): row for row, node in nodes.items()}
        return {place[id(node)]: found for node, found in read(model, list(nodes.values()))}

    with at_work(model):
        begun = {place[id(node)]: found for node, found in read(model, [*shared, *own])}
        return shares([begun[row] for row in range(len(rows))], choices, behind)


def shares(
    begun: Sequence[Any], choices: Sequence[Sequence[Tokens]], behind: Callable[[Mapping[int, Trie]], dict[int, Any]]
) -> list[list[float]]:
    """For each row, of each of its choices, in order; those of one row are 1 in all. Equal choices share theirs.

    begun: the logits behind each row, (1, vocabulary). behind: reads tries of rows, and gives the logits behind each
    inner beginning but the empty one, (inner - 1, vocabulary).

    The most probable is exact. Where some choices stayed unread the others' probabilities are up to MOST_UNREAD too
    small, and each unread one has its part of what its first token has.
    """
    rows = range(len(choices))
    first = [_first(begun[row], choices[row]) for row in rows]
    found = _logprobs(begun, {row: _likely(first[row], choices[row]) for row in rows}, behind)
    unsure = {row: tuple(choices[row]) for row in rows if _tells_too_little(found[row], first[row])}
    found |= _logprobs(begun, unsure, behind)
    return [_shares(found[row], _unread(first[row], found[row]), choices[row]) for row in rows]


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


def _logprobs(
    begun: Sequence[Any],
    choices: Mapping[int, tuple[Tokens, ...]],
    behind: Callable[[Mapping[int, Trie]], dict[int, Any]],
) -> dict[int, dict[Tokens, float]]:
    """For each row, of each of its choices, the log-probability."""
    known = {some: Trie.of(some) for some in set(choices.values())}
    tries = {row: known[some] for row, some in choices.items()}
    logits = dict(enumerate(begun))
    for row, found in behind({row: trie for row, trie in tries.items() if len(trie.inner) > 1}).items():
        logits[row] = torch.cat([begun[row], found])
    return {row: trie.logprobs(logits[row]) for row, trie in tries.items()}


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
