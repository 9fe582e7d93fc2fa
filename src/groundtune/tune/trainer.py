"""Trains a LoRA adapter (Hu et al. 2021) within budgets of time and memory; goes on from its last checkpoint after a
kill."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, replace
from functools import partial
from pathlib import Path
from typing import Any

from groundtune.config import TuneTable
from groundtune.errors import WorkFailed
from groundtune.tune.checkpoints import Checkpoints
from groundtune.tune.learner import Learner
from groundtune.tune.looks import Looks
from groundtune.tune.lora import with_lora
from groundtune.tune.packing import Pack, Tokens, pack, tokenise
from groundtune.tune.plan import Plan, fit, tokens
from groundtune.tune.plan import rows as rows_of
from groundtune.tune.precision import in_format, natural_precision
from groundtune.tune.rates import COPIES, Rates
from groundtune.tune.reading import can_be_packed
from groundtune.tune.rows import Row
from groundtune.tune.schedule import EVERY, Schedule
from groundtune.tune.state import State, Trained
from groundtune.types import NoProgress, Progress, Prompt
from groundtune.workspace import digest, read_json, write_json, writing

MAX_LENGTH = 2048  # tokens of a row
TRIAL_STEPS = 3  # timed before training, to say in advance how long it will take


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
        deciding: Sequence[Row] = (),
        general: Sequence[Row] = (),
    ) -> None:
        """model: a bare causal language model of its own, which gets LoRA layers here; render: a prompt's text.

        folder: where the adapter will be; checkpoints stand beside it until then. deciding: rows that are not learnt
        from, by whose loss training ends early and the best weights are kept. general: rows of general text, which are
        replayed from where they are halfway to being [tune] forget_most times as perplexing as before.
        """
        import torch

        torch.manual_seed(table.seed)
        self._table = table
        self.folder = folder
        # Tokens of a row; longer ones are cut.
        self.longest = min(MAX_LENGTH, getattr(model.config.get_text_config(), "max_position_embeddings", MAX_LENGTH))

        def read(some: Sequence[Row]) -> list[Tokens]:
            return [tokenise(row, render, tokenizer, self.longest) for row in some]

        learnt, decide, replayed = read(rows), read(deciding), read(general)
        self._rows = list(zip((*rows, *general), (*learnt, *replayed), strict=True))
        self._packable = can_be_packed(model, max(len(one.ids) for one in (*learnt, *decide, *replayed)))
        self._inputs = digest([rows, deciding, general, table])
        self._checkpoints = Checkpoints(folder.with_name(f"{folder.name}-checkpoints"), self._inputs)
        begun = self._begun()
        self._precision = begun.precision if begun else natural_precision(model, table)
        self._cut = sum(one.cut for one in learnt)
        self._packs = pack(list(zip(self._keys_of(rows), learnt, strict=True)))
        self._general = [Pack(0, (one,)) for one in replayed]
        self._schedule = Schedule(self._packs, self._general, table)
        lora = with_lora(in_format(model, self._precision), table)
        self._learner = Learner(lora, [*self._packs, *self._general], self._packable, table)
        held_out = pack(list(zip(self._keys_of(deciding), decide, strict=True)))
        self._looks = Looks(self._learner, held_out, self._general, table.forget_most)
        self._rates = Rates(self._learner, self._looks, table)

    def _keys_of(self, rows: Sequence[Row]) -> list[str]:
        """Of each row the name of its pack: one of its own where rows cannot be packed."""
        return [row.pack if self._packable else str(number) for number, row in enumerate(rows)]

    def plan(self) -> Plan:
        """Times a few steps (nothing is learnt from them) and says what fits into the budgets of time and memory.

        Training that was begun keeps its plan. Raises UserError where a single row needs more memory than there is.
        """
        if (trained := self.finished()) is not None:
            return trained.plan
        if begun := self._begun():
            self._fit_memory(begun.checkpointed)
            return begun
        gigabytes, checkpointed = self._fit_memory()
        everything = self._schedule.steps()
        sample = everything[:: max(1, len(everything) // TRIAL_STEPS)][:TRIAL_STEPS]
        self._learner.backward(sample[0][:1])  # the first step of a process is slower than all others
        began = time.perf_counter()
        for packs in sample:
            self._learner.backward(packs)
        speed = tokens(sample) / (time.perf_counter() - began)
        self._learner.model.zero_grad(set_to_none=True)
        reserved = self._looks.seconds(speed)
        plan = fit(everything, self._table.minutes, 0, 0.0, speed, reserved)
        if self._rates.in_vain:
            reserved += self._rates.seconds(speed, everything, plan.steps)
            plan = fit(everything, self._table.minutes, 0, 0.0, speed, reserved)
        return replace(
            plan,
            memory_gb=gigabytes,
            checkpointed=checkpointed,
            packed=self._packable,
            cut=self._cut,
            precision=self._precision,
        )

    def train(self, plan: Plan, progress: Progress | None = None) -> Trained:
        """Trains by the plan into the folder (a PEFT adapter), unless it was trained by a process killed right after.

        Raises WorkFailed where the disk is full or training diverged.
        """
        if (trained := self.finished()) is not None:
            self._checkpoints.clear()
            return trained
        progress = progress or NoProgress()
        optimizer = self._learner.optimizer()
        state, best = self._resume(optimizer, plan)
        everything = self._schedule.steps(state.replaying)
        began = saved = time.perf_counter() - state.seconds
        _show(progress, state.plan, everything[: state.step])
        self._looks.begin(state)
        if state.step == 0 and self._rates.in_vain:
            optimizer = self._rates.choose(state, everything, partial(self._has_time, began), progress)
            state.seconds = time.perf_counter() - began
            self._save(optimizer, state, best)
        while state.step < state.plan.steps and (not state.step or self._has_time(began)):
            loss = self._learner.step(optimizer, everything[state.step], state.step / state.plan.steps, state.rate)
            progress.advance(tokens([everything[state.step]]))
            if loss is not None:
                self._insist_on_numbers(loss, state)
                state.losses = (*state.losses, loss)
            state.step += 1
            if self._looks.is_due(state):
                best = self._look(state, best)
                if state.hopeless:
                    break
            forgetting = self._looks.forgets(state)
            state.seconds = time.perf_counter() - began
            if forgetting:
                progress.say(
                    f"general text is {state.perplexing:.2f} times as perplexing as before after {state.step:,} steps: "
                    f"from here on one step in {EVERY} replays it"
                )
                everything = self._schedule.steps(state.replaying)
                self._replan(state, everything, progress)
            if state.seconds - (saved - began) > self._table.checkpoint_minutes * 60 and state.step < state.plan.steps:
                saved = time.perf_counter()
                self._replan(state, everything, progress)
                self._save(optimizer, state, best)
        progress.finish()
        if self._looks.decide and state.looked < state.step:  # time ran out before the last look
            best = self._look(state, best)
        if best:
            self._learner.load(best)
        self._insist_on_numbers(self._learner.largest(), state)
        return self._finish(state, everything, time.perf_counter() - began)

    def finished(self) -> Trained | None:
        """What this very training came to, if it is in the folder already."""
        told = self.folder / "groundtune.json"
        row = read_json(told) if told.exists() else {}
        if row.pop("inputs", None) != self._inputs:
            return None
        return Trained(**{**row, "plan": Plan(**row["plan"]), "held_out": tuple(row["held_out"])})

    def learnt(self, steps: int, replaying: int | None = None) -> list[Row]:
        """The rows that a training of so many steps has learnt from: less than all where a budget ended it. replaying:
        the step from which on general text was among them."""
        done = self._schedule.steps(replaying)[:steps]
        used = {id(tokens) for packs in done for one in packs for tokens in one.rows}
        return [row for row, tokens in self._rows if id(tokens) in used]

    # ------------------------------------------------------------ budgets

    def _has_time(self, began: float, share: float = 1.0) -> bool:
        """Whether less than a share of the minutes has gone since training began."""
        return time.perf_counter() - began < share * self._table.minutes * 60

    def _fit_memory(self, checkpointed: bool = False) -> tuple[float, bool]:
        steps = self._schedule.steps(replaying=0 if self._general else None)
        copies = COPIES if self._rates.in_vain else int(self._looks.decide)  # of what is trained, the best as well
        return self._learner.fit_memory(steps, copies, checkpointed)

    def _replan(self, state: State, everything: list[list[Pack]], progress: Progress) -> None:
        speed = tokens(everything[: state.step]) / (state.seconds - state.trying - state.looking)
        left = self._looks.seconds(speed, state)
        new = fit(everything, self._table.minutes, state.step, state.seconds, speed, left)
        changed = (new.steps, new.tokens) != (state.plan.steps, state.plan.tokens)
        state.plan = state.plan.fitted(new)
        if changed:
            _show(progress, state.plan, everything[: state.step])

    def _look(self, state: State, best: dict[str, Any]) -> dict[str, Any]:
        """Looks at the held-out rows; gives the weights of the best look so far."""
        return self._learner.copied() if self._looks.look(state) else best

    def _insist_on_numbers(self, value: float, state: State) -> None:
        """Raises WorkFailed where training has diverged; nothing of it is of use."""
        if math.isfinite(value):
            return
        self._checkpoints.clear()
        raise WorkFailed(
            f"training diverged: after {state.step:,} steps at a learning rate of up to {state.rate:g} it computes "
            "with no numbers any more",
            f"set a lower [tune] {self._rates.setting}",
        )

    # ------------------------------------------------------------ what is kept

    def _save(self, optimizer: Any, state: State, best: dict[str, Any]) -> None:
        tensors = {"adapter": self._learner.weights(), "optimizer": optimizer.state_dict(), "best": best}
        self._checkpoints.save(state.step, tensors, asdict(state))

    def _resume(self, optimizer: Any, plan: Plan) -> tuple[State, dict[str, Any]]:
        """Takes up the last checkpoint: how far it was, and the weights of its best look."""
        row = self._checkpoints.state()
        if not row:
            return State(plan, rate=self._rates.usual), {}
        tensors = self._checkpoints.tensors(self._learner.model.device)
        self._learner.load(tensors["adapter"])
        optimizer.load_state_dict(tensors["optimizer"])
        return State.of(row), tensors["best"]

    def _finish(self, state: State, everything: list[list[Pack]], seconds: float) -> Trained:
        done = everything[: state.step]
        last = state.losses[-max(1, len(state.losses) // 10) :]
        plan = replace(state.plan, rows=rows_of(done), tokens=tokens(done), steps=state.step)
        loss = sum(last) / max(1, len(last))
        trained = Trained(plan, seconds, state.step, loss, state.rate, state.held_out, state.replaying)
        with writing(self.folder) as temporary:
            self._learner.model.save_pretrained(temporary)
            write_json(temporary / "groundtune.json", {"inputs": self._inputs, **trained.to_json()})
        self._checkpoints.clear()
        return trained

    def _begun(self) -> Plan | None:
        """The plan of this very training, if it was begun or finished."""
        if (trained := self.finished()) is not None:
            return trained.plan
        row = self._checkpoints.state()
        return Plan(**row["plan"]) if row else None


def _show(progress: Progress, plan: Plan, done: list[list[Pack]]) -> None:
    progress.start("tuning", plan.tokens)
    progress.advance(tokens(done))
