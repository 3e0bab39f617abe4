"""The trainer of policies that weigh the members of a span fuse: a policy gradient."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, cast

from composer.compiler.graph import topological
from composer.diagnostics.amounts import counted
from composer.fit.fuses import local_span_fuse
from composer.fit.settings import TrainingResult, not_trainable
from composer.fit.validation import triple
from composer.heavy import np, torch
from composer.methods.estimators.features import embed_all
from composer.methods.spans.policy import OBSERVATIONS
from composer.metrics import difference_interval, mean_interval
from composer.values import Fitted, Generate, Sampling, State

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from composer.compiler.graph import Node
    from composer.engine.engine import Engine
    from composer.evaluate import EvaluationRow
    from composer.evaluate.grading import Grading
    from composer.fit.settings import FitSettings
    from composer.methods.estimators.values import Floats
    from composer.methods.spans.policy import Acting, Policy
    from composer.specs import SpanFuse
    from composer.values import Query
    from composer.values.typed import Typed

__all__ = ["train_policy"]

_LEAST = 6  # rows with a reference
_HELD_OUT = 3  # every third row is not learnt from
_BATCH = 16  # questions between two steps of the optimizer
_RATE = 0.1  # of Adam
_DECAY = 1e-3  # of the coefficients


def train_policy(part: Policy, node: Node, settings: FitSettings) -> TrainingResult:
    """Fit a policy on two thirds of the rows, and compare it with fixed weights on the others."""
    from composer.engine.engine import Engine
    from composer.evaluate import read_rows
    from composer.evaluate.grading import opened

    fuse = local_span_fuse(part, node)
    rows = [row for row in read_rows(settings.data) if row.references]
    if len(rows) < _LEAST:
        text = f"{settings.data} has {counted(len(rows), 'row')} with a reference"
        raise not_trainable(text, f"a policy needs {_LEAST} or more")
    order = np.random.default_rng(settings.seed).permutation(len(rows))
    held = [rows[n] for n in order[::_HELD_OUT]]
    learnt = [rows[n] for at, n in enumerate(order) if at % _HELD_OUT]
    with Engine() as engine, opened(settings.how) as how:
        how.check(rows)
        trial = _Trial(engine, fuse, _sampling(node, settings), how)
        state = _trained(part, trial, learnt, settings)
        policy = part.bound(Fitted.of(fuse.names, len(learnt), state=state))
        grades = {
            "policy": trial.graded(held, replace(fuse, weigh=policy)),
            "fixed": trial.graded(held, replace(fuse, weigh=None)),
            "best_member": trial.graded(held, trial.best_member(learnt)),
        }
    figures = _compared(grades, settings.seed)
    notes = tuple(_doubt(figures["over_fixed"], len(held)))
    return TrainingResult(
        fuse.names, len(learnt), {"state": state}, {"held_out": figures}, None, notes
    )


def _compared(grades: Mapping[str, Sequence[float]], seed: int) -> dict[str, list[float]]:
    """Return the means of some grades, and what the policy gains over others, with intervals."""
    means = {name: triple(mean_interval(own, seed=seed)) for name, own in grades.items()}
    gains = {
        f"over_{name}": triple(difference_interval(grades["policy"], own, seed=seed))
        for name, own in grades.items()
        if name != "policy"
    }
    return means | gains


def _doubt(gain: Sequence[float], rows: int) -> Iterator[str]:
    """Say that a gain is not shown, where its interval reaches zero."""
    mean, low, high = gain
    if low <= 0:
        yield (
            f"the policy is not shown to be better than fixed weights: {mean:+.3f} "
            f"[{low:+.3f}, {high:+.3f}] on {counted(rows, 'row')} left out"
        )


def _sampling(node: Node, settings: FitSettings) -> Sampling:
    """Return how the recipe draws an answer of the fuse, where it does so directly."""
    answer = settings.recipe.compiled.answer
    assert answer is not None
    for each in topological(answer):
        if each.asks is node:
            given = each.values()
            names = ("temperature", "top_p", "top_k", "min_p", "max_tokens", "stop")
            return Sampling().changed({name: given[name] for name in names if name in given})
    return Sampling()


@dataclass(frozen=True)
class _Trial:
    """Answers questions by variants of a fuse, and grades the answers."""

    engine: Engine
    fuse: SpanFuse
    sampling: Sampling
    how: Grading

    def graded(self, rows: Sequence[EvaluationRow], *fuses: SpanFuse) -> list[float]:
        """Return the grade of each row's answer by one fuse, or each by its own; 0 for none."""
        from composer.evaluate.judge import judge

        own = fuses * len(rows) if len(fuses) == 1 else fuses
        pairs = zip(rows, own, strict=True)
        jobs = [Generate(fuse, row.question(), self.sampling) for row, fuse in pairs]
        futures = [self.engine.generate(job, None) for job in jobs]
        texts = [future.result().text.strip() for future in futures]
        grades = [judge(row, text, (), self.how) for row, text in zip(rows, texts, strict=True)]
        return [grade.score or 0.0 for grade in grades]

    def best_member(self, rows: Sequence[EvaluationRow]) -> SpanFuse:
        """Return the fuse in which the member whose answers to some rows are best is alone."""
        alone = [
            replace(self.fuse, weigh=None, weights=tuple(map(float, row)))
            for row in np.eye(len(self.fuse.names))
        ]
        return max(alone, key=lambda fuse: sum(self.graded(rows, fuse)))


@dataclass(eq=False)
class _Explorer:
    """A policy whose actions are drawn, for one answer; it keeps what it has done."""

    begin: Callable[[Mapping[str, float], Query], Acting]
    spread: float
    rng: np.random.Generator
    acting: Acting | None = None

    def start(self, weights: Mapping[str, float], query: Query) -> Acting:
        """Start an answer."""
        self.acting = self.begin(weights, query)
        self.acting.noise = lambda count: self.rng.normal(0, self.spread, count)
        return self.acting


def _trained(
    part: Policy, trial: _Trial, rows: Sequence[EvaluationRow], settings: FitSettings
) -> State:
    """Return the state of the policy that REINFORCE finds.

    The advantage of an answer is its grade less the mean grade of the question's other draws.
    """
    rng = np.random.default_rng(settings.seed)
    texts = [(f"{row.query}\n{row.references[0]}", ()) for row in rows]
    features, vectors = embed_all(part.features, texts)
    names = [n for n, w in zip(trial.fuse.names, trial.fuse.normalized_weights(), strict=True) if w]
    state = State.join(features=features)
    table = torch.zeros(len(names), vectors.shape[1] + OBSERVATIONS, dtype=torch.float64)
    optimizer = torch.optim.Adam([table], _RATE)

    def begin(weights: Mapping[str, float], query: Query) -> Acting:
        return part.acting(state, table.numpy(), weights, query)

    for number in range(part.passes):
        settings.tell(f"`{part.name}`: pass {number + 1} of {part.passes}")
        for batch in _batches(len(rows), rng):
            asked = [rows[n] for n in batch for _ in range(part.draws)]
            explorers = [_Explorer(begin, part.spread, own) for own in rng.spawn(len(asked))]
            fuses = [replace(trial.fuse, weigh=cast("Typed", each)) for each in explorers]
            grades = np.array(trial.graded(asked, *fuses)).reshape(len(batch), part.draws)
            others = (grades.sum(1, keepdims=True) - grades) / (part.draws - 1)
            gradient = _gradient(explorers, (grades - others).ravel(), part.spread, table.shape)
            table.grad = _DECAY * table - torch.from_numpy(gradient) / len(asked)
            optimizer.step()
    arrays = {**state.arrays, "policy.coefficients": table.numpy().astype(np.float32)}
    return State(arrays, {**state.facts, "part": part.name, "names": names})


def _batches(rows: int, rng: np.random.Generator) -> list[list[int]]:
    order: list[int] = rng.permutation(rows).tolist()
    return [order[start : start + _BATCH] for start in range(0, rows, _BATCH)]


def _gradient(
    explorers: Sequence[_Explorer], advantages: Floats, spread: float, shape: tuple[int, ...]
) -> Floats:
    """Return the sum of advantage times the gradient of the log-density of the actions."""
    total: Floats = np.zeros(shape)
    for explorer, advantage in zip(explorers, advantages.tolist(), strict=True):
        assert explorer.acting is not None
        for state, noise in explorer.acting.steps if advantage else ():
            total += advantage * noise[:, None] / spread**2 * state
    return total
