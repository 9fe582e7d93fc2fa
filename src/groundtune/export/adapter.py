"""The adapter as a folder that PEFT loads, without names of this machine in it."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

CONFIG, WEIGHTS = "adapter_config.json", "adapter_model.safetensors"


def write_adapter(source: Path, target: Path, hub_name: str | None) -> None:
    """Copies an adapter that was trained into a new folder.

    hub_name: what the hub knows its base model by; None where it does not, and then PEFT is told no name.
    """
    target.mkdir()
    shutil.copyfile(source / WEIGHTS, target / WEIGHTS)
    config = json.loads((source / CONFIG).read_text(encoding="utf-8"))
    config["base_model_name_or_path"] = hub_name
    (target / CONFIG).write_text(json.dumps(config, indent=2) + "\n", encoding="utf-8")
