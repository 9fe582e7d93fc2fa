"""Trains a LoRA adapter (Hu et al. 2021) within a time budget; goes on from its last checkpoint after a kill."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Any

from groundtune.config import TuneTable
from groundtune.tune.packing import Pack, collate, pack, steps, tokenise
from groundtune.tune.recipes import Row
from groundtune.types import Json, NoProgress, Progress, Prompt
from groundtune.workspace import digest, read_json, remove, write_json, writing

if TYPE_CHECKING:
    import torch

MAX_LENGTH = 2048  # tokens of a row
WARM_UP = 0.06  # of the steps
SAFETY = 0.97  # of the time budget is planned for; the rest covers saving
TRIAL_STEPS = 3  # timed before training, to say in advance how long it will take


@dataclass(frozen=True, slots=True)
class Plan:
    """What will be trained, and how long that should take."""

    rows: int  # that will be seen, counting each epoch
    rows_given: int  # what all epochs would come to
    tokens: int
    steps: int
    seconds: float
    tokens_per_second: float

    @property
    def left_out(self) -> int:
        """Rows that the time budget has no room for."""
        return self.rows_given - self.rows


@dataclass(frozen=True, slots=True)
class Trained:
    """What was trained: the plan, the time it really took (all attempts together), and the loss over its last tenth."""

    plan: Plan
    seconds: float
    steps: int
    loss: float

    def to_json(self) -> Json:
        return asdict(self)


class Trainer:
    """One training run in one folder: plan, then train. The same rows and settings give the same adapter."""

    def __init__(
        self,
        tokenizer: Any,
        model: Any,
        render: Callable[[Prompt], str],
        rows: Sequence[Row],
        table: TuneTable,
        folder: Path,
    ) -> None:
        """model: a bare causal language model of its own, which gets LoRA layers here; render: a prompt's text.

        folder: where the adapter will be; checkpoints stand beside it until then.
        """
        import torch

        torch.manual_seed(table.seed)
        self._table = table
        self._folder = folder
        self._checkpoints = folder.with_name(f"{folder.name}-checkpoints")
        self._pad = tokenizer.pad_token_id
        self._model = _with_lora(model, table)
        longest = min(MAX_LENGTH, getattr(model.config, "max_position_embeddings", MAX_LENGTH))
        self._packs = pack([(row.pack, tokenise(row, render, tokenizer, longest)) for row in rows])
        self._inputs = digest([rows, table])

    def plan(self) -> Plan:
        """Times a few steps (nothing is learnt from them) and says what fits into the time budget.

        Training that was begun keeps its plan.
        """
        if (trained := self._finished()) is not None:
            return trained.plan
        begun = self._last_checkpoint()
        if begun is not None:
            return Plan(**read_json(begun / "state.json")["plan"])
        everything = self._schedule()
        sample = everything[:: max(1, len(everything) // TRIAL_STEPS)][:TRIAL_STEPS]
        self._loss(sample[0])  # the first step of a process is slower than all others
        began = time.perf_counter()
        for packs in sample:
            self._loss(packs).backward()  # type: ignore[no-untyped-call]
        speed = _tokens(sample) / (time.perf_counter() - began)
        self._model.zero_grad(set_to_none=True)
        return self._fit(everything, 0, 0.0, speed)

    def train(self, plan: Plan, progress: Progress | None = None) -> Trained:
        """Trains by the plan into the folder (a PEFT adapter), unless it was trained by a process killed right after.

        Raises WorkFailed where the disk is full.
        """
        import torch

        if (trained := self._finished()) is not None:
            return trained
        progress = progress or NoProgress()
        optimizer = torch.optim.AdamW(self._trainable(), lr=self._table.rate, weight_decay=0.0)
        step, spent, losses = self._resume(optimizer)
        everything = self._schedule()
        _show(progress, plan, everything[:step])
        began = saved = time.perf_counter()
        while step < plan.steps and spent + time.perf_counter() - began < self._table.minutes * 60:
            losses.append(self._step(optimizer, everything[step], step / plan.steps))
            progress.advance(_tokens([everything[step]]))
            step += 1
            if time.perf_counter() - saved > self._table.checkpoint_minutes * 60:
                saved = time.perf_counter()
                seconds = spent + saved - began
                before, speed = plan, _tokens(everything[:step]) / seconds
                plan = self._fit(everything, step, seconds, speed)
                self._save(optimizer, plan, step=step, seconds=seconds, losses=losses)
                if plan.steps != before.steps:
                    _show(progress, plan, everything[:step])
        progress.finish()
        last = losses[-max(1, len(losses) // 10) :]
        plan = replace(plan, rows=_rows(everything[:step]), tokens=_tokens(everything[:step]), steps=step)
        trained = Trained(plan, spent + time.perf_counter() - began, step, sum(last) / len(last))
        with writing(self._folder) as temporary:
            self._model.save_pretrained(temporary)
            write_json(temporary / "groundtune.json", {"inputs": self._inputs, **trained.to_json()})
        remove(self._checkpoints)
        return trained

    def _fit(self, everything: list[list[Pack]], done: int, seconds: float, speed: float) -> Plan:
        """What fits into the rest of the budget at this speed (tokens a second), `done` steps having taken `seconds`.

        Done anew at every checkpoint, since a machine is rarely as fast as a few trial steps said: so the rate comes
        down to zero just as the time runs out. Where all epochs fit, the plan is all of them at any speed.
        """
        room = (self._table.minutes * 60 * SAFETY - seconds) * speed
        steps = done
        while steps < len(everything) and (steps == 0 or (room := room - _tokens([everything[steps]])) > 0):
            steps += 1
        chosen = everything[:steps]
        left = _tokens(everything[done:steps]) / speed
        return Plan(_rows(chosen), _rows(everything), _tokens(chosen), steps, seconds + left, speed)

    def _schedule(self) -> list[list[Pack]]:
        """The steps of all epochs, each epoch in an order of its own."""
        epochs = int(self._table.epochs)
        ordered = [group for e in range(epochs) for group in self._epoch(e)]
        part = self._epoch(epochs)
        return (ordered + part[: round((self._table.epochs - epochs) * len(part))]) or part[:1]

    def _epoch(self, number: int) -> list[list[Pack]]:
        return steps(self._packs, self._table.batch, self._table.seed * 1000 + number)

    def _step(self, optimizer: Any, packs: list[Pack], done: float) -> float:
        import torch

        # The rate rises over the first steps, then falls in a straight line to zero.
        rate = self._table.rate * min(1.0, (done + 1e-3) / WARM_UP, (1 - done) / (1 - WARM_UP))
        for group in optimizer.param_groups:
            group["lr"] = rate
        loss = self._loss(packs)
        loss.backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_(self._trainable(), 1.0)
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
        return float(loss.detach())

    def _loss(self, packs: list[Pack]) -> torch.Tensor:
        """Mean cross-entropy over the answers' tokens; logits are computed there and nowhere else."""
        import torch

        model = self._model.get_base_model()
        batch = collate(packs, self._pad)
        device = model.device
        # Added to the scores of attention: a mask of booleans is not understood by every implementation of it.
        mask = torch.zeros(batch.mask.shape, dtype=model.dtype).masked_fill(~batch.mask, torch.finfo(model.dtype).min)
        states = model.get_decoder()(
            input_ids=batch.ids.to(device),
            position_ids=batch.positions.to(device),
            attention_mask=mask.to(device),
            use_cache=False,
        ).last_hidden_state  # (B, T, hidden)
        labels = batch.labels.to(device)
        wanted = labels != -100
        logits = model.get_output_embeddings()(states[wanted])  # (answer tokens, vocabulary)
        return torch.nn.functional.cross_entropy(logits.float(), labels[wanted])

    def _trainable(self) -> list[Any]:
        return [parameter for parameter in self._model.parameters() if parameter.requires_grad]

    def _save(self, optimizer: Any, plan: Plan, *, step: int, seconds: float, losses: list[float]) -> None:
        """A checkpoint is a new folder; older ones go only when it is whole."""
        import torch

        older = list(self._checkpoints.glob("step-*"))
        with writing(self._checkpoints / f"step-{step:06d}") as temporary:
            temporary.mkdir()
            saved = BytesIO()  # PyTorch, writing by itself, does not say why it cannot
            torch.save({"adapter": _weights(self._model), "optimizer": optimizer.state_dict()}, saved)
            (temporary / "state.pt").write_bytes(saved.getbuffer())
            state = {"inputs": self._inputs, "plan": asdict(plan), "step": step, "seconds": seconds, "losses": losses}
            write_json(temporary / "state.json", state)
        for folder in older:
            remove(folder)

    def _finished(self) -> Trained | None:
        """What stands in the folder, if it comes from this very training."""
        told = self._folder / "groundtune.json"
        row = read_json(told) if told.exists() else {}
        if row.pop("inputs", None) != self._inputs:
            return None
        return Trained(**{**row, "plan": Plan(**row["plan"])})

    def _last_checkpoint(self) -> Path | None:
        """The newest checkpoint of this very training, if there is one."""
        for folder in sorted(self._checkpoints.glob("step-*"), reverse=True):
            if read_json(folder / "state.json")["inputs"] == self._inputs:
                return folder
        return None

    def _resume(self, optimizer: Any) -> tuple[int, float, list[float]]:
        """Takes up the last checkpoint: steps done, seconds spent, losses so far."""
        import torch

        folder = self._last_checkpoint()
        if folder is None:
            return 0, 0.0, []
        state = read_json(folder / "state.json")
        saved = torch.load(folder / "state.pt", weights_only=True, map_location=self._model.device)
        self._model.load_state_dict(saved["adapter"], strict=False)
        optimizer.load_state_dict(saved["optimizer"])
        return state["step"], state["seconds"], state["losses"]


def _with_lora(model: Any, table: TuneTable) -> Any:
    from peft import LoraConfig, get_peft_model

    config = LoraConfig(
        r=table.rank, lora_alpha=2 * table.rank, lora_dropout=0.0, target_modules="all-linear", task_type="CAUSAL_LM"
    )
    # Gradients need no training mode, and without it the base model's dropout stays off: a resumed run is the same run.
    return get_peft_model(model, config).eval()


def _weights(model: Any) -> dict[str, Any]:
    return {name: value.detach() for name, value in model.named_parameters() if value.requires_grad}


def _show(progress: Progress, plan: Plan, done: list[list[Pack]]) -> None:
    progress.start("tuning", plan.tokens)
    progress.advance(_tokens(done))


def _tokens(groups: Sequence[Sequence[Pack]]) -> int:
    return sum(one.length for packs in groups for one in packs)


def _rows(groups: Sequence[Sequence[Pack]]) -> int:
    return sum(len(one.rows) for packs in groups for one in packs)
