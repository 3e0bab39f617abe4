"""`compose fit`: teach the parts of a recipe that learn, and keep what they learnt beside it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from composer.cli.common import (
    DataFile,
    RecipeReader,
    how_option,
    json_option,
    recipe_argument,
    recipe_options,
    timeout_option,
)
from composer.cli.common import as_json as to_json
from composer.cli.pictures import Picture
from composer.cli.terminal import err, out, wrapped
from composer.compiler.fits import arrays_path, find_learners
from composer.diagnostics.amounts import cost_text, counted, number_text
from composer.evaluate import Grading
from composer.fit.coefficients.telling import draw_histories, search_lines
from composer.fit.fitting import fit
from composer.fit.gains import verdict
from composer.fit.settings import FitSettings, Target
from composer.methods.acceptances.promises import guarantee_text

if TYPE_CHECKING:
    from composer.fit.fitting import FitOutcome
    from composer.recipe import Recipe


def _target(ctx: click.Context, param: click.Parameter, value: str | None) -> Target | None:
    """Read a target, or say what is wrong with it."""
    del ctx, param
    if value is None:
        return None
    try:
        return Target.read(value)
    except ValueError as error:
        raise click.BadParameter(str(error)) from None


@click.command()
@recipe_argument
@click.option(
    "--data",
    type=DataFile(folders=True),
    help="Rows with recorded answers, or with references alone: then the choices are asked. "
    "Recorded texts without a judgement are graded. Default: the `data` of the part.",
)
@click.option(
    "--target",
    callback=_target,
    metavar="WHAT=VALUE",
    help="Calibrate a route or a cascade: share=0.5 of strong calls, cost=0.001 dollars, or "
    "quality=0.8.",
)
@click.option(
    "--folds",
    type=click.IntRange(min=2),
    default=5,
    help="The number of folds of cross-validation.",
)
@how_option
@click.option(
    "--no-shrink", is_flag=True, help="Do not shrink estimates of out-of-distribution queries."
)
@click.option(
    "--no-cache", is_flag=True, help="Ask again, and do not use answers from an earlier fit."
)
@click.option("--seed", type=int, default=0, help="The seed of the folds and of training.")
@click.option(
    "--plot",
    type=Picture(dir_okay=False, writable=True, path_type=Path),
    metavar="FILE",
    help="Plot the history of a searched merge or stack to a .png, .svg or .pdf file.",
)
@timeout_option
@recipe_options
@json_option
def command(
    recipe: Path,
    reading: RecipeReader,
    data: Path | None,
    target: Target | None,
    folds: int,
    how: str,
    seed: int,
    plot: Path | None,
    timeout: float | None,
    *,
    no_shrink: bool,
    no_cache: bool,
    as_json: bool,
) -> None:
    """Teach the parts of a recipe that learn; `run`, `eval` and `plan` use it from then on."""
    loaded = reading.read(recipe, seed=seed).within(timeout)
    with Grading(how) as grading:
        settings = FitSettings(
            loaded,
            data or _own_data(loaded),
            seed,
            folds,
            target,
            grading,
            shrink=not no_shrink,
            cache=not no_cache,
            tell=err,
        )
        outcome = fit(settings, lambda trained: settings.tell(f"fitting `{trained.part.name}`"))
        if grading.usage.calls:
            err(f"judged with {grading.usage.calls:,} calls, {cost_text(grading.usage.cost)}")
    text = to_json(outcome.as_dict()) if as_json else "\n".join(map(wrapped, _lines(outcome)))
    out(text, as_json=as_json)
    if plot is not None:
        draw_histories(plot, outcome.manifest.entries)


def _own_data(recipe: Recipe) -> Path:
    """Return the data file that the parts of a recipe name themselves."""
    answer = recipe.compiled.answer
    parts = [trained.part for trained in find_learners(answer)] if answer is not None else []
    files = {path for part in parts if (path := getattr(part, "data", None))}
    if len(files) != 1:
        raise click.UsageError("there are no rows to fit on: give --data FILE")
    return Path(files.pop())


def _lines(outcome: FitOutcome) -> list[str]:
    lines = []
    for entry in outcome.manifest.entries:
        names = ", ".join(entry.names)
        rows = counted(entry.rows, "row")
        lines.append(f"`{entry.part['name']}` fitted on {rows} with the choices {names}")
        lines += [f"  {line}" for line in search_lines(entry.report)]
        lines += [f"  {line}" for line in _report(entry.report)]
        lines += [f"  {guarantee_text(each)}" for each in entry.report.get("guarantees", [])]
        if entry.calibrated is not None:
            calibration = entry.calibrated
            policy = calibration.policy or {"name": "one"}
            name = (policy if calibration.of == "policy" else entry.part)["name"]
            setting = f"{calibration.option} = {number_text(calibration.value)}"
            lines.append(f"  {name}({setting}) for {calibration.target}")
            lines.append(reached_line(entry.report["reached"], calibration.target))
        at_target = entry.report.get("at_target", {})
        lines += [
            f"  {words}: {_interval(at_target[key])}"
            for key, words in AT_TARGET.items()
            if key in at_target
        ]
        lines += [f"  {words}" for words in verdict(entry.report)]
    lines += [f"note: {note}" for note in outcome.notes]
    return [*lines, f"wrote {outcome.path} and {arrays_path(outcome.path).name}"]


def reached_line(reached: list[float], target: str) -> str:
    """Say what a setting reached on rows that it was not set on, and that a quality is missed."""
    what, _, value = target.partition("=")
    missed = what == "quality" and reached[0] < float(value)
    return f"  reached on held-out rows: {_interval(reached)}" + ", below the target" * missed


SCHEMES = {
    "shuffled": "held-out rows",
    "shuffled_shrunk": "held-out rows, estimates shrunk by distance",
    "foreign": "held-out tags",
    "foreign_shrunk": "held-out tags, estimates shrunk by distance",
}
WORDS = {
    "quality": "quality of the best estimate",
    "gain": "gain over the best single choice",
    "apgr": "APGR (chance .5)",
    "length": "APGR of prompt length",
    "over_length": "gain in APGR over prompt length",
}

AT_TARGET = {
    "quality": "quality at this setting",
}


HELD_OUT = {
    "searched": "quality of what was found",
    "given": "quality of what the recipe gives",
    "over_given": "gain over what the recipe gives",
    "chosen": "quality of the choice",
    "policy": "quality with the policy",
    "fixed": "quality with fixed weights",
    "best_member": "quality of the best member",
    "plurality": "quality of a plain vote",
    "over_fixed": "gain over fixed weights",
    "over_best_member": "gain over the best member",
    "over_plurality": "gain over a plain vote",
}


def _report(report: dict[str, Any]) -> list[str]:
    if "held_out" in report:
        figures = report["held_out"]
        listed = [(words, figures[key]) for key, words in HELD_OUT.items() if key in figures]
        return ["held-out rows:", *(f"  {words}: {_interval(value)}" for words, value in listed)]
    if "single" not in report:
        return []
    single = report["single"]
    lines = [f"best single choice: {single['name']}, {single['quality']:.3f}"]
    for scheme, title in SCHEMES.items():
        if scheme in report:
            figures = report[scheme]
            lines.append(f"{title}:")
            listed = [(words, figures[key]) for key, words in WORDS.items() if key in figures]
            lines += [f"  {words}: {_interval(value)}" for words, value in listed]
    return lines


def _interval(figures: list[float]) -> str:
    mean, low, high = (number_text(value, 4) for value in figures)
    return f"{mean} [{low}, {high}]"
