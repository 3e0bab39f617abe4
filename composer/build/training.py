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

    from composer.methods.teaching.adamw import AdamW
    from composer.methods.teaching.base import Interpolation, Progress

__all__ = ["Course", "Lessons", "train"]

KEPT_EVERY = 60.0
"""Seconds between two states that are written, from which an interrupted training goes on."""

TOLD_EVERY = 10.0
"""Seconds between two lines on how far a training is."""


class Lessons(Protocol):
    """What a model is trained on: so many documents, and what it loses on some of them."""

    def __len__(self) -> int:
        """How many documents there are."""

    def losses(self, module: nn.Module, documents: Sequence[int], part: float | None) -> Tensor:
        """Return the loss [place] of some documents; `part` is that of the teachers."""


@dataclass
class Course:
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


class Pupil:
    """A module in training, with all that its next step depends on, and where that is kept."""

    def __init__(self, module: nn.Module, how: AdamW, steps: int, folder: Path) -> None:
        self.module, self.how, self.folder = module, how, folder
        self.optimizer = torch.optim.AdamW(module.parameters(), lr=how.rate, weight_decay=how.decay)
        self.descent = Descent([self.optimizer], steps, round(steps * how.warmup))
        self.course = self._resumed()

    def step(self, loss: Callable[[], Tensor]) -> float:
        """Take the next step, on the mean of a loss."""

        def gradients() -> float:
            mean = loss().mean()
            torch.autograd.backward(mean)
            torch.nn.utils.clip_grad_norm_(self.module.parameters(), self.how.clip)
            return mean.item()

        lost = self.descent.step(self.course.step, gradients)
        self.course.step += 1
        self.course.total, self.course.counted = self.course.total + lost, self.course.counted + 1
        return lost

    def keep(self) -> None:
        """Write all that the next step depends on; a file is written whole, or not at all."""
        tensors = {f"weights.{name}": each.detach() for name, each in self._weights()}
        for number, state in self.optimizer.state_dict()["state"].items():
            tensors |= {f"{number}.{name}": value for name, value in state.items()}
        course = {"course": json.dumps(asdict(self.course))}
        temporary = self.folder / "state.tmp"
        save_file({name: each.contiguous() for name, each in tensors.items()}, temporary, course)
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

    def _resumed(self) -> Course:
        from safetensors import safe_open

        path = self.folder / "state.safetensors"
        if not path.is_file():
            return Course()
        tensors = load_file(path)
        mark = "weights."
        self._load({n.removeprefix(mark): t for n, t in tensors.items() if n.startswith(mark)})
        state: dict[int, dict[str, Tensor]] = {}
        for name, tensor in tensors.items():
            number, _, own = name.partition(".")
            if number.isdecimal():
                state.setdefault(int(number), {})[own] = tensor
        groups = self.optimizer.state_dict()["param_groups"]
        self.optimizer.load_state_dict({"state": state, "param_groups": groups})
        with safe_open(path, "pt") as file:
            facts = json.loads(file.metadata()["course"])
        return Course(**{**facts, "history": [tuple(each) for each in facts["history"]]})


def train(  # noqa: PLR0913 - what a training is of
    module: nn.Module,
    lessons: Lessons,
    how: AdamW,
    folder: Path,
    tell: Callable[[str], None],
    interpolate: Interpolation | None = None,
) -> Course:
    """Train a module on lessons; it has the best weights then. What is kept lies in `folder`."""
    practice, held = _divided(len(lessons), how)
    steps = max(1, math.ceil(how.epochs * len(practice) / how.batch))
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    pupil = Pupil(module, how, steps, folder)
    checks = {math.ceil(steps * n / how.checks) for n in range(1, how.checks + 1)}
    clock = _Clock()
    while pupil.course.step < steps and not _is_over(pupil.course, how):
        _step(pupil, lessons, practice, interpolate)
        if pupil.course.step in checks:
            _measure(pupil, lessons, held)
        if pupil.course.step in checks or clock.is_due("told", TOLD_EVERY):
            tell(_line(pupil.course, steps))
        if pupil.course.step in checks or clock.is_due("kept", KEPT_EVERY):
            pupil.keep()
    pupil.take_best()
    return pupil.course


def _step(
    pupil: Pupil, lessons: Lessons, practice: Sequence[int], interpolate: Interpolation | None
) -> None:
    """Take one step, on the batch of its number."""
    course, how = pupil.course, pupil.how
    progress = None if interpolate is None else _progress(course, interpolate)
    part = None if progress is None else progress.part
    chosen = _batch(practice, course.step, how)
    devices = [each.device for each in [next(pupil.module.parameters())] if each.is_cuda]
    with torch.random.fork_rng(devices):
        torch.manual_seed(how.seed + course.step)
        pupil.module.train()
        lost = pupil.step(lambda: lessons.losses(pupil.module, chosen, part))
    if interpolate is not None and progress is not None:
        moved = interpolate.moved(progress, lost, course.step / pupil.descent.steps)
        course.progress = asdict(moved)


def _progress(course: Course, interpolate: Interpolation) -> Progress:
    begun = interpolate.begun()
    return begun if course.progress is None else replace(begun, **course.progress)


def _divided(count: int, how: AdamW) -> tuple[list[int], list[int]]:
    """Divide documents into those to train on, at least one, and those held out."""
    order = torch.randperm(count, generator=torch.Generator().manual_seed(how.seed)).tolist()
    held = min(round(count * how.held_out), count - 1)
    return sorted(order[held:]), sorted(order[:held])


def _batch(practice: Sequence[int], step: int, how: AdamW) -> list[int]:
    """Return the documents of a step: each epoch has all, in an order of its own."""
    chosen = []
    for at in range(step * how.batch, (step + 1) * how.batch):
        epoch, place = divmod(at, len(practice))
        chosen.append(practice[_order(len(practice), how.seed, epoch)[place]])
    return chosen


@lru_cache(maxsize=4)
def _order(count: int, seed: int, epoch: int) -> list[int]:
    generator = torch.Generator().manual_seed(seed * 1_000_003 + epoch + 1)
    order: list[int] = torch.randperm(count, generator=generator).tolist()
    return order


def _measure(pupil: Pupil, lessons: Lessons, held: Sequence[int]) -> None:
    """Measure the loss on texts held out, and keep the weights if it is the lowest so far."""
    course = pupil.course
    lost = _held_out(pupil, lessons, held) if held else None
    trained = course.total / max(course.counted, 1)
    course.history.append((course.step, trained, lost))
    course.total, course.counted = 0.0, 0
    if lost is None or lost < course.best:
        course.best, course.worse = trained if lost is None else lost, 0
        pupil.keep_best()
    else:
        course.worse += 1


def _held_out(pupil: Pupil, lessons: Lessons, held: Sequence[int]) -> float:
    total, count = 0.0, 0
    pupil.module.eval()
    with torch.no_grad():
        for start in range(0, len(held), pupil.how.batch):
            losses = lessons.losses(pupil.module, held[start : start + pupil.how.batch], None)
            total, count = total + losses.double().sum().item(), count + len(losses)
    return total / count


def _is_over(course: Course, how: AdamW) -> bool:
    return how.patience is not None and course.worse >= how.patience


def _line(course: Course, steps: int) -> str:
    if course.counted or not course.history:
        lost = course.total / max(course.counted, 1)
        return f"step {course.step:,} of {steps:,}: loss {lost:.3f}"
    _, lost, held = course.history[-1]
    held_text = "" if held is None else f", on texts held out {held:.3f}"
    return f"step {course.step:,} of {steps:,}: loss {lost:.3f}{held_text}"


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
