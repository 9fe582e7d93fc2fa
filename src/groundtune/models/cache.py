"""What is made from weights once and kept between projects, in the user's cache."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from groundtune.workspace import disk_errors, writing


def made_once(cache: Path, name: str, make: Callable[[Path], None]) -> Path:
    """The folder `name` of the cache, which `make` writes where it is not there yet.

    Of several processes one makes it and the others wait. One that is killed in the midst leaves nothing half: `make`
    writes to a temporary path. Raises UserError where the cache cannot be written to, WorkFailed where it is full.
    """
    from filelock import FileLock

    target = cache / name
    if target.is_dir():
        return target
    with disk_errors(cache, "let GROUNDTUNE_CACHE name a folder that can be written to"):
        target.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(f"{target}.lock"):
            if not target.is_dir():
                with writing(target) as temporary:
                    make(temporary)
    return target
