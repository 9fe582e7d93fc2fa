"""Prompts as a tree: what several of them begin with is one node, so that it is read and kept once."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

SHORTEST = 16  # tokens; a shorter stretch in common is not worth a node of its own


@dataclass(slots=True, eq=False)
class Node:
    """A stretch of tokens behind its parent's.

    rows: which rows (neighbours, as the tree was made of them in order) pass through it. asked: of so many of its last
    tokens it is wanted what follows. seen: which of its own tokens each sees; None: itself and those before it. keys,
    values: by layer, (heads, tokens, size of a head).
    """

    ids: list[int]
    positions: list[int]
    parent: Node | None = None
    rows: range = range(0)
    asked: int = 0
    seen: Any = None
    keys: dict[int, Any] = field(default_factory=dict)
    values: dict[int, Any] = field(default_factory=dict)

    @property
    def end(self) -> int:
        """The position behind its last token's."""
        return self.positions[-1] + 1

    def path(self) -> list[Node]:
        """The nodes from the first token of all to this one."""
        above = self.parent.path() if self.parent else []
        return [*above, self]


def tree(rows: Sequence[list[int]], root: Node | None = None) -> tuple[list[Node], list[Node]]:
    """The nodes that several rows share, parents first, and each row's own rest, in order.

    rows: in ascending order, each longer than the root, with which all begin.
    """
    if root is not None:
        root.rows = range(len(rows))
    nodes = list(_grow(rows, range(len(rows)), root))
    return [node for node in nodes if len(node.rows) > 1], [node for node in nodes if len(node.rows) == 1]


def _grow(rows: Sequence[list[int]], some: range, parent: Node | None) -> Iterator[Node]:
    start = parent.end if parent else 0
    for group in _groups(rows, some, start):
        first, last = rows[group[0]], rows[group[-1]]
        end = len(first) if len(group) == 1 else _common(first, last)  # of rows in order, the outer two differ most
        node = Node(first[start:end], list(range(start, end)), parent, group, asked=int(len(group) == 1))
        yield node
        if len(group) > 1:
            yield from _grow(rows, group, node)


def _groups(rows: Sequence[list[int]], some: range, start: int) -> Iterator[range]:
    """Neighbours that go on alike behind `start` for long enough; a row that does not is a group of its own."""
    first = some.start
    for row in range(some.start + 1, some.stop + 1):
        if row == some.stop or _common(rows[row - 1], rows[row]) < start + SHORTEST:
            yield range(first, row)
            first = row


def _common(one: list[int], other: list[int]) -> int:
    """How many tokens both begin with; the last of a row is always its own, for what follows is predicted from it."""
    most = min(len(one), len(other)) - 1
    return next((n for n in range(most) if one[n] != other[n]), most)
