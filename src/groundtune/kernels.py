"""How fast this processor multiplies matrices, by number format: measured, for processors differ by times."""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import cache, partial
from typing import Any

ROWS, INNER, OUTER = 512, 576, 1536  # of a product as a small model has it, where it reads
FEW = 16  # rows where it decodes
TRIES = 7
CLEARLY = 1.25  # times as fast, or a less exact format is not worth it


@cache
def bf16_is_faster() -> bool:
    """Whether products of bfloat16 are clearly faster on the processor than those of float32: with AVX512-BF16 or AMX
    three times and more, elsewhere half as fast (benchmarks/LOG.md)."""
    import torch

    def product(dtype: torch.dtype) -> Callable[[], object]:
        a, b = torch.ones(ROWS, INNER, dtype=dtype), torch.ones(OUTER, INNER, dtype=dtype)
        return lambda: torch.nn.functional.linear(a, b)

    return _seconds(product(torch.float32)) > CLEARLY * _seconds(product(torch.bfloat16))


@cache
def onednn_is_faster() -> bool:
    """Whether oneDNN multiplies float32 faster than MKL, which PyTorch asks by itself: on an AMD EPYC it does, by a
    tenth to twice where many rows are read, by a third and more where few are decoded (benchmarks/LOG.md).

    False where this build of PyTorch has no oneDNN, or where it gives other numbers.
    """
    import torch

    if not torch.backends.mkldnn.is_available():  # type: ignore[no-untyped-call]
        return False
    generator = torch.Generator().manual_seed(0)
    a, b = (torch.randn(rows, INNER, generator=generator) for rows in (ROWS, OUTER))
    with torch.inference_mode():
        if not torch.allclose(linear(a, b), torch.nn.functional.linear(a, b), atol=1e-3):
            return False
        usual, ours = (
            sum(_seconds(partial(multiply, some, b)) for some in (a, a[:FEW]))
            for multiply in (torch.nn.functional.linear, linear)
        )
        return usual > ours


def linear(rows: Any, weight: Any, bias: Any = None) -> Any:
    """`torch.nn.functional.linear` by oneDNN, for float32 on a processor, without gradients."""
    import torch

    return torch.ops.mkldnn._linear_pointwise(rows, weight, bias, "none", [], "")


def _seconds(work: Callable[[], object]) -> float:
    """The least of several times; the first, which is slower than all others, is not counted."""
    times = []
    for _ in range(1 + TRIES):
        began = time.perf_counter()
        work()
        times.append(time.perf_counter() - began)
    return min(times[1:])
