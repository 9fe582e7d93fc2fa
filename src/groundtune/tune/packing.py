"""Rows to tensors: rows that begin alike are packed so that what they share is computed once.

A pack is its common prefix, then each row's own rest. Positions and attention are set so that every row sees the prefix
and itself alone, which gives the same loss as the rows one by one, for a fraction of the tokens.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from groundtune.attention import forbidding
from groundtune.tokens import common_prefix, ids_of_words
from groundtune.tune.attention import Block, causal, own_rows
from groundtune.tune.rows import Row

if TYPE_CHECKING:
    import torch


@dataclass(frozen=True, slots=True)
class Tokens:
    """One row as token ids: the loss is on `ids[asked:]`. cut: whether it was longer; replayed: whether it is general
    text, of which nothing is to be learnt or lost."""

    ids: list[int]
    asked: int
    cut: bool = False
    replayed: bool = False


@dataclass(frozen=True, slots=True)
class Pack:
    """Rows that share the first `shared` ids."""

    shared: int
    rows: tuple[Tokens, ...]

    @property
    def length(self) -> int:
        """Tokens that are computed."""
        return self.shared + sum(len(row.ids) - self.shared for row in self.rows)

    @property
    def replayed(self) -> bool:
        """Whether it is general text, which shares nothing and stands alone."""
        return self.rows[0].replayed

    @property
    def answers(self) -> int:
        """Tokens that the loss is on."""
        return sum(len(row.ids) - row.asked for row in self.rows)


def tokenise(row: Row, render: Callable[[Any], str], tokenizer: Any, most: int) -> Tokens:
    """A row's ids, ended by the end-of-text token.

    A row of more than `most` is cut: the prompt at its front, but for the token that begins all texts of the model; an
    answer that is longer than half of `most` at its end, as far as it has to be.
    """
    prompt = tokenizer(render(row.prompt), add_special_tokens=False)["input_ids"]
    answer = [*ids_of_words(tokenizer, row.completion), tokenizer.eos_token_id]
    if len(prompt) + len(answer) <= most:
        return Tokens(prompt + answer, len(prompt), replayed=row.kind == "replay")
    answer = answer[: max(most // 2, most - len(prompt))]
    begin = prompt[:1] if prompt[:1] == [tokenizer.bos_token_id] else []
    prompt = begin + prompt[len(begin) + max(0, len(prompt) + len(answer) - most) :]
    return Tokens(prompt + answer, len(prompt), cut=True, replayed=row.kind == "replay")


def pack(rows: Sequence[tuple[str, Tokens]]) -> list[Pack]:
    """Packs of the rows that carry the same key, in the order in which the keys come.

    Rows that do not begin alike stand alone: those that were cut at their front, each by as much as it had to be.
    """
    by_key: dict[str | int, list[Tokens]] = {}
    for number, (key, tokens) in enumerate(rows):
        by_key.setdefault(number if tokens.cut else key, []).append(tokens)
    packs: list[Pack] = []
    for members in by_key.values():
        shared = _shared(members)
        packs += [Pack(shared, tuple(members))] if shared else [Pack(0, (one,)) for one in members]
    return packs


def _shared(rows: list[Tokens]) -> int:
    if len(rows) == 1:
        return 0
    # At least one id of each prompt stays its own, so that the first answer token is predicted within the row.
    return min(len(common_prefix([row.ids[: row.asked] for row in rows])), *(row.asked - 1 for row in rows))


def steps(packs: Sequence[Pack], rows_a_step: int, seed: int) -> list[list[Pack]]:
    """Packs grouped into optimiser steps of about `rows_a_step` rows of like length, in a random, repeatable order."""
    groups: list[list[Pack]] = []
    group: list[Pack] = []
    for one in sorted(packs, key=lambda p: p.length):
        group.append(one)
        if sum(len(p.rows) for p in group) >= rows_a_step:
            groups.append(group)
            group = []
    if group:
        groups.append(group)
    random.Random(seed).shuffle(groups)
    return groups


@dataclass(frozen=True, slots=True)
class Strip:
    """Packs one behind the other, as a model reads them: nothing is padded.

    ids and positions: (1, tokens); asked: the places (answer tokens) whose logits are wanted; right: (answer tokens),
    the ids that should follow there; blocks: who sees whom.
    """

    ids: torch.Tensor
    positions: torch.Tensor
    asked: torch.Tensor
    right: torch.Tensor
    blocks: list[Block]


def strip(packs: Sequence[Pack], queries: int, dtype: torch.dtype, device: Any = "cpu") -> Strip:
    """The tensors of some packs. queries: of a block of attention at the most; dtype: of its masks."""
    import torch

    ids: list[int] = []
    positions: list[int] = []
    asked: list[int] = []
    right: list[int] = []
    blocks: list[Block] = []
    lone: list[int] = []  # lengths of short packs at the end of `ids` that have no block yet

    def block_of_lone() -> None:
        if lone:
            first = len(ids) - sum(lone)
            blocks.append(Block(first, len(ids), first, forbidding(own_rows(lone), dtype) if len(lone) > 1 else None))
            lone.clear()

    for one in packs:
        if one.shared or sum(lone) + one.length > queries:
            block_of_lone()
        start = len(ids)
        ids += one.rows[0].ids[: one.shared]
        positions += range(one.shared)
        for row in one.rows:
            asked += range(len(ids) + row.asked - one.shared - 1, len(ids) + len(row.ids) - one.shared - 1)
            right += row.ids[row.asked :]
            ids += row.ids[one.shared :]
            positions += range(one.shared, len(row.ids))
        if one.shared:
            own = [len(row.ids) - one.shared for row in one.rows]
            blocks += causal(start, start + one.shared, start, queries, dtype)
            blocks.append(Block(start + one.shared, len(ids), start, forbidding(own_rows(own), dtype)))
        elif one.length > queries:
            blocks += causal(start, len(ids), start, queries, dtype)
        else:
            lone.append(one.length)
    block_of_lone()
    return Strip(
        torch.tensor([ids], device=device),
        torch.tensor([positions], device=device),
        torch.tensor(asked, device=device),
        torch.tensor(right, device=device),
        [replace(block, mask=None if block.mask is None else block.mask.to(device)) for block in blocks],
    )
