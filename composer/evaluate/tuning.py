"""Searching the values that `--set` takes: tried on some rows, judged on rows left out."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from statistics import fmean
from typing import TYPE_CHECKING

from composer.diagnostics.amounts import counted, in_dollars
from composer.evaluate.cells import plain
from composer.evaluate.dataset import divide
from composer.evaluate.graded import is_refused
from composer.evaluate.members import grade_of
from composer.evaluate.overlap import training_overlap
from composer.evaluate.recipes import declarations
from composer.heavy import np
from composer.metrics import drawn_interval, resampled_means
from composer.run import Failure

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from composer.evaluate.axes import Settings
    from composer.evaluate.grading import Grading
    from composer.evaluate.metric import Metric
    from composer.evaluate.rows import EvaluationRow
    from composer.metrics import Interval
    from composer.recipe import Recipe
    from composer.run import Result
    from composer.values import JSON

__all__ = ["Measured", "Trial", "Trials", "Tuned", "tune"]

VERSION = 1
FEWEST = 2
"""Rows that each part needs, for an interval."""

DRAWS = 2000


@dataclass(frozen=True)
class Measured:
    """What some settings reach on some rows, by row id: each figure, and the metric of it."""

    figures: Mapping[str, Mapping[str, float]]
    values: Mapping[str, float]
    errors: int = 0

    @property
    def value(self) -> float:
        """The metric in the mean of the rows."""
        return fmean(self.values.values())

    def mean(self, figure: str) -> float:
        """A figure in the mean of the rows."""
        return fmean(row[figure] for row in self.figures.values())

    def as_dict(self) -> dict[str, JSON]:
        """Give the plain values that `--json` prints."""
        names = next(iter(self.figures.values()))
        means = {name: plain(self.mean(name)) for name in names}
        return {"value": self.value, "rows": len(self.values), "errors": self.errors, **means}


@dataclass(frozen=True)
class Trial:
    """Some settings, and what they reach on the rows to tune on. Without settings: as it is."""

    settings: Settings
    tuning: Measured

    def as_dict(self) -> dict[str, JSON]:
        """Give the line that `--output` writes."""
        return {"settings": dict(self.settings), **self.tuning.as_dict()}


@dataclass(frozen=True)
class Tuned:
    """The best of the `trials` on tuning rows, beside the present values, on rows left out.

    `tuning_gain` is what the best values gain over the present ones on the tuning rows, `gain` on
    the rows left out, both in pairs and signed so that more is better. `overfit` is how much of the
    first is missing in the second. `overlap` counts the rows left out that a route was fitted on.
    `stopped` says why the search ended early.
    """

    recipe: str
    metric: Metric
    trials: tuple[Trial, ...]
    present: Trial
    best: Trial
    best_held_out: Measured
    present_held_out: Measured
    tuning_gain: Interval
    gain: Interval
    overfit: Interval
    overlap: int
    stopped: str | None = None

    def as_dict(self) -> dict[str, JSON]:
        """Give the plain values that `--json` prints."""
        return {
            "version": VERSION,
            "recipe": self.recipe,
            "metric": self.metric.text,
            "more_is_better": self.metric.sign > 0,
            "best": {**self.best.as_dict(), "held_out": self.best_held_out.as_dict()},
            "present": {**self.present.as_dict(), "held_out": self.present_held_out.as_dict()},
            "tuning_gain": _plain(self.tuning_gain),
            "gain": _plain(self.gain),
            "overfit": _plain(self.overfit),
            "rows_learnt_from": self.overlap,
            "stopped": self.stopped,
            "trials": [trial.as_dict() for trial in self.trials],
        }


def _plain(one: Interval) -> dict[str, JSON]:
    return {"difference": one.mean, "interval": [one.low, one.high], "settled": one.settled}


@dataclass(eq=False)
class Trials:
    """Measures settings of one recipe. Answers are kept in a file, so that none is asked for twice.

    `load` reads the recipe with settings. `spent` counts the dollars of new calls; `budget` bounds
    them.
    """

    load: Callable[[Settings], Recipe]
    metric: Metric
    how: Grading
    cache: bool | Path = True
    budget: float | None = None
    spent: float = 0.0
    overlap: int = field(default=0, init=False)

    def measure(self, settings: Settings, rows: Sequence[EvaluationRow]) -> Measured:
        """Run the recipe with settings on rows; raises Failure (E709) if the budget is spent."""
        recipe = self.load(settings)
        left = None if self.budget is None else max(0.0, self.budget - self.spent)
        with recipe.ready(cache=self.cache, budget=left) as ensemble:
            results = list(ensemble.map([row.question() for row in rows]))
            self.overlap = training_overlap(recipe, ensemble.routes.values(), rows)
        self.spent += sum(result.cost for result in results)
        refused = next(filter(is_refused, results), None)
        if refused is not None:
            raise Failure(
                "E709",
                f"the budget of {in_dollars(self.budget or 0.0)} is spent",
                "raise `--budget`",
            )
        return self._measured(recipe, rows, results)

    def _measured(
        self, recipe: Recipe, rows: Sequence[EvaluationRow], results: Iterable[Result]
    ) -> Measured:
        models, by_id = declarations(recipe), {row.id: row for row in rows}
        figures, errors = {}, 0
        graded = self.how.each(
            lambda result: (result, grade_of(models, by_id[result.id], result, self.how)), results
        )
        for result, grade in graded:
            errors += result.error is not None
            if grade.score is not None:
                figures[result.id] = _figures(grade.score, result)
        if not figures:
            raise Failure(
                "E719",
                "no answer can be graded",
                "give the rows a `reference`, or record `correct` for the answers",
            )
        unknown = sum(math.isnan(self.metric.of(each)) for each in figures.values())
        if unknown:
            raise Failure(
                "E719",
                f"the cost of {counted(unknown, 'answer')} is not known, so "
                f"`{self.metric.text}` is not known",
                "give the models a `price`, record `cost` in the data, or use `--metric accuracy`",
            )
        values = {name: self.metric.of(each) for name, each in figures.items()}
        return Measured(figures, values, errors)


def _figures(quality: float, result: Result) -> dict[str, float]:
    """The figures of one answer; one from the cache counts as if it were asked for.

    The cost is NaN where that of a call is not known.
    """
    usage = result.full_usage
    tokens = usage.prompt_tokens + usage.completion_tokens
    cost = math.nan if usage.unpriced else usage.cost
    return {"accuracy": quality, "cost": cost, "tokens": tokens, "calls": usage.calls}


def tune(  # noqa: PLR0913 - what is tried, on what, and what is told of it
    trials: Trials,
    settings: Sequence[Settings],
    rows: Sequence[EvaluationRow],
    *,
    held_out: float = 0.5,
    seed: int = 0,
    on_trial: Callable[[Trial], None] = lambda _: None,
) -> Tuned:
    """Try settings on a part of the rows, and judge the best of them on the rows left out.

    `on_trial` is called with each trial. A trial that is the best so far is measured on the rows
    left out at once, so that a spent budget ends the search with a result. Raises Failure: E719 for
    too few rows, E709 where the budget does not do for the present values.
    """
    tuning, left_out = divide(rows, 1 - held_out, seed)
    if min(len(tuning), len(left_out)) < FEWEST:
        raise Failure(
            "E719",
            f"{counted(len(tuning), 'row')} to tune on and {len(left_out):,} left out are too few",
            f"each part needs {FEWEST} rows or more: use more rows, or another `--held-out`",
        )
    present_held_out = trials.measure({}, left_out)
    overlap, present = trials.overlap, Trial({}, trials.measure({}, tuning))
    on_trial(present)
    sign, done, stopped = trials.metric.sign, list[Trial](), None
    best, best_held_out = present, present_held_out
    for each in settings:
        try:
            trial = Trial(each, trials.measure(each, tuning))
            if sign * trial.tuning.value > sign * best.tuning.value:
                best, best_held_out = trial, trials.measure(each, left_out)
        except Failure as failure:
            if failure.code != "E709":
                raise
            stopped = failure.message
            break
        done.append(trial)
        on_trial(trial)
    tuning_gains = _gains(best.tuning, present.tuning, sign, seed=0)
    gains = _gains(best_held_out, present_held_out, sign, seed=1)
    return Tuned(
        recipe=trials.load({}).name,
        metric=trials.metric,
        trials=tuple(done),
        present=present,
        best=best,
        best_held_out=best_held_out,
        present_held_out=present_held_out,
        tuning_gain=drawn_interval(tuning_gains),
        gain=drawn_interval(gains),
        overfit=drawn_interval(tuning_gains - gains),
        overlap=overlap,
        stopped=stopped,
    )


def _gains(best: Measured, present: Measured, sign: float, seed: int) -> NDArray[np.float64]:
    """Resample by how much the best values are better, in pairs; [1 + draws], as it is first."""
    shared = [name for name in best.values if name in present.values]
    pairs = np.array([[best.values[name], present.values[name]] for name in shared])
    drawn = resampled_means(sign * (pairs[:, :1] - pairs[:, 1:]), draws=DRAWS, seed=seed)
    return drawn[:, 0]
