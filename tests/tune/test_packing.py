"""Packing changes how fast a row is learnt, never what is learnt from it."""

from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from transformers import (
    AutoModelForCausalLM,
    FalconMambaConfig,
    Lfm2Config,
    MistralConfig,
    OPTConfig,
    PreTrainedConfig,
)

from groundtune.config import TuneTable
from groundtune.errors import UserError
from groundtune.models.hf.backend import HFBackend
from groundtune.prompts import trained
from groundtune.tune import attention, memory
from groundtune.tune.packing import Pack, Strip, Tokens, pack, steps, strip, tokenise
from groundtune.tune.rows import Row
from groundtune.tune.trainer import Trainer
from groundtune.types import Passage, Prompt
from tests.tiny import OLD_NAME, Tiny

pytestmark = OLD_NAME

IDS = st.lists(st.integers(5, 400), min_size=1, max_size=9)
PASSAGES = [Passage(n, "a.md", f"The {word} lamp costs {n} coins.", 0, 9) for n, word in enumerate(["red", "green"])]


def rows() -> list[Row]:
    """Three rows that share passages, one of its own, of different lengths."""
    template = trained("qa")
    asked = [
        ("what?", " red", "p"),
        ("How long does the delivery cost?", " two days", "p"),
        ("x", " I don't know", "p"),
    ]
    packed = [Row(template.prompt(q, PASSAGES), answer, "context", key) for q, answer, key in asked]
    return [*packed, Row(template.prompt("Where?"), " north", "closed", "alone")]


SMALL: dict[str, Any] = {"hidden_size": 32, "num_hidden_layers": 2, "vocab_size": 480}


def saved(config: PreTrainedConfig, folder: Path, tiny: Tiny) -> Path:
    """A fresh model as a Hugging Face folder."""
    torch.manual_seed(3)
    AutoModelForCausalLM.from_config(config).save_pretrained(folder)  # type: ignore[no-untyped-call]
    HFBackend(str(tiny.neox), "neox").tokenizer.save_pretrained(folder)
    return folder


def made(weights: Path, folder: Path) -> Trainer:
    backend = HFBackend(str(weights), weights.name, threads=1)
    tokenizer, model = backend.fresh()
    table = TuneTable(rank=2, precision="fp32")
    trainer = Trainer(tokenizer, model, backend.render, rows(), table, folder)
    for name, parameter in trainer._learner.model.named_parameters():
        if "lora_B" in name:  # else the gradients of all lora_A are zero
            torch.nn.init.normal_(parameter, std=0.1)
    return trainer


@pytest.fixture(params=["llama", "neox", "qwen"])
def trainer(tiny: Tiny, tmp_path: Path, request: pytest.FixtureRequest) -> Trainer:
    return made(getattr(tiny, request.param), tmp_path / "adapter")


def learn(trainer: Trainer, packs: list[Pack]) -> tuple[float, list[Any]]:
    trainer._learner.model.zero_grad()
    loss = trainer._learner.backward(packs)
    assert loss is not None
    return loss, [parameter.grad.clone() for parameter in trainer._learner.trainable()]


def one_by_one(trainer: Trainer, packs: list[Pack]) -> tuple[float, list[Any]]:
    """The mean over all answer tokens of rows that are trained alone, from transformers' own loss."""
    model = trainer._learner.model
    model.zero_grad()
    model.set_attn_implementation("eager")
    alone = [row for one in packs for row in one.rows]
    answers = sum(len(row.ids) - row.asked for row in alone)
    total = torch.zeros(())
    for row in alone:
        labels = torch.tensor([[-100] * row.asked + row.ids[row.asked :]])
        share = (len(row.ids) - row.asked) / answers
        total = total + share * model(input_ids=torch.tensor([row.ids]), labels=labels).loss
    total.backward()  # type: ignore[no-untyped-call]
    return total.item(), [parameter.grad.clone() for parameter in trainer._learner.trainable()]


def test_packed_rows_have_the_loss_and_the_gradients_of_the_rows_one_by_one(trainer: Trainer) -> None:
    packs = trainer._packs
    assert [len(one.rows) for one in packs] == [3, 1]
    assert packs[0].shared > 20

    loss, gradients = learn(trainer, packs)
    expected, expected_gradients = one_by_one(trainer, packs)

    assert loss == pytest.approx(expected, rel=1e-4)
    assert len(gradients) == len(expected_gradients) > 0
    for gradient, other in zip(gradients, expected_gradients, strict=True):
        torch.testing.assert_close(gradient, other, rtol=1e-3, atol=1e-5)


ATTENDING = {**SMALL, "intermediate_size": 64, "num_attention_heads": 2, "num_key_value_heads": 1}
WINDOWED = MistralConfig(**ATTENDING, sliding_window=30)
CONVOLVED = Lfm2Config(**ATTENDING, layer_types=["conv", "full_attention"])


@pytest.mark.parametrize("config", [None, WINDOWED, CONVOLVED], ids=["soft caps", "a short window", "convolutions"])
def test_rows_of_a_model_that_cannot_keep_them_apart_are_read_one_by_one(
    tiny: Tiny, tmp_path: Path, config: PreTrainedConfig | None
) -> None:
    trainer = made(saved(config, tmp_path / "model", tiny) if config else tiny.gemma, tmp_path / "adapter")
    assert [one.shared for one in trainer._packs] == [0, 0, 0, 0]

    loss, gradients = learn(trainer, trainer._packs)
    expected, expected_gradients = one_by_one(trainer, trainer._packs)

    assert not trainer.plan().packed
    assert loss == pytest.approx(expected, rel=1e-4)
    for gradient, other in zip(gradients, expected_gradients, strict=True):
        torch.testing.assert_close(gradient, other, rtol=1e-3, atol=1e-5)


def test_rows_within_a_window_are_packed(tiny: Tiny, tmp_path: Path) -> None:
    trainer = made(
        saved(MistralConfig(**ATTENDING, sliding_window=200), tmp_path / "model", tiny), tmp_path / "adapter"
    )

    assert trainer.plan().packed
    assert learn(trainer, trainer._packs)[0] == pytest.approx(one_by_one(trainer, trainer._packs)[0], rel=1e-4)


def test_rows_that_were_cut_at_their_front_stand_alone() -> None:
    whole = [Tokens([1, 2, 3, 9, n], 4) for n in (5, 6)]
    cut = [Tokens([2, 3, 9, 5], 3, cut=True), Tokens([3, 9, 8, 5], 3, cut=True)]
    strangers = [Tokens([7, 5], 1), Tokens([8, 5], 1)]

    packs = pack([*(("a", one) for one in (*whole, *cut)), *(("b", one) for one in strangers)])

    assert packs == [Pack(3, tuple(whole)), *(Pack(0, (one,)) for one in (*cut, *strangers))]


def test_a_model_that_lora_cannot_tune_is_named_with_the_reason(tiny: Tiny, tmp_path: Path) -> None:
    recurrent = saved(FalconMambaConfig(**SMALL, state_size=4), tmp_path / "model", tiny)

    with pytest.raises(UserError, match=r"falcon_mamba cannot be tuned .*out_proj"):
        made(recurrent, tmp_path / "adapter")


@pytest.mark.parametrize("most", [1, 60, 10_000])
def test_a_step_is_the_same_in_one_strip_or_in_several(trainer: Trainer, most: int) -> None:
    loss, gradients = learn(trainer, trainer._packs)
    trainer._learner.strip = most

    again, parts = learn(trainer, trainer._packs)

    assert again == pytest.approx(loss, rel=1e-4)
    for gradient, other in zip(gradients, parts, strict=True):
        torch.testing.assert_close(gradient, other, rtol=1e-3, atol=1e-6)


def test_activations_that_are_computed_twice_change_nothing_but_the_memory(trainer: Trainer) -> None:
    def kept() -> int:
        return memory.kept_for_backward(lambda: trainer._learner.loss(trainer._packs), trainer._learner.model)

    loss, gradients = learn(trainer, trainer._packs)
    before = kept()
    memory.compute_twice(trainer._learner.model.get_base_model())

    again, twice = learn(trainer, trainer._packs)

    assert again == pytest.approx(loss, rel=1e-5)
    assert kept() < before / 2
    for gradient, other in zip(gradients, twice, strict=True):
        torch.testing.assert_close(gradient, other, rtol=1e-3, atol=1e-6)


def test_activations_that_are_computed_twice_switch_no_dropout_on(tiny: Tiny, tmp_path: Path) -> None:
    opt = OPTConfig(**SMALL, word_embed_proj_dim=32, ffn_dim=64, num_attention_heads=2, dropout=0.5)
    trainer = made(saved(opt, tmp_path / "opt", tiny), tmp_path / "adapter")
    loss = trainer._learner.loss(trainer._packs[:1]).item()
    memory.compute_twice(trainer._learner.model.get_base_model())

    again = [trainer._learner.loss(trainer._packs[:1]).item() for _ in range(2)]

    assert again == [loss, loss]


def seen_by(one: Strip, position: int) -> list[int]:
    """The places that a token sees, from the blocks."""
    found = []
    for block in one.blocks:
        if block.first <= position < block.last:
            row = position - block.first
            if block.mask is None:
                found += list(range(block.keys, position + 1))
            else:
                start = block.last - block.mask.shape[1]
                found += list(range(block.keys, start))
                found += [start + n for n in (block.mask[row] == 0).nonzero().flatten().tolist()]
    return found


@given(
    prompts=st.lists(st.tuples(st.sampled_from("abc"), IDS, IDS), min_size=1, max_size=12),
    prefix=IDS,
    queries=st.integers(1, 40),
)
def test_every_row_sees_the_prefix_and_itself_alone(
    prompts: list[tuple[str, list[int], list[int]]], prefix: list[int], queries: int
) -> None:
    given_rows = [(key, Tokens([*prefix, *own, *answer], len(prefix) + len(own))) for key, own, answer in prompts]
    packs = pack(given_rows)
    one = strip(packs, queries, torch.float32)

    # No row is lost, and none is doubled.
    assert sorted(map(repr, (row for one in packs for row in one.rows))) == sorted(repr(row) for _, row in given_rows)
    assert all(pack.shared < row.asked for pack in packs for row in pack.rows)
    assert one.ids.shape[1] == sum(pack.length for pack in packs)  # nothing is padded
    learnt = []
    for position, right in zip(one.asked.tolist(), one.right.tolist(), strict=True):
        seen = seen_by(one, position)
        learnt.append((one.ids[0, seen].tolist(), right))
        assert one.positions[0, seen].tolist() == list(range(len(seen)))
    expected = [
        (row.ids[:n], row.ids[n]) for pack in packs for row in pack.rows for n in range(row.asked, len(row.ids))
    ]
    assert learnt == expected


@pytest.mark.parametrize("queries", [16, attention.ON_GPU])
@pytest.mark.parametrize(("heads", "to_each"), [(2, 3), (1, 4), (4, 1)])  # of keys, and of queries to each of them
def test_attention_as_a_gpu_computes_it_gives_what_a_processor_does(
    trainer: Trainer, queries: int, heads: int, to_each: int
) -> None:
    one = strip(trainer._packs, queries, torch.float32)
    generator = torch.Generator().manual_seed(1)
    n = one.ids.shape[1]
    q, k, v = given = [
        torch.randn(1, count, n, 16, generator=generator, requires_grad=True)
        for count in (heads * to_each, heads, heads)
    ]
    above = torch.randn(1, n, heads * to_each, 16, generator=generator)

    ours, _ = attention.attend(None, q, k, v, None, 0.25, blocks=one.blocks)
    repeated = k.repeat_interleave(to_each, 1), v.repeat_interleave(to_each, 1)
    fused = torch.cat([attention._fused(q, *repeated, 0.25, block) for block in one.blocks], 2).transpose(1, 2)

    torch.testing.assert_close(ours, fused)
    for found, expected in zip(*(torch.autograd.grad(out, given, above) for out in (ours, fused)), strict=True):
        torch.testing.assert_close(found, expected)


@given(
    lengths=st.lists(st.integers(1, 30), min_size=1, max_size=40), rows_a_step=st.integers(1, 9), seed=st.integers(0, 9)
)
def test_an_epoch_sees_every_pack_once_in_an_order_that_the_seed_decides(
    lengths: list[int], rows_a_step: int, seed: int
) -> None:
    packs = [Pack(0, (Tokens([n] * length, 0),)) for n, length in enumerate(lengths)]
    groups = steps(packs, rows_a_step, seed)

    assert sorted(one.rows[0].ids[0] for group in groups for one in group) == list(range(len(lengths)))
    assert all(len(group) == rows_a_step for group in groups if group is not groups[0]) or len(packs) % rows_a_step
    assert groups == steps(packs, rows_a_step, seed)


def test_a_row_that_is_too_long_loses_the_beginning_of_its_prompt_and_keeps_its_answer(tiny: Tiny) -> None:
    backend = HFBackend(str(tiny.neox), "neox", threads=1)
    row = Row(trained("qa").prompt("red " * 100), " two days", "closed", "x")

    whole = tokenise(row, backend.render, backend.tokenizer, 1000)
    cut = tokenise(row, backend.render, backend.tokenizer, 40)

    assert len(cut.ids) == 40
    assert cut.ids == whole.ids[-40:]
    assert cut.ids[cut.asked :] == whole.ids[whole.asked :]
    assert backend.tokenizer.decode(cut.ids).endswith("A: two days<|end|>")
    assert (whole.cut, cut.cut) == (False, True)


def test_the_token_that_begins_all_texts_stays_where_a_prompt_is_cut(tiny: Tiny) -> None:
    tokenizer = HFBackend(str(tiny.neox), "neox", threads=1).tokenizer
    tokenizer.bos_token = "<|system|>"
    row = Row(trained("qa").prompt("red " * 100), " two days", "closed", "x")

    def render(prompt: Prompt) -> str:
        return "<|system|>" + prompt.messages[-1].content

    whole, cut = (tokenise(row, render, tokenizer, most) for most in (1000, 40))

    assert len(cut.ids) == 40
    assert cut.ids == [tokenizer.bos_token_id, *whole.ids[-39:]]


@pytest.mark.parametrize(("answered", "cut"), [(70, False), (110, True), (140, True)])
def test_an_answer_is_cut_only_where_row_and_answer_are_too_long(tiny: Tiny, answered: int, cut: bool) -> None:
    backend = HFBackend(str(tiny.neox), "neox", threads=1)
    row = Row(trained("qa").prompt("what?"), " red" * answered, "closed", "x")
    whole = tokenise(row, backend.render, backend.tokenizer, 1000)

    found = tokenise(row, backend.render, backend.tokenizer, 100)

    assert found.cut == cut
    assert found.ids == whole.ids[:100]
    assert found.asked == whole.asked
