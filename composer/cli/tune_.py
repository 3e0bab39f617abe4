"""`compose tune`: search the values that `--set` takes, and judge them on rows left out."""

from __future__ import annotations

import json
import sys
import tempfile
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import click

from composer.cli.common import (
    DataFile,
    RecipeReader,
    how_option,
    json_option,
    recipe_argument,
    recipe_options,
    split_settings,
    unwritable,
)
from composer.cli.common import as_json as to_json
from composer.cli.terminal import err, is_terminal, out
from composer.diagnostics import Mistakes
from composer.diagnostics.amounts import cost_text, in_dollars
from composer.evaluate import Grading, read_rows, shown
from composer.evaluate.axes import Axis, axis_of, candidates
from composer.evaluate.metric import Metric, metric_of
from composer.evaluate.tuning import Trials, tune
from composer.evaluate.tuning_text import set_options, settings_text, tuned

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from composer.evaluate.axes import Settings
    from composer.evaluate.tuning import Trial
    from composer.recipe import Recipe

T = TypeVar("T")


def _read_by(
    read: Callable[[str], T],
) -> Callable[[click.Context, click.Parameter, object], object]:
    """Make a callback that reads an option's text, and shows what is wrong with it."""

    def callback(ctx: click.Context, param: click.Parameter, value: object) -> object:
        try:
            return tuple(map(read, value)) if isinstance(value, tuple) else read(str(value))
        except ValueError as error:
            raise click.BadParameter(str(error), ctx, param) from None

    return callback


@click.command()
@recipe_argument
@click.option(
    "--data",
    required=True,
    type=DataFile(folders=True),
    help="Rows with `query` and `reference`, as for `compose eval`.",
)
@click.option(
    "--vary",
    "axes",
    multiple=True,
    required=True,
    callback=_read_by(axis_of),
    metavar="NAME=VALUES",
    help="What to vary: `doubt=0.3..0.9`, `k=1..5`, `rate=log:0.001..1`, `by=exact(),number()`.",
)
@click.option("--trials", type=click.IntRange(min=2), default=30, help="How many values to try.")
@click.option(
    "--metric",
    default="accuracy",
    callback=_read_by(metric_of),
    metavar="FORMULA",
    help="What to maximise: `accuracy`, `accuracy - 20 * cost`; of `cost` alone, less is better.",
)
@click.option(
    "--held-out",
    type=click.FloatRange(0, 1, min_open=True, max_open=True),
    default=0.5,
    metavar="SHARE",
    help="The share of the rows that are left out of the search, by default 0.5.",
)
@click.option("--split", help="Use only the rows of this split.")
@click.option("--limit", type=click.IntRange(min=1), help="Use only the first N rows.")
@how_option
@click.option(
    "--budget", type=click.FloatRange(min=0), metavar="DOLLARS", help="Never spend more than this."
)
@click.option("--no-cache", is_flag=True, help="Do not use answers of earlier runs, and keep none.")
@click.option(
    "--output",
    type=click.Path(dir_okay=False, path_type=Path),
    metavar="FILE",
    help="Write each trial to this file, one JSON object a line.",
)
@click.option("--seed", type=int, default=0, help="The seed of the search and of all sampling.")
@recipe_options
@json_option
def command(
    recipe: Path,
    data: Path,
    axes: tuple[Axis, ...],
    trials: int,
    metric: Metric,
    held_out: float,
    split: str | None,
    limit: int | None,
    how: str,
    budget: float | None,
    output: Path | None,
    seed: int,
    reading: RecipeReader,
    *,
    no_cache: bool,
    as_json: bool,
) -> None:
    """Search the values that --set takes, on a part of the rows.

    The best values are then judged on the rows left out, beside the present ones. Answers are kept,
    so nobody is asked the same twice.
    """
    _distinct(axes, reading)
    present = reading.read(recipe, seed=seed)
    load = _loader(recipe, reading, seed)
    axes = tuple(_possible(axis, load) for axis in axes)
    rows = read_rows(data, split=split, limit=limit)
    settings = candidates(axes, trials, seed)
    with ExitStack() as stack:
        cache: bool | Path = True
        if no_cache:
            folder = stack.enter_context(tempfile.TemporaryDirectory())
            cache = Path(folder) / "answers.sqlite"
        grading = stack.enter_context(Grading(how, ready=lambda one: one.ready(cache=cache)))
        search = Trials(load, metric, grading, cache, budget)
        tell = _teller(stack, output, metric, len(settings) + 1)
        one = tune(search, settings, rows, held_out=held_out, seed=seed, on_trial=tell)
    if as_json:
        command_line = f"compose run {recipe} {set_options(one.best.settings)}".rstrip()
        out(to_json(one.as_dict() | {"command": command_line}), as_json=True)
    else:
        out(shown(tuned(one, str(recipe), _places(present, axes))), end="")
    if budget is not None:
        err(f"spent {cost_text(search.spent)} of {in_dollars(budget)}")


def _distinct(axes: Sequence[Axis], reading: RecipeReader) -> None:
    """Refuse a name that is varied twice, or set and varied."""
    names = [axis.name for axis in axes]
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice is not None:
        raise click.UsageError(f"`{twice}` is varied twice: write one `--vary` for it")
    both = next((name for name in split_settings(reading.settings) if name in names), None)
    if both is not None:
        raise click.UsageError(f"`{both}` is set and varied: leave out `--set {both}=...`")


def _possible(axis: Axis, load: Callable[[Settings], Recipe]) -> Axis:
    """Return an axis whose values the recipe takes; raises Mistakes where it does not.

    Between two whole ends, numbers with a fraction are tried as well if the recipe takes them.
    """
    for value in axis.ends:
        load({axis.name: value})
    if not axis.whole:
        return axis
    broken = replace(axis, whole=False)
    try:
        load({axis.name: str(axis.low + 0.5)})
    except Mistakes:
        return axis
    return broken


def _loader(path: Path, reading: RecipeReader, seed: int) -> Callable[[Settings], Recipe]:
    """Return how the recipe is read with settings beside those of `--set`."""

    def load(settings: Settings) -> Recipe:
        pairs = tuple(f"{name}={value}" for name, value in settings.items())
        varied = RecipeReader((*reading.settings, *pairs), reading.overlays, reading.root)
        return varied.load(path, seed=seed)

    return load


def _teller(
    stack: ExitStack, output: Path | None, metric: Metric, count: int
) -> Callable[[Trial], None]:
    """Return what shows each trial on a terminal, and writes it to the file."""
    try:
        file = None if output is None else stack.enter_context(output.open("w", encoding="utf-8"))
    except OSError as error:
        raise unwritable(Path(str(output)), error) from None
    done = 0

    def tell(trial: Trial) -> None:
        nonlocal done
        done += 1
        if file is not None:
            file.write(json.dumps(trial.as_dict(), ensure_ascii=False) + "\n")
            file.flush()
        if is_terminal(sys.stderr):
            value = metric.shown(trial.tuning.value)
            err(f"trial {done} of {count}: {settings_text(trial.settings)}: {value}")

    return tell


def _places(recipe: Recipe, axes: Sequence[Axis]) -> dict[str, str]:
    """Say at which line of the recipe's file each varied parameter has its value."""
    if recipe.path is None or recipe.path.suffix != ".ens":
        return {}
    lines = recipe.path.read_text(encoding="utf-8").splitlines()
    return {
        axis.name: f"{recipe.path.name}:{number}"
        for axis in axes
        for number, line in enumerate(lines, start=1)
        if line.split(":")[0].split() == ["param", axis.name]
    }
