"""Training tiny real models: what is planned is trained, a kill costs nothing, and what was learnt is said."""

import json
import random
import signal
import time
from collections.abc import Sequence
from dataclasses import asdict, replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from groundtune import heap
from groundtune.config import TuneTable
from groundtune.errors import UserError, WorkFailed
from groundtune.measure.resources import peak_memory_mb, reset_peak_memory
from groundtune.models.hf.backend import HFBackend
from groundtune.prompts import trained
from groundtune.tune import memory
from groundtune.tune.learner import Learner
from groundtune.tune.packing import Pack
from groundtune.tune.plan import Plan
from groundtune.tune.replay import general_rows
from groundtune.tune.rows import Row
from groundtune.tune.state import State, Trained
from groundtune.tune.trainer import Trainer
from groundtune.types import Limits, NoProgress
from tests.processes import send, start, wait
from tests.said import Said
from tests.tiny import OLD_NAME, Tiny

pytestmark = OLD_NAME

TEMPLATE = trained("qa")
ALWAYS = 1e-9  # minutes between checkpoints: one after every step
FACTS = {
    "What does the red lamp cost?": "seven coins",
    "Where is the green pump?": "in the north garden",
    "How long does the delivery take?": "two days",
    "Which is the black one?": "I don't know",
}


class Log(NoProgress):
    """Writes a line for all that is said to be done, so that another process sees it."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def advance(self, amount: float = 1) -> None:
        with self.path.open("a") as file:
            file.write(f"{amount}\n")

    @property
    def amounts(self) -> list[float]:
        return [float(line) for line in self.path.read_text().splitlines()] if self.path.exists() else []


def rows(n: int) -> list[Row]:
    rng = random.Random(3)
    words = ["red", "green", "north", "lamp", "pump", "garden", "cost", "price", "days", "seven"]
    asked = [" ".join(rng.choices(words, k=rng.randint(2, 12))) for _ in range(n)]
    return [
        Row(TEMPLATE.prompt(text), f" {text.split()[0]}", "closed", f"{number // 2}")
        for number, text in enumerate(asked)
    ]


def trainer(
    weights: Path,
    learnt: list[Row],
    folder: Path,
    deciding: Sequence[Row] = (),
    general: Sequence[Row] = (),
    **table: object,
) -> Trainer:
    backend = HFBackend(str(weights), weights.name, threads=1)
    tokenizer, model = backend.fresh()
    settings = TuneTable.model_validate({"rank": 4, **table})
    return Trainer(tokenizer, model, backend.render, learnt, settings, folder, deciding, general)


GENERAL = ("seven days in the north", "a garden costs coins", "green and red lamp", "price of days")


def train(weights: Path, folder: Path, log: Path, more: str = "") -> Trained:
    """40 steps in two epochs. more: "replays" general text from where it is looked at first, or "decides" by held-out
    rows, first between two rates and then by the best look, which is not the last one, for they say the contrary."""
    general = general_rows(GENERAL) if more == "replays" else []
    deciding = [replace(row, completion=" seven coins in the garden") for row in rows(8)] if more == "decides" else []
    table = {"minutes": 5, "epochs": 2, "batch": 4, "checkpoint_minutes": ALWAYS, "forget_most": 0.1, "rate": 5e-3}
    rates = {"try_rates": [1e-5, 5e-3]} if more == "decides" else {}
    # Two trainings are compared, and a busy processor may find another number format faster for each.
    job = trainer(weights, rows(80), folder, deciding, general, precision="fp32", **table, **rates)
    return job.train(job.plan(), Log(log))


@pytest.mark.slow
@pytest.mark.parametrize(("name", "more"), [("llama", ""), ("neox", ""), ("llama", "replays"), ("llama", "decides")])
def test_a_training_that_is_killed_again_and_again_ends_as_if_it_had_not_been(
    tiny: Tiny, tmp_path: Path, name: str, more: str
) -> None:
    weights, folder = getattr(tiny, name), tmp_path / "killed"
    whole = train(weights, tmp_path / "whole", tmp_path / "log", more)
    assert whole.steps == (42 if more == "replays" else 40)
    assert whole.replaying == (4 if more == "replays" else None)
    assert more != "decides" or whole.held_out[-1] > min(whole.held_out)
    rng = random.Random()
    logs = []
    for number in range(3):
        logs.append(Log(tmp_path / f"log{number}"))
        process = start(train, weights, folder, logs[-1].path, more)
        after = 9 if more == "decides" else rng.randint(3, 10)  # the last time behind the best look
        assert wait(process, lambda log=logs[-1], after=after: len(log.amounts) > after)  # type: ignore[misc]
        assert send(process, signal.SIGKILL) == -signal.SIGKILL
        assert not folder.exists()
    logs.append(Log(tmp_path / "last"))

    resumed = train(weights, folder, logs[-1].path, more)

    assert (resumed.steps, resumed.replaying) == (whole.steps, whole.replaying)
    assert not list(tmp_path.glob("killed-checkpoints"))
    # The first that a process says to be done are the steps of those before it; all but the very last of them.
    for before, log in pairwise(
        [] if more else logs
    ):  # with replay there comes to be more to do, and a trial counts as one
        assert sum(before.amounts[:-2]) <= log.amounts[0] <= sum(before.amounts) + max(before.amounts[1:])
    assert resumed.plan.tokens == whole.plan.tokens
    assert more == "replays" or sum(logs[-1].amounts) == resumed.plan.tokens
    ours, theirs = (load_file(tmp_path / which / "adapter_model.safetensors") for which in ("killed", "whole"))
    assert ours.keys() == theirs.keys()
    for key, tensor in ours.items():
        torch.testing.assert_close(tensor, theirs[key], rtol=0, atol=1e-5)
    assert resumed.loss == pytest.approx(whole.loss, abs=1e-4)
    assert resumed.held_out == pytest.approx(whole.held_out, abs=1e-4)


def test_a_training_whose_end_nobody_heard_of_is_not_done_again(tiny: Tiny, tmp_path: Path) -> None:
    first = train(tiny.llama, tmp_path / "adapter", tmp_path / "log")

    again = train(tiny.llama, tmp_path / "adapter", tmp_path / "log2")

    assert asdict(again) == asdict(first)
    assert Log(tmp_path / "log2").amounts == []


class UntilStep(NoProgress):
    """Ends a training when so many steps are done."""

    def __init__(self, steps: int) -> None:
        self.left = steps + 1  # the first that is said to be done are the steps before

    def advance(self, amount: float = 1) -> None:
        self.left -= 1
        if self.left < 0:
            raise KeyboardInterrupt


@pytest.mark.parametrize("bf16", [True, False])
def test_training_goes_on_in_the_number_format_that_it_was_begun_in_whatever_is_faster_by_then(
    tiny: Tiny, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, bf16: bool
) -> None:
    def job(faster: bool) -> Trainer:
        monkeypatch.setattr("groundtune.tune.precision.bf16_is_faster", lambda: faster)
        return trainer(tiny.llama, rows(20), tmp_path / "adapter", minutes=5, batch=4, checkpoint_minutes=ALWAYS)

    first, precision = job(bf16), "bf16" if bf16 else "fp32"
    planned = first.plan()
    with pytest.raises(KeyboardInterrupt):
        first.train(planned, UntilStep(2))

    resumed = job(not bf16)
    done = resumed.train(resumed.plan())

    assert planned.precision == resumed.plan().precision == done.plan.precision == precision
    assert resumed._learner.model.dtype == (torch.bfloat16 if bf16 else torch.float32)
    assert json.loads((tmp_path / "adapter" / "groundtune.json").read_text())["plan"]["precision"] == precision
    assert job(not bf16)._learner.model.dtype == resumed._learner.model.dtype  # and when it is finished


def test_checkpoints_of_another_training_are_of_no_use(tiny: Tiny, tmp_path: Path) -> None:
    folder = tmp_path / "adapter"
    process = start(train, tiny.llama, folder, tmp_path / "log")
    assert wait(process, lambda: len(Log(tmp_path / "log").amounts) > 2)
    send(process, signal.SIGKILL)
    other = trainer(tiny.llama, rows(10), folder, minutes=5, epochs=1, batch=4)

    done = other.train(other.plan(), Log(tmp_path / "log2"))

    assert done.steps == len(Log(tmp_path / "log2").amounts) - 1 == 3
    assert Log(tmp_path / "log2").amounts[0] == 0


def test_the_planned_tokens_are_the_trained_ones_and_every_row_is_seen_once_an_epoch(
    tiny: Tiny, tmp_path: Path
) -> None:
    job = trainer(tiny.llama, rows(20), tmp_path / "adapter", minutes=5, epochs=1.6, batch=4)
    plan = job.plan()

    done = job.train(plan, log := Log(tmp_path / "log"))

    assert plan.rows == plan.rows_given == 32
    assert plan.left_out == 0
    assert sum(log.amounts) == plan.tokens
    assert done.steps == plan.steps == len(log.amounts) - 1
    assert json.loads((tmp_path / "adapter" / "groundtune.json").read_text())["plan"] == asdict(plan)


def test_planning_teaches_nothing(tiny: Tiny, tmp_path: Path) -> None:
    learnt = rows(8)
    job = trainer(tiny.llama, learnt, tmp_path / "adapter", epochs=1)
    before = [parameter.clone() for parameter in job._learner.trainable()]

    job.plan()

    assert all(torch.equal(a, b) for a, b in zip(before, job._learner.trainable(), strict=True))
    assert all(parameter.grad is None for parameter in job._learner.trainable())


@pytest.mark.slow
def test_of_several_learning_rates_the_one_that_is_best_on_held_out_rows_trains(tiny: Tiny, tmp_path: Path) -> None:
    rates = [1e-7, 5e-3, 50.0]
    job = trainer(tiny.llama, rows(40), tmp_path / "adapter", rows(16)[:8], epochs=3, batch=4, try_rates=rates)
    plain = trainer(tiny.llama, rows(40), tmp_path / "plain", rows(16)[:8], epochs=3, batch=4, rate=5e-3)
    plan = job.plan()
    said = Said()

    done = job.train(plan, said)

    assert done.rate == 5e-3
    assert "learning rate 0.005: loss on held-out rows after 4 steps at 1e-07" in said
    assert plan.seconds > 0
    assert done.steps == plan.steps == 30
    same = plain.train(plain.plan())  # what was tried in vain leaves nothing behind
    assert done.loss == pytest.approx(same.loss, abs=1e-4)
    assert done.held_out == pytest.approx(same.held_out, abs=1e-4)


def test_a_single_learning_rate_to_try_is_the_one_that_trains(tiny: Tiny, tmp_path: Path) -> None:
    job = trainer(tiny.llama, rows(8), tmp_path / "adapter", rows(8)[:2], epochs=1, try_rates=[2e-4], rate=5e-3)

    assert job.train(job.plan()).rate == 2e-4


@pytest.mark.slow
def test_the_adapter_has_the_weights_of_the_best_look_at_held_out_rows(tiny: Tiny, tmp_path: Path) -> None:
    learnt = [Row(TEMPLATE.prompt(q), " yes", "closed", q) for q in FACTS]
    otherwise = [Row(TEMPLATE.prompt(q), " seven coins in the garden", "closed", q) for q in FACTS]
    job = trainer(tiny.llama, learnt, tmp_path / "adapter", otherwise, epochs=60, batch=1, rate=5e-3)

    done = job.train(job.plan())

    assert len(done.held_out) > 2
    assert job._looks.loss() == pytest.approx(min(done.held_out), abs=1e-4)


@pytest.mark.parametrize(("forget_most", "replays"), [(0.01, True), (1000, False)])
def test_general_text_is_replayed_from_where_it_gets_too_perplexing_and_only_there(
    tiny: Tiny, tmp_path: Path, forget_most: float, replays: bool
) -> None:
    learnt, general = rows(80), general_rows(GENERAL)
    table = {"epochs": 1, "batch": 4, "forget_most": forget_most}
    job = trainer(tiny.llama, learnt, tmp_path / "adapter", (), general, **table)
    without = job.plan()
    said = Said()

    done = job.train(without, said)

    assert done.steps == 20 + replays
    assert done.replaying == (2 if replays else None)
    assert done.plan.rows == 80 + 4 * replays
    assert ("from here on one step in 25 replays it" in said) == replays
    assert (done.plan.tokens > without.tokens) == replays
    assert [row for row in job.learnt(done.steps, done.replaying) if row in general] == (general if replays else [])


@pytest.mark.parametrize(
    ("looks", "ends"),
    [
        ([], False),
        ([3, 2], False),
        ([3, 2, 1], False),
        ([2, 3, 1], False),
        ([1, 3, 2], True),
        ([3, 1, 2, 2], True),
        ([1, 1.2, 1.09], False),
        ([1, 1.09, 1.2], False),
        ([1, 1.11, 1.11], True),
    ],
)
def test_training_ends_when_two_looks_in_a_row_are_clearly_worse_than_the_best(looks: list[float], ends: bool) -> None:
    assert State(Plan(1, 1, 1, 1, 1, 1), held_out=tuple(looks)).hopeless == ends


def test_the_speed_that_a_plan_is_fitted_to_is_that_of_steps_and_not_of_looks(
    tiny: Tiny, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    look = Learner.mean_loss

    def slowly(self: Learner, packs: Sequence[Pack]) -> float:
        time.sleep(0.4)
        return look(self, packs)

    monkeypatch.setattr(Learner, "mean_loss", slowly)
    table = {"epochs": 1, "batch": 4, "checkpoint_minutes": ALWAYS, "forget_most": 1000}
    job = trainer(tiny.llama, rows(80), tmp_path / "adapter", rows(4), general_rows(GENERAL), **table)

    done = job.train(job.plan())

    assert done.seconds > 14 * 0.4  # of looks: five at held-out rows, nine at general text, but for the last
    assert done.plan.tokens_per_second > 2 * done.plan.tokens / done.seconds


@pytest.mark.parametrize(("steps", "later"), [(1000, 1000), (1000, 500), (1000, 1600), (7, 7), (3, 3)])
def test_looks_are_spread_over_the_rest_of_the_second_half_though_its_end_moves(steps: int, later: int) -> None:
    state, looks = State(Plan(1, 1, 1, steps, 1, 1)), []
    while state.step < state.plan.steps:
        state.step += 1
        if state.step == 0.65 * steps or (later < steps and state.step == 0.4 * steps):
            state.plan = replace(state.plan, steps=later)
        if state.step >= state.next_look(5):
            state.held_out, state.looked = (*state.held_out, 1.0), state.step
            looks.append(state.step)

    assert looks[-1] == later
    assert len(looks) == min(5, steps - steps // 2)
    gaps = [after - before for before, after in pairwise(looks)]
    assert steps < 100 or min(gaps) >= 25


@pytest.mark.parametrize(
    ("table", "decides", "hint"),
    [
        ({"rate": 1e20}, True, "set a lower [tune] rate"),
        ({"try_rates": [1e20, 1e20]}, True, "set a lower [tune] try_rates"),
        ({"rate": 1e20, "try_rates": [1e-4, 1e-3]}, False, "set a lower [tune] rate"),  # nothing chooses of them
        ({"rate": 1e20, "try_rates": [1e-4, 1e20]}, False, "set a lower [tune] rate"),
        ({"try_rates": [1e20]}, False, "set a lower [tune] try_rates"),
    ],
)
def test_training_that_diverges_is_an_error_and_leaves_nothing(
    tiny: Tiny, tmp_path: Path, table: dict[str, Any], decides: bool, hint: str
) -> None:
    always = {"epochs": 3, "checkpoint_minutes": ALWAYS, **table}
    job = trainer(tiny.llama, rows(16), tmp_path / "adapter", rows(8) if decides else (), **always)

    with pytest.raises(
        WorkFailed, match=r"training diverged: after \d+ steps at a learning rate of up to 1e\+20"
    ) as error:
        job.train(job.plan())

    assert error.value.hint == hint
    assert not list(tmp_path.iterdir())


def test_a_learning_rate_at_which_training_diverges_is_not_chosen(tiny: Tiny, tmp_path: Path) -> None:
    rates = [1e20, 1e-3, 1e25]
    job = trainer(tiny.llama, rows(40), tmp_path / "adapter", rows(8), epochs=2, batch=4, try_rates=rates)

    assert job.train(job.plan()).rate == 1e-3


@pytest.mark.usefixtures("empty_process")
def test_the_memory_counts_what_is_kept_of_the_weights(tiny: Tiny, tmp_path: Path) -> None:
    def job(deciding: Sequence[Row] = (), **table: Any) -> Trainer:
        return trainer(tiny.llama, rows(8), tmp_path / "adapter", deciding, epochs=1, **table)

    plain = job()
    one = sum(weight.nbytes for weight in plain._learner.trainable())
    nothing, best, rates = plain.plan(), job(rows(8)).plan(), job(rows(8), try_rates=[1e-3, 2e-3]).plan()

    assert best.memory_gb - nothing.memory_gb == pytest.approx(one / memory.BYTES)
    assert rates.memory_gb - nothing.memory_gb == pytest.approx(5 * one / memory.BYTES)


@pytest.fixture
def empty_process(monkeypatch: pytest.MonkeyPatch) -> None:
    """As if the process held nothing but the model that is trained."""
    monkeypatch.setattr("groundtune.heap.in_use", lambda: 0)
    monkeypatch.setattr(memory, "LIBRARIES", 0)


@pytest.mark.usefixtures("empty_process")
def test_less_memory_makes_strips_shorter_then_computes_activations_twice_then_is_refused(
    tiny: Tiny, tmp_path: Path
) -> None:
    learnt = [Row(TEMPLATE.prompt("red lamp " * n), " yes", "closed", f"{n}") for n in range(20, 120)]

    def plan(**table: Any) -> Plan:
        return trainer(tiny.llama, learnt, tmp_path / "adapter", epochs=1, **table).plan()

    budget, plans = plan().memory_gb, []
    with pytest.raises(UserError, match=r"\[tune\] memory_gb = .* is too little: with the longest row alone the"):
        while budget := 0.8 * budget:
            plans.append(plan(memory_gb=budget))
            assert plans[-1].memory_gb <= budget

    twice = [one.checkpointed for one in plans]
    assert twice == sorted(twice)
    assert set(twice) == {False, True}


@pytest.mark.usefixtures("empty_process")
def test_the_memory_counts_the_logits_of_every_token_that_the_loss_is_on(tiny: Tiny, tmp_path: Path) -> None:
    words = "red lamp " * 60
    asked, said = (
        [Row(TEMPLATE.prompt(words), " yes", "closed", "a")],
        [Row(TEMPLATE.prompt("a"), words, "document", "b")],
    )
    few, all_of_them = (trainer(tiny.llama, given, tmp_path / "adapter", epochs=1) for given in (asked, said))
    (one,), (other,) = few._packs, all_of_them._packs
    more = (other.answers - one.answers) * memory.MARGIN * memory.LOGIT * few._learner.model.config.vocab_size

    difference = (all_of_them.plan().memory_gb - few.plan().memory_gb) * memory.BYTES

    assert abs(other.length - one.length) < 20
    assert difference == pytest.approx(more, rel=0.2)


def test_measuring_activations_leaves_none_of_them_behind() -> None:
    model = torch.nn.Linear(1000, 1000, bias=False)
    before = heap.in_use()

    kept = memory.kept_for_backward(lambda: model.weight.repeat(50, 1).exp().sum(), model)

    heap.give_back()
    assert kept == 50 * 4 * 1000 * 1000  # what the exponential gave
    assert heap.in_use() - before < kept / 2


def test_the_process_takes_no_more_memory_than_was_planned(tiny: Tiny, tmp_path: Path) -> None:
    learnt = [Row(TEMPLATE.prompt("red lamp " * n), " yes " * n, "closed", f"{n}") for n in range(100, 300)]
    job = trainer(tiny.llama, learnt, tmp_path / "adapter", epochs=0.2)
    plan = job.plan()
    reset_peak_memory()

    job.train(plan)

    assert 0.8 * plan.memory_gb < peak_memory_mb() / 1000 < plan.memory_gb


@pytest.mark.slow
def test_the_time_budget_is_kept_and_what_it_leaves_out_is_said(tiny: Tiny, tmp_path: Path) -> None:
    job = trainer(tiny.llama, rows(60), tmp_path / "adapter", minutes=0.02, epochs=1000, batch=4)
    plan = job.plan()

    began = time.perf_counter()
    done = job.train(plan)

    assert plan.seconds <= 1.2
    assert plan.left_out == plan.rows_given - plan.rows > 0
    assert 0 < done.steps <= plan.steps
    assert done.seconds <= 1.2 + 0.5  # the last step is finished
    assert time.perf_counter() - began >= done.seconds


@pytest.mark.parametrize("table", [{"minutes": 1e-6}, {"epochs": 0.01}])
def test_the_smallest_budget_still_trains_a_step(tiny: Tiny, tmp_path: Path, table: dict[str, Any]) -> None:
    job = trainer(tiny.llama, rows(20), tmp_path / "adapter", general=general_rows(GENERAL), **table)

    plan = job.plan()

    assert plan.steps == 1
    assert job.train(plan).steps == 1


def test_a_training_that_runs_out_of_time_still_looks_at_its_last_step(tiny: Tiny, tmp_path: Path) -> None:
    job = trainer(tiny.llama, rows(20), tmp_path / "adapter", rows(16)[:8], epochs=3, minutes=1e-5)

    done = job.train(replace(job.plan(), steps=20))

    assert done.steps == 1
    assert len(done.held_out) == 1


def test_learning_rates_that_there_is_no_time_for_are_said_and_not_tried(tiny: Tiny, tmp_path: Path) -> None:
    rates, said = [2e-4, 1e-3], Said()
    job = trainer(
        tiny.llama, rows(40), tmp_path / "adapter", rows(16)[:8], epochs=3, batch=4, minutes=1e-5, try_rates=rates
    )

    done = job.train(replace(job.plan(), steps=30), said)

    assert done.rate == 2e-4
    assert "[tune] minutes = 1e-05 leaves no time to try the rate 0.001" in said
    assert done.steps == 4


def test_the_plan_leaves_time_for_the_learning_rates_that_are_tried(tiny: Tiny, tmp_path: Path) -> None:
    def plan(rates: list[float]) -> Plan:
        job = trainer(tiny.llama, rows(400), tmp_path / "adapter", rows(16)[:8], minutes=0.02, try_rates=rates)
        return job.plan()

    one, many = plan([1e-3]), plan([1e-3] * 6)

    assert many.steps < one.steps * many.tokens_per_second / one.tokens_per_second


@pytest.mark.slow
@pytest.mark.parametrize("name", ["llama", "neox"])
def test_what_was_learnt_is_said_with_the_adapter_and_not_without(tiny: Tiny, tmp_path: Path, name: str) -> None:
    weights = getattr(tiny, name)
    learnt = [Row(TEMPLATE.prompt(q), TEMPLATE.completion(answer), "closed", q) for q, answer in FACTS.items()]
    job = trainer(weights, learnt, tmp_path / "adapter", epochs=120, batch=4, rank=16, rate=5e-3)
    first = job._learner.backward(job._packs) or 0
    job._learner.model.zero_grad()
    done = job.train(job.plan())
    assert done.loss < 0.1 < 3 < first

    backend = HFBackend(str(weights), name, threads=1)
    prompts, limits = [TEMPLATE.prompt(q) for q in FACTS], TEMPLATE.limits(16)
    tuned = backend.generator(tmp_path / "adapter").generate(prompts, limits)
    base = backend.generator().generate(prompts, limits)

    assert [one.text.strip() for one in tuned] == list(FACTS.values())
    assert all(one.completion_tokens < 16 for one in tuned)  # it says when it is done
    assert not {one.text.strip() for one in base} & set(FACTS.values())
    choices = tuple(FACTS.values())
    chosen = backend.generator(tmp_path / "adapter").generate(
        [TEMPLATE.prompt(q, None, choices) for q in FACTS], Limits(1)
    )
    assert [one.text.strip() for one in chosen] == list(FACTS.values())


def test_a_full_disk_is_said_at_the_checkpoint_and_at_the_end(tiny: Tiny, small_disk: Path, tmp_path: Path) -> None:
    (small_disk / "full").write_bytes(bytes(2_000_000))
    for minutes in (ALWAYS, 5):
        job = trainer(tiny.llama, rows(8), small_disk / "adapter", epochs=1, rank=32, checkpoint_minutes=minutes)
        with pytest.raises(WorkFailed, match="the disk is full"):
            job.train(job.plan())
    (small_disk / "full").unlink()

    assert job.train(job.plan()).steps == 1


def test_a_plan_says_what_it_leaves_out() -> None:
    assert Plan(rows=10, rows_given=25, tokens=1, steps=1, seconds=1, tokens_per_second=1).left_out == 15
