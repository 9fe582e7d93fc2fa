"""An embedder's encoder in torch, to be trained, and written as a folder that is an embedder again."""

from __future__ import annotations

import shutil
from pathlib import Path

from groundtune.models.export import FILES, encoder_of, local_folder


class Trainable:
    """An encoder in torch: `module` makes unit vectors of token ids and their mask, `tokenizer` is transformers'."""

    def __init__(self, weights: str, name: str) -> None:
        """weights: what `find_weights` gives for the name in the config. Raises UserError where they are damaged."""
        self._folder = local_folder(weights, name)
        self.tokenizer, self.module, _ = encoder_of(self._folder, name)

    def save(self, folder: Path) -> None:
        """Writes the encoder, as it is by now, with all else that belongs to it."""
        folder.mkdir(parents=True, exist_ok=True)
        for path in {path for pattern in FILES for path in self._folder.glob(pattern) if path.is_file()}:
            if path.suffix != ".safetensors":
                target = folder / path.relative_to(self._folder)
                target.parent.mkdir(exist_ok=True)
                shutil.copyfile(path, target)
        self.module.model.save_pretrained(folder)
