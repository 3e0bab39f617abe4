"""The training of a model's weights: seeded, measured on texts held out, and resumed where it was.

Every step depends on the seed and its own number alone, so a training that was interrupted ends
with the same weights as one that was not.
"""

from __future__ import annotations

import json
import math
import time
from dataclasses import asdict, dataclass, field, replace
from functools import lru_cache
from typing import TYPE_CHECKING, Protocol

import torch
from safetensors.torch import load_file, save_file

from composer.engine.descent import Descent

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from torch import Tensor, nn

    from composer.methods.distillation.adamw import AdamW
    from composer.methods.distillation.base import Interpolation, Progress

__all__ = ["TrainingSet", "TrainingState", "train"]

KEPT_EVERY = 60.0
"""Seconds between two states that are written, from which an interrupted training goes on."""

TOLD_EVERY = 10.0
"""Seconds between two lines on how far a training is."""


class TrainingSet(Protocol):
    """What a model is trained on: so many documents, and what it loses on some of them."""

    def __len__(self) -> int:
        """How many documents there are."""

    def losses(self, module: nn.Module, documents: Sequence[int], part: float | None) -> Tensor:
        """Return the loss [place] of some documents; `part` is that of the teachers."""


@dataclass
class TrainingState:
    """How far a training is: its steps, what it lost, and the lowest loss on texts held out.

    `worse` counts the measurements since then. `history` has for each one the step, the loss of
    training since the one before, and that on texts held out.
    """

    step: int = 0
    best: float = math.inf
    worse: int = 0
    total: float = 0.0
    counted: int = 0
    progress: dict[str, float] | None = None
    history: list[tuple[int, float, float | None]] = field(default_factory=list)


class Trainer:
    """A module in training, with all that its next step depends on, and where that is kept."""

    def __init__(self, module: nn.Module, how: AdamW, steps: int, folder: Path) -> None:
        self.module, self.how, self.folder = module, how, folder
        self.optimizer = torch.optim.AdamW(module.parameters(), lr=how.rate, weight_decay=how.decay)
        self.descent = Descent([self.optimizer], steps, round(steps * how.warmup))
        self.state = self._resume()

    def step(self, loss: Callable[[], Tensor]) -> float:
        """Take the next step, on the mean of a loss."""

        def gradients() -> float:
            mean = loss().mean()
            torch.autograd.backward(mean)
            torch.nn.utils.clip_grad_norm_(self.module.parameters(), self.how.clip)
            return mean.item()

        lost = self.descent.step(self.state.step, gradients)
        self.state.step += 1
        self.state.total, self.state.counted = self.state.total + lost, self.state.counted + 1
        return lost

    def keep(self) -> None:
        """Write all that the next step depends on; a file is written whole, or not at all."""
        tensors = {f"weights.{name}": each.detach() for name, each in self._weights()}
        for number, state in self.optimizer.state_dict()["state"].items():
            tensors |= {f"{number}.{name}": value for name, value in state.items()}
        facts = {"state": json.dumps(asdict(self.state))}
        temporary = self.folder / "state.tmp"
        save_file({name: each.contiguous() for name, each in tensors.items()}, temporary, facts)
        temporary.replace(self.folder / "state.safetensors")

    def keep_best(self) -> None:
        """Write the weights as the best ones so far."""
        temporary = self.folder / "best.tmp"
        save_file({name: each.detach().contiguous() for name, each in self._weights()}, temporary)
        temporary.replace(self.folder / "best.safetensors")

    def take_best(self) -> None:
        """Go back to the best weights."""
        self._load(load_file(self.folder / "best.safetensors"))

    def _weights(self) -> Iterator[tuple[str, Tensor]]:
        return self.module.named_parameters()

    def _load(self, weights: dict[str, Tensor]) -> None:
        with torch.no_grad():
            for name, each in self._weights():
                each.copy_(weights[name])

    def _resume(self) -> TrainingState:
        from safetensors import safe_open

        path = self.folder / "state.safetensors"
        if not path.is_file():
            return TrainingState()
        tensors = load_file(path)
        mark = "weights."
        self._load({n.removeprefix(mark): t for n, t in tensors.items() if n.startswith(mark)})
        moments: dict[int, dict[str, Tensor]] = {}
        for name, tensor in tensors.items():
            number, _, own = name.partition(".")
            if number.isdecimal():
                moments.setdefault(int(number), {})[own] = tensor
        groups = self.optimizer.state_dict()["param_groups"]
        self.optimizer.load_state_dict({"state": moments, "param_groups": groups})
        with safe_open(path, "pt") as file:
            facts = json.loads(file.metadata()["state"])
        return TrainingState(**{**facts, "history": [tuple(each) for each in facts["history"]]})


def train(  # noqa: PLR0913 - what a training is of
    module: nn.Module,
    training_set: TrainingSet,
    how: AdamW,
    folder: Path,
    tell: Callable[[str], None],
    interpolate: Interpolation | None = None,
) -> TrainingState:
    """Train a module, which has the best weights then. What is kept lies in `folder`."""
    train_on, held = _divide(len(training_set), how)
    steps = max(1, math.ceil(how.epochs * len(train_on) / how.batch))
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    trainer = Trainer(module, how, steps, folder)
    checks = {math.ceil(steps * n / how.checks) for n in range(1, how.checks + 1)}
    clock = _Clock()
    while trainer.state.step < steps and not _is_over(trainer.state, how):
        _step(trainer, training_set, train_on, interpolate)
        if trainer.state.step in checks:
            _measure(trainer, training_set, held)
        if trainer.state.step in checks or clock.is_due("told", TOLD_EVERY):
            tell(_line(trainer.state, steps))
        if trainer.state.step in checks or clock.is_due("kept", KEPT_EVERY):
            trainer.keep()
    trainer.take_best()
    return trainer.state


def _step(
    trainer: Trainer,
    training_set: TrainingSet,
    train_on: Sequence[int],
    interpolate: Interpolation | None,
) -> None:
    """Take one step, on the batch of its number."""
    state, how = trainer.state, trainer.how
    progress = None if interpolate is None else _progress(state, interpolate)
    part = None if progress is None else progress.part
    chosen = _batch(train_on, state.step, how)
    devices = [each.device for each in [next(trainer.module.parameters())] if each.is_cuda]
    with torch.random.fork_rng(devices):
        torch.manual_seed(how.seed + state.step)
        trainer.module.train()
        lost = trainer.step(lambda: training_set.losses(trainer.module, chosen, part))
    if interpolate is not None and progress is not None:
        moved = interpolate.move(progress, lost, state.step / trainer.descent.steps)
        state.progress = asdict(moved)


def _progress(state: TrainingState, interpolate: Interpolation) -> Progress:
    start = interpolate.begin()
    return start if state.progress is None else replace(start, **state.progress)


def _divide(count: int, how: AdamW) -> tuple[list[int], list[int]]:
    """Divide documents into those to train on, at least one, and those held out."""
    order = torch.randperm(count, generator=torch.Generator().manual_seed(how.seed)).tolist()
    held = min(round(count * how.held_out), count - 1)
    return sorted(order[held:]), sorted(order[:held])


def _batch(train_on: Sequence[int], step: int, how: AdamW) -> list[int]:
    """Return the documents of a step: each epoch has all, in an order of its own."""
    chosen = []
    for at in range(step * how.batch, (step + 1) * how.batch):
        epoch, place = divmod(at, len(train_on))
        chosen.append(train_on[_order(len(train_on), how.seed, epoch)[place]])
    return chosen


@lru_cache(maxsize=4)
def _order(count: int, seed: int, epoch: int) -> list[int]:
    generator = torch.Generator().manual_seed(seed * 1_000_003 + epoch + 1)
    order: list[int] = torch.randperm(count, generator=generator).tolist()
    return order


def _measure(trainer: Trainer, training_set: TrainingSet, held: Sequence[int]) -> None:
    """Measure the loss on texts held out, and keep the weights if it is the lowest so far."""
    state = trainer.state
    lost = _held_out(trainer, training_set, held) if held else None
    trained = state.total / max(state.counted, 1)
    state.history.append((state.step, trained, lost))
    state.total, state.counted = 0.0, 0
    if lost is None or lost < state.best:
        state.best, state.worse = trained if lost is None else lost, 0
        trainer.keep_best()
    else:
        state.worse += 1


def _held_out(trainer: Trainer, training_set: TrainingSet, held: Sequence[int]) -> float:
    total, count = 0.0, 0
    trainer.module.eval()
    with torch.no_grad():
        for start in range(0, len(held), trainer.how.batch):
            chosen = held[start : start + trainer.how.batch]
            losses = training_set.losses(trainer.module, chosen, None)
            total, count = total + losses.double().sum().item(), count + len(losses)
    return total / count


def _is_over(state: TrainingState, how: AdamW) -> bool:
    return how.patience is not None and state.worse >= how.patience


def _line(state: TrainingState, steps: int) -> str:
    if state.counted or not state.history:
        lost = state.total / max(state.counted, 1)
        return f"step {state.step:,} of {steps:,}: loss {lost:.3f}"
    _, lost, held = state.history[-1]
    held_text = "" if held is None else f", on texts held out {held:.3f}"
    return f"step {state.step:,} of {steps:,}: loss {lost:.3f}{held_text}"


class _Clock:
    """Says when something is due again."""

    def __init__(self) -> None:
        self._last: dict[str, float] = {}
        self._begun = time.monotonic()

    def is_due(self, what: str, seconds: float) -> bool:
        now = time.monotonic()
        if now - self._last.get(what, self._begun) < seconds:
            return False
        self._last[what] = now
        return True
