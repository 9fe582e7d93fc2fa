"""Rows to tensors: rows that begin alike are packed so that what they share is computed once.

A pack is its common prefix, then each row's own rest. Positions and the attention mask are set so that every row sees
the prefix and itself alone, which gives the same loss as the rows one by one, for a fraction of the tokens.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from groundtune.tokens import common_prefix
from groundtune.tune.recipes import Row

if TYPE_CHECKING:
    import torch


@dataclass(frozen=True, slots=True)
class Tokens:
    """One row as token ids: the loss is on `ids[asked:]`."""

    ids: list[int]
    asked: int


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
    def answers(self) -> int:
        """Tokens that the loss is on."""
        return sum(len(row.ids) - row.asked for row in self.rows)


def tokenise(row: Row, render: Callable[[Any], str], tokenizer: Any, most: int) -> Tokens:
    """A row's ids, ended by the end-of-text token; cut at the front of the prompt where it is longer than `most`."""
    prompt = render(row.prompt)
    ids = tokenizer(prompt, add_special_tokens=False)["input_ids"]
    answer = tokenizer(row.completion, add_special_tokens=False, split_special_tokens=True)["input_ids"] + [
        tokenizer.eos_token_id
    ]
    answer = answer[: most // 2]
    ids = ids[max(0, len(ids) + len(answer) - most) :]
    return Tokens(ids + answer, len(ids))


def pack(rows: Sequence[tuple[str, Tokens]]) -> list[Pack]:
    """Packs of the rows that carry the same key, in the order in which the keys come."""
    by_key: dict[str, list[Tokens]] = {}
    for key, tokens in rows:
        by_key.setdefault(key, []).append(tokens)
    return [Pack(_shared(members), tuple(members)) for members in by_key.values()]


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
class Batch:
    """Tensors of one step: ids and positions (B, T), mask (B, 1, T, T); labels (B, T), -100 where there is no loss."""

    ids: torch.Tensor
    positions: torch.Tensor
    mask: torch.Tensor
    labels: torch.Tensor


def collate(packs: Sequence[Pack], pad: int) -> Batch:
    """The tensors of a step; `labels[b, t]` is the id that should follow position t."""
    import torch

    longest = max(one.length for one in packs)
    ids = torch.full((len(packs), longest), pad)
    positions = torch.zeros((len(packs), longest), dtype=torch.long)
    labels = torch.full((len(packs), longest), -100)
    # Padding attends to itself alone: a row of the mask without any True would give NaN.
    mask = torch.eye(longest, dtype=torch.bool).repeat(len(packs), 1, 1)
    for b, one in enumerate(packs):
        shared = one.shared
        ids[b, :shared] = torch.tensor(one.rows[0].ids[:shared])
        positions[b, :shared] = torch.arange(shared)
        mask[b, :shared, :shared] = torch.ones(shared, shared, dtype=torch.bool).tril()
        at = shared
        for row in one.rows:
            own = len(row.ids) - shared
            end = at + own
            ids[b, at:end] = torch.tensor(row.ids[shared:])
            positions[b, at:end] = torch.arange(shared, len(row.ids))
            mask[b, at:end, :shared] = True
            mask[b, at:end, at:end] = torch.ones(own, own, dtype=torch.bool).tril()
            first = at + row.asked - shared - 1  # the prompt's last token predicts the first answer token
            labels[b, first : end - 1] = torch.tensor(row.ids[row.asked :])
            at = end
    return Batch(ids, positions, mask.unsqueeze(1), labels)
