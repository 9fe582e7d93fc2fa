"""Where the real data sets lie: $GROUNDTUNE_DATA, else ../shared/data beside the checkout."""

from __future__ import annotations

import os
import sys
from pathlib import Path


def data(name: str) -> Path:
    """The path of a data set's file or folder; ends the benchmark plainly where it is absent."""
    root = Path(os.environ.get("GROUNDTUNE_DATA", Path(__file__).resolve().parents[2] / "shared" / "data"))
    path = root / name
    if not path.exists():
        print(f"skipped: {name} is not in {root} (set GROUNDTUNE_DATA)", file=sys.stderr)
        sys.exit(0)
    return path
