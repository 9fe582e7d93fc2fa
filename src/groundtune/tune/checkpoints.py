"""Checkpoints of a training: new folders, written whole or not at all; the one before goes when the next is there."""

from __future__ import annotations

from io import BytesIO
from pathlib import Path
from typing import Any

from groundtune.types import Json
from groundtune.workspace import read_json, remove, write_json, writing


class Checkpoints:
    """The checkpoints of one training in a folder. inputs: the digest of all that it depends on."""

    def __init__(self, folder: Path, inputs: str) -> None:
        self.folder = folder
        self._inputs = inputs

    def save(self, step: int, tensors: Any, state: Json) -> None:
        """Writes one. Raises WorkFailed where the disk is full."""
        import torch

        older = list(self.folder.glob("step-*"))
        with writing(self.folder / f"step-{step:06d}") as temporary:
            temporary.mkdir()
            saved = BytesIO()  # PyTorch, writing by itself, does not say why it cannot
            torch.save(tensors, saved)
            (temporary / "state.pt").write_bytes(saved.getbuffer())
            write_json(temporary / "state.json", {"inputs": self._inputs, "step": step, **state})
        for folder in older:
            remove(folder)

    def newest(self) -> Path | None:
        """The newest checkpoint of this very training, if there is one."""
        for folder in sorted(self.folder.glob("step-*"), reverse=True):
            if read_json(folder / "state.json")["inputs"] == self._inputs:
                return folder
        return None

    def state(self) -> Json:
        """What the newest says besides its tensors; empty where there is none."""
        newest = self.newest()
        return {} if newest is None else read_json(newest / "state.json")

    def tensors(self, device: Any) -> Any:
        """The tensors of the newest one."""
        import torch

        newest = self.newest()
        assert newest is not None, "there is no checkpoint"  # noqa: S101 (the caller has asked for its state)
        return torch.load(newest / "state.pt", weights_only=True, map_location=device)

    def clear(self) -> None:
        """Removes them all."""
        remove(self.folder)
