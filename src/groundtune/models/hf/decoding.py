"""Greedy decoding of many prompts at once: what they begin with alike is read once, nothing is padded, and rows that
are done leave. The texts are those of transformers' `generate` (docs/decisions/011-own-decoding.md)."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field
from typing import Any

import torch
from torch.overrides import TorchFunctionMode

from groundtune import kernels
from groundtune.attention import MISFITS, places_depend_on_length, trial
from groundtune.models.hf.attention import Decoding, Reading, attending
from groundtune.models.hf.tree import Node, tree

STRIP = 2048  # tokens in a pass that reads: more need memory and gain nothing
ASKED = 512  # of them, behind which all logits are wanted
FEWER = 0.75  # rows leave once no more than this share of them goes on: each time, all keys are copied
TRIAL = 40  # tokens
CLOSE = 1e-3  # of the largest logit


@dataclass(slots=True)
class Reply:
    """The tokens that a model said, its end among them where it came to one, and the log-probability of them all."""

    tokens: list[int] = field(default_factory=list)
    logprob: float = 0.0
    done: bool = False


def read_prefix(model: Any, ids: list[int]) -> Node:
    """What prompts begin with, read: the root for `greedy`."""
    root = Node(ids, list(range(len(ids))))
    with at_work(model):
        list(read(model, [root]))
    return root


def greedy(
    model: Any,
    rows: Sequence[list[int]],
    most: int,
    done: Callable[[list[int]], bool],
    root: Node | None = None,
    said: Callable[[int], object] = lambda _: None,
) -> list[Reply]:
    """The most probable next token of each row, again and again, until `done` with its tokens or `most` are said.

    root: what all rows begin with, read before. said: is told each token.
    """
    replies = [Reply() for _ in rows]
    order = sorted(range(len(rows)), key=lambda row: rows[row])
    running = [replies[row] for row in order]
    with at_work(model):
        shared, own = tree([rows[row] for row in order], root)
        logits = torch.cat([found for _, found in read(model, [*shared, *own])])
        decoding = Decoding([root, *shared] if root else shared, own, most)
        while True:
            for reply, token, logprob in zip(running, *_likeliest(logits), strict=True):
                if not reply.done:
                    said(token)
                    reply.tokens.append(token)
                    reply.logprob += logprob
                    reply.done = len(reply.tokens) == most or done(reply.tokens)
            left = [row for row, reply in enumerate(running) if not reply.done]
            if not left:
                return replies
            if len(left) <= FEWER * len(running):
                decoding.keep(left)
                running = [running[row] for row in left]
            logits = _step(model, [reply.tokens[-1] for reply in running], decoding)


class _ByOneDnn(TorchFunctionMode):
    """As long as it is entered, oneDNN multiplies by the weights of float32."""

    def __torch_function__(self, function: Any, types: Any, arguments: Any = (), named: Any = None) -> Any:
        if function is torch.nn.functional.linear and len(arguments) > 1 and arguments[1].dtype is torch.float32:
            return kernels.linear(*arguments, **(named or {}))
        return function(*arguments, **(named or {}))


@contextmanager
def at_work(model: Any) -> Iterator[None]:
    """The model attends over trees of prompts, and multiplies the faster way, for as long as the block runs."""
    faster = _ByOneDnn() if kernels.onednn_is_faster() else nullcontext()
    with torch.inference_mode(), attending(model), faster:
        yield


def _likeliest(logits: Any) -> tuple[list[int], list[float]]:
    """Of each row the token with the highest logit, and its log-probability."""
    tokens = logits.argmax(-1)
    logprobs = logits.gather(-1, tokens[:, None])[:, 0] - logits.logsumexp(-1)
    return tokens.tolist(), logprobs.tolist()


def read(model: Any, nodes: Sequence[Node]) -> Iterator[tuple[Node, Any]]:
    """Reads nodes, parents before children; each that is asked something, with its logits: (asked, vocabulary)."""
    for strip in _strips(nodes):
        ids = [id for node in strip for id in node.ids]
        positions = [position for node in strip for position in node.positions]
        asked: list[int] = []
        end = 0
        for node in strip:
            end += len(node.ids)
            asked += range(end - node.asked, end)
        logits = _forward(model, ids, torch.tensor(positions), Reading(strip), torch.tensor(asked, dtype=torch.long))
        yield from (
            (node, found)
            for node, found in zip(strip, logits.split([node.asked for node in strip]), strict=True)
            if node.asked
        )


def _strips(nodes: Sequence[Node]) -> Iterator[list[Node]]:
    strip: list[Node] = []
    tokens = 0
    for node in nodes:
        if strip and (tokens + len(node.ids) > STRIP or sum(one.asked for one in strip) > ASKED):
            yield strip
            strip, tokens = [], 0
        strip.append(node)
        tokens += len(node.ids)
    if strip:
        yield strip


def _step(model: Any, tokens: list[int], decoding: Decoding) -> Any:
    """What follows each row's next token: logits (rows, vocabulary)."""
    return _forward(model, tokens, decoding.advance(), decoding, 0)


def _forward(model: Any, ids: list[int], positions: Any, view: Any, keep: Any) -> Any:
    out = model(
        input_ids=torch.tensor([ids]),
        position_ids=positions[None],
        use_cache=False,
        logits_to_keep=keep,
        view=view,
    )
    return out.logits[0]


def works_with(model: Any) -> bool:
    """Whether a model, whatever its architecture, answers here as by its own: found out in a trial of few tokens.

    Recurrent layers, attention with sinks or soft caps, and keys that layers share do not; nor do positions that depend
    on the length of all, which so short a trial could not show.
    """
    if model.device.type != "cpu" or places_depend_on_length(model):
        return False
    ids = trial(model, TRIAL)
    rows = [ids[:20] + ids[20:23], ids[:20] + ids[30:39]]
    nexts = [ids[-1], ids[-2]]
    with torch.inference_mode():
        whole = [[*row, id] for row, id in zip(rows, nexts, strict=True)]
        expected = torch.cat([model(torch.tensor([row])).logits[0, -2:] for row in whole])
        try:
            found = _trial(model, rows, nexts)
        except MISFITS:
            return False
    return bool((found - expected).abs().max() <= CLOSE * expected.abs().max())


def _trial(model: Any, rows: list[list[int]], nexts: list[int]) -> Any:
    """The logits at the last token of each row and at one more."""
    with at_work(model):
        shared, own = tree(rows)
        first = torch.cat([found for _, found in read(model, [*shared, *own])])
        second = _step(model, nexts, Decoding(shared, own, 1))
        return torch.stack([first, second], 1).flatten(0, 1)
