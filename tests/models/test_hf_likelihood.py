"""How well a model foresees text: as transformers' own loss says it, for the bare model and for an adapter."""

from pathlib import Path

import pytest
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

from groundtune.models.hf.backend import HFBackend
from tests.tiny import OLD_NAME, Tiny, adapter

pytestmark = OLD_NAME

TEXTS = ["The red lamp costs seven coins.", "It stands in the north garden, not far from the pump.", "Who? You!"]


@pytest.mark.parametrize("name", ["llama", "neox"])
def test_the_mean_loss_of_a_text_is_transformers_own(tiny: Tiny, name: str) -> None:
    weights = getattr(tiny, name)
    model, tokenizer = AutoModelForCausalLM.from_pretrained(weights), AutoTokenizer.from_pretrained(weights)

    losses = HFBackend(str(weights), name, threads=1).losses(TEXTS)

    for text, found in zip(TEXTS, losses, strict=True):
        ids = tokenizer(text, return_tensors="pt")["input_ids"]
        with torch.inference_mode():
            expected = float(model(ids, labels=ids).loss)
        assert len(found) == ids.shape[1] - 1
        assert sum(found) / len(found) == pytest.approx(expected, rel=1e-4)


def test_an_adapter_has_losses_of_its_own_and_leaves_the_bare_models_alone(tiny: Tiny, tmp_path: Path) -> None:
    backend = HFBackend(str(tiny.llama), "llama", threads=1)
    folder = adapter(tiny.llama, tmp_path / "adapter", seed=3)

    before, tuned, after = backend.losses(TEXTS), backend.losses(TEXTS, folder), backend.losses(TEXTS)

    assert before == after
    assert all(abs(sum(a) - sum(b)) > 0.1 for a, b in zip(before, tuned, strict=True))
