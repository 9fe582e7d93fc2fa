"""The embedded demo: the support handbook of an invented firm, with questions, messages and a dated set of changes."""

from __future__ import annotations

import shutil
from importlib.resources import as_file, files
from pathlib import Path

from groundtune.workspace import disk_errors, write_text

CONFIG = """\
# Groundtune's demo: an invented firm's handbook and its customers' questions. See docs/config.md for every key.

[[sources]]
kind = "folder"
path = "handbook"

[examples]
path = "questions.jsonl"
test_share = 0.25
test_most = 80          # held-out questions that every approach is asked

[prompt]
candidates_on = 10      # train questions that each prompt for the base model is tried on

[tune]
minutes = 3.5           # the budget of training

[measure]
latency_on = 12         # questions asked one at a time, for p50 and p95
"""


def unpack(folder: Path) -> Path:
    """Copies the demo's files into a folder and returns its groundtune.toml; what is there already stays as it is."""
    config = folder / "groundtune.toml"
    if config.exists():
        return config
    with disk_errors(folder), as_file(files("groundtune.demo")) as package:
        folder.mkdir(parents=True, exist_ok=True)
        for name in ("handbook", "changes", "questions.jsonl", "messages.jsonl"):
            if (package / name).is_dir():
                shutil.copytree(package / name, folder / name, dirs_exist_ok=True)
            else:
                shutil.copy(package / name, folder / name)
    write_text(config, CONFIG)  # last: where it stands, all stands
    return config
