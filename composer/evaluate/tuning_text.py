"""What a search found, as a person reads it."""

from __future__ import annotations

import math
import shlex
from itertools import groupby
from typing import TYPE_CHECKING

from rich.console import Group
from rich.text import Text

from composer.diagnostics.amounts import counted, in_dollars
from composer.evaluate.cells import Sheet, percent

if TYPE_CHECKING:
    from collections.abc import Iterator

    from rich.console import RenderableType

    from composer.evaluate.axes import Settings
    from composer.evaluate.metric import Metric
    from composer.evaluate.tuning import Measured, Tuned
    from composer.metrics import Interval

__all__ = ["equal_settings_text", "set_options", "settings_text", "tuned"]

MOST_SHOWN = 10
AS_IT_IS = "as it is"


def settings_text(settings: Settings) -> str:
    """Write settings as the recipe would."""
    return ", ".join(f"{name} = {value}" for name, value in settings.items()) or AS_IT_IS


def set_options(settings: Settings) -> str:
    """Write the options that set settings, for a shell."""
    return " ".join(f"--set {shlex.quote(f'{name}={value}')}" for name, value in settings.items())


def tuned(one: Tuned, recipe: str, places: dict[str, str]) -> Group:
    """Draw the best trials, the best and the present values on rows left out, and what to do.

    `recipe` is how the command named it, `places` says where a name has its present value.
    """
    return Group(
        _trials(one),
        Text(),
        _held_out(one),
        Text("\n" + "\n".join(_sentences(one, recipe, places))),
    )


def _trials(one: Tuned) -> RenderableType:
    count = len(one.present.tuning.values)
    rows = Sheet(
        f"{counted(len(one.trials), 'trial')}, {counted(count, 'row')} to tune on",
        *_columns(one.metric),
    )
    ranked = sorted(one.trials, key=lambda trial: -one.metric.sign * trial.tuning.value)
    outcomes: dict[tuple[str, ...], list[Settings]] = {}
    for trial in ranked:
        outcomes.setdefault(tuple(_cells(trial.tuning, one.metric)), []).append(trial.settings)
    everything = [trial.settings for trial in one.trials]
    for cells, equal in list(outcomes.items())[:MOST_SHOWN]:
        rows.add_row(f"  {equal_settings_text(equal, everything)}", *cells)
    hidden = sum(map(len, list(outcomes.values())[MOST_SHOWN:]))
    if hidden:
        rows.add_row(f"  ... and {hidden:,} more")
    rows.add_row(f"  {AS_IT_IS}", *_cells(one.present.tuning, one.metric), style="dim")
    return rows


def equal_settings_text(equal: list[Settings], everything: list[Settings]) -> str:
    """Write settings of one outcome in one line: `doubt = 0.3 to 0.6`."""
    values = {name: {each[name] for each in equal} for name in equal[0]}
    if math.prod(map(len, values.values())) > len(equal):  # not every combination is among them
        return f"{settings_text(equal[0])} and {len(equal) - 1:,} equal"
    tried = {name: list(dict.fromkeys(each[name] for each in everything)) for name in values}
    return settings_text({name: _runs(each, tried[name]) for name, each in values.items()})


def _runs(values: set[str], tried: list[str]) -> str:
    """Write values, those that follow each other among the numbers tried as a range."""
    try:
        numbers = sorted(tried, key=float)
    except ValueError:
        return " or ".join(each for each in tried if each in values)
    runs = [list(run) for inside, run in groupby(numbers, values.__contains__) if inside]
    return " or ".join(run[0] if len(run) == 1 else f"{run[0]} to {run[-1]}" for run in runs)


def _held_out(one: Tuned) -> RenderableType:
    count = len(one.present_held_out.values)
    rows = Sheet(f"{counted(count, 'row')} left out", *_columns(one.metric))
    if one.best.settings:
        cells = _cells(one.best_held_out, one.metric)
        rows.add_row(f"  {settings_text(one.best.settings)}", *cells, style="bold")
    rows.add_row(f"  {AS_IT_IS}", *_cells(one.present_held_out, one.metric))
    return rows


def _columns(metric: Metric) -> tuple[str, ...]:
    figures = ("accuracy", "cost a question", "calls")
    return figures if metric.points else (metric.text, *figures)


def _cells(one: Measured, metric: Metric) -> Iterator[str]:
    if not metric.points:
        yield metric.shown(one.value)
    yield percent(one.mean("accuracy"))
    cost = one.mean("cost")
    yield "unknown" if math.isnan(cost) else in_dollars(float(f"{cost:.3g}"))
    yield f"{one.mean('calls'):.2f}"


def _sentences(one: Tuned, recipe: str, places: dict[str, str]) -> Iterator[str]:
    if one.stopped is not None:
        yield f"The search ended early: {one.stopped}."
    if one.overlap:
        yield (
            f"A route of the recipe was fitted on {one.overlap:,} of the rows left out, so figures "
            "here are too good. Tune on rows that the fit did not use."
        )
    if not one.best.settings:
        yield "No trial is better than the present values on the rows to tune on: keep them."
        return
    yield _overfitted(one)
    yield _gained(one)
    if one.gain.low > 0:
        yield f"To use the best values: compose run {recipe} {set_options(one.best.settings)}"
        for name, value in one.best.settings.items():
            if name in places:
                yield f"To keep it, set `{name}` to {value} at {places[name]}."
    else:
        options = set_options(one.best.settings)
        yield f"Keep the present values, or tune on more rows. The best values were: {options}"


def _overfitted(one: Tuned) -> str:
    gain = _difference(one.tuning_gain, one.metric)
    start = f"On the rows to tune on, the best values beat the present ones: {gain}."
    if one.overfit.mean <= 0:
        return f"{start} This is not less on the rows left out, so nothing shows overfitting."
    amount = _difference(one.overfit, one.metric)
    what = "so much is overfitted" if one.overfit.settled else "that may be overfitting or chance"
    return f"{start} Of this, {amount} is missing on the rows left out: {what}."


def _gained(one: Tuned) -> str:
    verb = "beat" if one.gain.low > 0 else "lose to" if one.gain.high < 0 else "do not beat"
    amount = _difference(one.gain, one.metric)
    return f"On the rows left out, the best values {verb} the present ones: {amount}."


def _difference(one: Interval, metric: Metric) -> str:
    scale, unit = (100, " points") if metric.points else (1, "")
    form = "+.1f" if metric.points else "+.3g"
    mean, low, high = (format(scale * each, form) for each in (one.mean, one.low, one.high))
    return f"{mean}{unit} ({low} to {high}{'' if one.settled else ', not significant'})"
