"""The trainer of `adaptive`: the entropy of a merge's own answers is lowered, by gradient.

The gradient in the merged weights comes from torch. From there it goes on tensor by tensor: what a
merged tensor changes by with each coefficient is measured with the edit itself, so that any edit
can be trained, and no more than one tensor's differences are in memory at a time.
"""

from __future__ import annotations

import random
from dataclasses import replace
from typing import TYPE_CHECKING

from composer.diagnostics.amounts import counted
from composer.fit.coefficients.entropy import lower_entropy
from composer.fit.coefficients.history import kept_history
from composer.fit.coefficients.masks import ConcreteMask
from composer.fit.coefficients.opening import history_name, open_subject
from composer.fit.coefficients.reports import result_of
from composer.fit.coefficients.subject import merge_of
from composer.heavy import np, torch
from composer.methods.edits.searched import query_digests, row_of
from composer.specs.parts import tensor_places

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from numpy.typing import NDArray
    from torch import Tensor

    from composer.compiler.graph import Node
    from composer.evaluate import EvaluationRow
    from composer.fit.coefficients.history import History
    from composer.fit.coefficients.subject import Subject
    from composer.fit.settings import FitSettings, TrainingResult
    from composer.methods.edits.adaptive import Adaptive
    from composer.methods.estimators.values import Floats
    from composer.values import State

__all__ = ["Training", "train_adaptive"]

_NUDGE = 0.05
"""How far a coefficient is moved to see what changes: exact where the edit is linear in it."""

_KEPT_EVERY = 10
"""After how many steps the state of the training is kept on disk."""


def train_adaptive(part: Adaptive, node: Node, settings: FitSettings) -> TrainingResult:
    """Train on questions; where left-out rows have references, say how good the merge is on them.

    Raises Mistakes (E509) where there are too few rows.
    """
    model = merge_of(part, node)
    with open_subject(part, model, settings, labelled=False) as (subject, rows, held):
        name = history_name(part, model, settings) if settings.cache else None
        with kept_history(name) as history:
            steps, count = counted(part.steps, "step"), counted(len(rows), "question")
            settings.tell(f"`{part.name}` takes {steps} on {count}")
            training = Training(part, subject, rows, settings.seed, history)
            training.run()
            entropies = [float(entry["entropy"]) for entry in history.entries]
        state = training.state(queries=query_digests(row.query for row in (*rows, *held)))
        result = result_of(subject, state, entropies, rows, held, settings)
    kept = {} if training.mask is None else {"kept": round(training.mask.share, 4)}
    return replace(result, report={**result.report, "entropy": entropies[-1], **kept})


class Training:
    """The coefficients of a merge, and perhaps a mask, from step to step."""

    def __init__(
        self,
        part: Adaptive,
        subject: Subject,
        rows: Sequence[EvaluationRow],
        seed: int,
        history: History,
    ) -> None:
        self.part, self.subject, self.rows, self.seed = part, subject, rows, seed
        self.history, self.memory = history, subject.memory
        self.places = tensor_places(self.memory.parameters)
        start = subject.space(0.0, 1.0).start.clip(0.0, 1.0)
        self.moments = np.stack([start, np.zeros_like(start), np.zeros_like(start)])
        shapes = {name: each.shape for name, each in self.memory.parameters.items()}
        self.mask = ConcreteMask(shapes, part.rate) if part.mask else None

    @property
    def point(self) -> Floats:
        """The coefficients of the members after the first, group after group."""
        point: Floats = self.moments[0]
        return point

    def state(self, **arrays: NDArray[np.generic]) -> State:
        """Return the fitted state: coefficients, and the mask as bits."""
        bits = {} if self.mask is None else self.mask.bits()
        return self.subject.state(self.point, **bits, **arrays)

    def run(self) -> None:
        """Take the steps that are left of those before, which are kept on disk now and then."""
        self._restore(self.history.stored())
        for count in range(len(self.history.entries) + 1, self.part.steps + 1):
            self.history.add(entropy=self.step(count))
            if count % _KEPT_EVERY == 0 or count == self.part.steps:
                mask = {} if self.mask is None else self.mask.stored()
                self.history.store({"moments": self.moments, "count": np.array([count]), **mask})

    def _restore(self, stored: Mapping[str, NDArray[np.generic]]) -> None:
        """Go on from a state that was kept, and forget the steps after it."""
        count = int(stored["count"][0]) if stored else 0
        self.history.cut(min(count, len(self.history.entries)))
        if len(self.history.entries) < count or not count:
            self.history.cut(0)
            return
        self.moments = np.array(stored["moments"])
        if self.mask is not None:
            self.mask.restore(stored)

    def step(self, count: int) -> float:
        """Take step `count`, from 1; return the entropy in nats before it."""
        rng = random.Random(f"{self.seed}/{count}")
        rows = rng.sample(list(self.rows), min(self.part.batch, len(self.rows)))
        if self.mask is not None:
            self.mask.draw(f"{self.seed}/{count}")
        self._make()
        weights = self.memory.parameters
        entropy = lower_entropy(self.memory.local, weights, rows, self.part.tokens)
        gradient = self._gradient(count).reshape(-1)
        point, mean, square = self.moments
        mean, square = 0.9 * mean + 0.1 * gradient, 0.999 * square + 0.001 * gradient**2
        size = np.sqrt(square / (1 - 0.999**count)) + 1e-8
        point = (point - self.part.rate * mean / (1 - 0.9**count) / size).clip(0.0, 1.0)
        self.moments = np.stack([point, mean, square])
        return entropy

    def _maker(self, point: Floats) -> Callable[[str], Tensor]:
        """Return what makes the tensors of the merge at a point, without a mask."""
        plain = self.part.model_copy(update={"mask": False})
        model = self.subject.at(self.subject.state(point), plain)
        return self.memory.maker(model)

    def _make(self) -> None:
        """Make the merge with the mask that was drawn."""
        make = self._maker(self.point)
        with torch.no_grad():
            for name, weight in self.memory.parameters.items():
                made = make(name)
                if self.mask is not None:
                    base = self.memory.donors[0].read(name).to(made)
                    made = base + self.mask.scaled(name) * (made - base)
                weight.copy_(made)

    def _gradient(self, count: int) -> Floats:
        """Return the gradient [group, member after the first]; the mask learns from its own."""
        others = len(self.subject.model.donors) - 1
        gradient = np.zeros((self.subject.rows, others))
        now = self._maker(self.point)
        nudged = [[self._maker(self.point + by) for by in self._nudges(n)] for n in range(others)]
        for name, weight in self.memory.parameters.items():
            if weight.grad is None:
                continue
            slope = weight.grad.cpu().float()
            if self.mask is not None:
                made = now(name)
                change = made - self.memory.donors[0].read(name).to(made)
                slope = self.mask.learn(name, slope, change.float(), count)
            row = row_of(self.places[name], len(gradient))
            for member, (up, down) in enumerate(nudged):
                change = up(name).double() - down(name).double()
                gradient[row, member] += float((slope * change).sum()) / (2 * _NUDGE)
            weight.grad = None
        return gradient

    def _nudges(self, member: int) -> tuple[Floats, Floats]:
        """Return how the point is moved up and down in the coefficients of one member."""
        by = np.zeros((self.subject.rows, len(self.subject.model.donors) - 1))
        by[:, member] = _NUDGE
        return by.reshape(-1), -by.reshape(-1)
