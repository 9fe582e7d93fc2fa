"""Work in a quiet process of its own: what crashes, changes its process or prints there does so there alone."""

from __future__ import annotations

import os
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from multiprocessing import get_context
from typing import ParamSpec, TypeVar

from groundtune.errors import WorkFailed

P = ParamSpec("P")
T = TypeVar("T")


def apart(work: Callable[P, T], *arguments: P.args, **options: P.kwargs) -> T:
    """What a function of a module gives, or raises. Raises WorkFailed where its process dies."""
    with ProcessPoolExecutor(1, mp_context=get_context("spawn"), initializer=_quiet) as pool:
        try:
            return pool.submit(work, *arguments, **options).result()
        except BrokenProcessPool as error:
            raise WorkFailed(f"the process of {work.__module__} died", "is there enough memory?") from error


def _quiet() -> None:
    nowhere = os.open(os.devnull, os.O_WRONLY)
    for stream in (1, 2):
        os.dup2(nowhere, stream)
