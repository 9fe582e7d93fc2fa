"""Weights in 4 bits are learnt over and answered from as the very numbers that they unpack to, or refused."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file
from transformers import AutoModelForCausalLM

from groundtune import four_bits
from groundtune.config import ModelTable, TuneTable
from groundtune.errors import UserError
from groundtune.models import load_backend
from groundtune.models.hf.backend import HFBackend
from groundtune.prompts import trained
from groundtune.tune import memory
from groundtune.tune.rows import Row
from groundtune.tune.trainer import Trainer
from groundtune.types import Message, Prompt
from tests.tiny import OLD_NAME, Tiny, adapter

pytestmark = OLD_NAME
needs_bitsandbytes = pytest.mark.skipif(
    importlib.util.find_spec("bitsandbytes") is None, reason="bitsandbytes is not installed (extra: qlora)"
)
TEMPLATE = trained("qa")
FACTS = {"What does the red lamp cost?": "seven coins", "Where is the green pump?": "in the north garden"}
IDS = torch.tensor([[3, 1, 4, 1, 5, 9, 2, 6]])


@pytest.fixture(scope="module")
def unpacked(tiny: Tiny, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same model, its weights written out as what the 4 bits of each stand for."""
    folder = tmp_path_factory.mktemp("unpacked")
    backend = HFBackend(str(tiny.wide), "wide", bits=4, threads=1)
    model: Any = AutoModelForCausalLM.from_pretrained(tiny.wide)
    with backend.using(None) as packed, torch.no_grad():
        for name, layer in packed.named_modules():
            if four_bits.is_packed(layer):
                model.get_submodule(name).weight.copy_(four_bits.weight(layer, torch.float32))
    model.save_pretrained(folder)
    backend.tokenizer.save_pretrained(folder)
    return folder


def backends(tiny: Tiny, unpacked: Path) -> tuple[HFBackend, HFBackend]:
    return HFBackend(str(tiny.wide), "wide", bits=4, threads=1), HFBackend(str(unpacked), "unpacked", threads=1)


def trainer(backend: HFBackend, folder: Path, **table: object) -> Trainer:
    rows = [Row(TEMPLATE.prompt(q), TEMPLATE.completion(a), "closed", q) for q, a in FACTS.items()]
    settings = TuneTable.model_validate({"rank": 8, "precision": "fp32", "batch": 2, **table})
    tokenizer, model = backend.fresh()
    return Trainer(tokenizer, model, backend.render, rows, settings, folder)


@needs_bitsandbytes
def test_all_linear_layers_of_the_blocks_lie_in_4_bits_near_what_they_were(tiny: Tiny) -> None:
    whole: Any = AutoModelForCausalLM.from_pretrained(tiny.wide)

    with HFBackend(str(tiny.wide), "wide", bits=4, threads=1).using(None) as model:
        packed = {name: layer for name, layer in model.named_modules() if four_bits.is_packed(layer)}
        found = {name: four_bits.weight(layer, torch.float32) for name, layer in packed.items()}

    assert len(packed) == 2 * 7
    for name, weight in found.items():
        given = whole.get_submodule(name).weight
        assert 0 < (weight - given).abs().max() < 0.25 * given.abs().max()


@needs_bitsandbytes
def test_answers_are_those_of_the_unpacked_weights_with_the_adapter_beside_them(
    tiny: Tiny, unpacked: Path, tmp_path: Path
) -> None:
    folder = adapter(tiny.wide, tmp_path / "adapter", seed=2)
    prompts = [Prompt((Message("user", text),)) for text in ("red lamp", "how long?", *FACTS)]

    for learnt in (None, folder):
        said = []
        for backend in backends(tiny, unpacked):
            said.append([one.text for one in backend.generator(learnt).generate(prompts, TEMPLATE.limits(8))])
            with backend.using(learnt) as model, torch.inference_mode():
                said[-1].append(model(IDS).logits)
                assert backend.packs(model, 100)  # by our own decoding
        *texts, logits = said[0]
        *expected, right = said[1]
        assert texts == expected
        torch.testing.assert_close(logits, right, rtol=1e-3, atol=1e-4)


@needs_bitsandbytes
@pytest.mark.parametrize("twice", [False, True], ids=["", "activations computed twice"])
def test_what_is_learnt_over_4_bits_is_what_the_unpacked_weights_would_teach(
    tiny: Tiny, unpacked: Path, tmp_path: Path, twice: bool
) -> None:
    for number, backend in enumerate(backends(tiny, unpacked)):
        job = trainer(backend, tmp_path / str(number), epochs=4)
        plan = job.plan()
        assert plan.packed
        if twice and number == 0:
            memory.compute_twice(job._learner.model.get_base_model())
        job.train(plan)

    ours, theirs = (load_file(tmp_path / number / "adapter_model.safetensors") for number in ("0", "1"))
    assert ours.keys() == theirs.keys()
    for key, tensor in ours.items():
        torch.testing.assert_close(tensor, theirs[key], rtol=1e-2, atol=1e-5)


@needs_bitsandbytes
def test_what_was_learnt_is_said(tiny: Tiny, tmp_path: Path) -> None:
    backend = HFBackend(str(tiny.wide), "wide", bits=4, threads=1)
    job = trainer(backend, tmp_path / "adapter", epochs=120, rate=5e-3)

    assert job.train(job.plan()).loss < 0.1

    said = backend.generator(tmp_path / "adapter").generate([TEMPLATE.prompt(q) for q in FACTS], TEMPLATE.limits(16))
    assert [one.text.strip() for one in said] == list(FACTS.values())


@needs_bitsandbytes
def test_the_weights_take_less_memory_by_what_packing_saves(tiny: Tiny, unpacked: Path, tmp_path: Path) -> None:
    jobs = [trainer(backend, tmp_path / "adapter") for backend in backends(tiny, unpacked)]
    packed = [weight for weight in jobs[0]._learner.model.parameters() if hasattr(weight, "quant_state")]
    weights = sum(weight.quant_state.shape.numel() for weight in packed)
    scales = sum(four_bits.size(weight) - weight.nbytes for weight in packed)

    in_4_bits, whole = (memory.weights(job._learner.model) for job in jobs)

    assert whole - in_4_bits == pytest.approx(4 * weights - weights / 2 - scales, rel=1e-3)
    assert scales / weights > 1 / 64  # a byte for each block, and tables, which weigh little in larger models


@needs_bitsandbytes
@pytest.mark.parametrize("width", [16, 32, 48, 64, 80, 100, 576])
def test_rows_that_bitsandbytes_unpacks_wrongly_are_refused(width: int) -> None:
    from bitsandbytes.functional import dequantize_4bit, quantize_4bit

    given = torch.randn(256, width, generator=torch.Generator().manual_seed(1))
    found = dequantize_4bit(*quantize_4bit(given, quant_type="nf4", compress_statistics=True))
    right = bool((found - given).abs().max() < 0.2 * given.abs().max())

    if right:
        four_bits._try(width, torch.device("cpu"))
    else:
        with pytest.raises(UserError, match=rf"wrong numbers here for rows of {width} weights"):
            four_bits._try(width, torch.device("cpu"))


def test_where_bitsandbytes_is_installed_other_trainings_do_not_hear_of_it() -> None:
    program = "import groundtune.tune.lora, peft.tuners.lora"  # which imports bitsandbytes, too
    found = subprocess.run([sys.executable, "-W", "ignore", "-c", program], capture_output=True, text=True, check=True)

    assert found.stderr == ""


def test_without_bitsandbytes_it_is_said_what_to_install(tiny: Tiny, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)

    with pytest.raises(UserError, match=r"\[model\] bits = 4 needs bitsandbytes") as caught:
        four_bits.settings(torch.float32)
    assert "pip install 'groundtune[qlora]'" in caught.value.hint


@pytest.mark.parametrize("name", ["echo", "openai:some-model"])
def test_a_model_without_weights_here_has_no_bits_to_choose(name: str) -> None:
    with pytest.raises(
        UserError, match=rf"\[writer\] bits and engine are for weights on this machine; '{name}' has none here"
    ):
        load_backend(ModelTable(name=name, bits=4), "writer")
