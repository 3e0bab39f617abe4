"""`compose eval`: recipes measured on a data file, beside their members and the best chooser."""

from __future__ import annotations

import json
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

import click

from composer.cli.asking_options import (
    budget_option,
    demand_distinct,
    no_cache_option,
    output_option,
    trace_option,
)
from composer.cli.certifying import Certifying, certify_options
from composer.cli.common import (
    DataFile,
    RecipeReader,
    how_option,
    json_option,
    recipe_options,
    show_diagnostics,
    timeout_option,
)
from composer.cli.common import as_json as to_json
from composer.cli.pictures import Picture
from composer.cli.run_output import TraceOutput
from composer.cli.status import EXIT_FAILED, EXIT_PARTLY
from composer.cli.terminal import err, out
from composer.diagnostics.amounts import cost_text, counted, in_dollars
from composer.evaluate import (
    Grading,
    RowLog,
    arms_of,
    compare,
    decide_only,
    decided,
    demand_gradable,
    demand_replayable,
    demand_unseen,
    draw_plot,
    drawn_arms,
    read_rows,
    refuse_unjudged,
    render,
    shown,
)
from composer.run.budget import RunBudget

if TYPE_CHECKING:
    from collections.abc import Sequence

    from composer.evaluate import Arms, Comparison, Decided, EvaluationRow, Report
    from composer.recipe import Recipe
    from composer.run import Ensemble


@click.command()
@click.argument("recipes", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option(
    "--data",
    required=True,
    type=DataFile(folders=True),
    help="Rows with `query` and `reference`: JSON lines (also gzip) or CSV, `zoo:test`, or the "
    "file or folder of a published benchmark.",
)
@click.option("--split", help="Use only the rows of this split.")
@click.option("--limit", type=click.IntRange(min=1), help="Use only the first N rows.")
@click.option(
    "--sample", type=click.IntRange(min=1), help="Use N random rows, drawn with the seed."
)
@how_option
@click.option(
    "--regrade",
    is_flag=True,
    help="Grade recorded answers too where the data have their judgement.",
)
@click.option("--no-members", is_flag=True, help="Do not ask the members alone.")
@click.option(
    "--equal-calls",
    is_flag=True,
    help="Also ask the best member as often as the recipe asks its members, and let it vote.",
)
@click.option(
    "--arms",
    is_flag=True,
    help="Only hold a synthesis against the writer alone, the plain panel and random scores.",
)
@click.option(
    "--route-only",
    is_flag=True,
    help="Only run the route, without answers: show its choices and their recorded outcomes.",
)
@click.option(
    "--plot",
    type=Picture(dir_okay=False, writable=True, path_type=Path),
    metavar="FILE",
    help="Plot quality over cost to a .png, .svg or .pdf file (extra `plot`).",
)
@click.option(
    "--seed", type=int, default=0, help="The seed of the sample of rows and of all sampling."
)
@output_option
@trace_option
@click.option(
    "--fitted-rows",
    is_flag=True,
    help="Measure also on rows on which a merge or a stack was searched.",
)
@no_cache_option
@budget_option
@certify_options
@timeout_option
@recipe_options
@json_option
def command(
    recipes: tuple[Path, ...],
    data: Path,
    split: str | None,
    limit: int | None,
    sample: int | None,
    how: str,
    seed: int,
    timeout: float | None,
    reading: RecipeReader,
    plot: Path | None,
    certifying: Certifying | None,
    output: Path | None,
    trace: str | None,
    budget: float | None,
    *,
    no_members: bool,
    equal_calls: bool,
    arms: bool,
    no_cache: bool,
    fitted_rows: bool,
    route_only: bool,
    regrade: bool,
    as_json: bool,
) -> int:
    """Measure recipes on a data file, beside each member alone and the perfect chooser.

    Where a route chooses among models, it is held against chance, prompt length and mixtures of
    them, and its cost-quality curve is measured.
    """
    loaded = [recipe.within(timeout) for recipe in reading.read_all(recipes, seed=seed)]
    rows = read_rows(data, split=split, limit=limit, sample=sample, seed=seed)
    if not fitted_rows:
        demand_unseen(loaded, rows)
    demand_distinct({"--data": data, "--output": output, "--trace": trace, "--plot": plot})
    shared = None if budget is None else RunBudget(budget)

    def ready(recipe: Recipe) -> Ensemble:
        return recipe.ready(
            cache=not no_cache, budget=shared, warn=lambda each: show_diagnostics([each])
        )

    with ExitStack() as stack:
        grading = stack.enter_context(Grading(how, regrade=regrade, ready=ready))
        if certifying is not None:
            certifying.print(loaded, rows, grading, grading.ready, as_json=as_json)
            return 0
        if arms:
            _demand_only_arms(output=output, plot=plot, equal_calls=equal_calls, route=route_only)
        log = _log(stack, output, loaded)
        if arms:
            refuse_unjudged(rows, grading)
            show = stack.enter_context(TraceOutput(trace))
            several = [arms_of(recipe, rows, grading, show) for recipe in loaded]
            _print_arms(several, as_json=as_json)
            return 0
        if route_only:
            _decide(loaded, rows, grading, plot, log, as_json=as_json)
            return 0
        refuse_unjudged(rows, grading)
        demand_gradable(data, rows, grading, loaded)
        demand_replayable(data, rows, loaded)
        if log is not None:
            _tell_missing(log, loaded, rows, grading)
        show = stack.enter_context(TraceOutput(trace))
        compared = compare(
            loaded,
            rows,
            how=grading,
            members=not no_members,
            equal_calls=equal_calls,
            on_result=show,
            log=log,
        )
        status = _print(compared, plot, as_json=as_json)
        if shared is not None:
            err(f"spent {cost_text(shared.spent)} of {in_dollars(shared.dollars)}")
        return status


def _demand_only_arms(**others: object) -> None:
    """Refuse options that have no meaning beside `--arms`."""
    flags = {"output": "--output", "plot": "--plot", "equal_calls": "--equal-calls"}
    for name, value in others.items():
        if value:
            raise click.UsageError(f"{flags.get(name, '--route-only')} cannot stand beside --arms")


def _print_arms(several: Sequence[Arms], *, as_json: bool) -> None:
    if as_json:
        plain = [one.as_dict() for one in several]
        out(to_json(plain[0] if len(plain) == 1 else plain), as_json=True)
    else:
        out(shown(drawn_arms(several)), end="")


def _log(stack: ExitStack, output: Path | None, recipes: Sequence[Recipe]) -> RowLog | None:
    if output is None:
        return None
    names = {recipe.fingerprint: recipe.name for recipe in recipes}
    return stack.enter_context(RowLog(output, recipes=names))


def _tell_missing(
    log: RowLog, recipes: Sequence[Recipe], rows: Sequence[EvaluationRow], how: Grading
) -> None:
    for recipe in recipes:
        count = len(log.missing(recipe, rows, how))
        before = len(rows) - count
        err(f"{recipe.name}: {f'{before:,} already answered, ' if before else ''}{count:,} to go")


def _print(comparison: Comparison, plot: Path | None, *, as_json: bool) -> int:
    text = to_json(comparison.as_dict()) if as_json else render(comparison).removesuffix("\n")
    out(text, as_json=as_json)
    if plot is not None:
        _draw(plot, comparison.reports)
    return _status(comparison.reports)


def _status(reports: Sequence[Report]) -> int:
    """Say on stderr how many rows failed or have no grade, and why; return the status."""
    for report in reports:
        if report.errors:
            count = f"{report.recipe}: {report.errors:,} of {counted(report.rows, 'row')} failed"
            err(f"{count}, first {report.failure}")
        if report.not_asked:
            count = f"{report.not_asked:,} of {counted(report.rows, 'row')} were not asked"
            err(f"{report.recipe}: {count}, first {report.refusal}")
        if report.cached:
            err(
                f"{report.recipe}: the cache had the answers to {report.cached:,} calls, which "
                "count with no cost and no tokens; `--no-cache` asks again"
            )
        if report.ungraded:
            count = f"{report.recipe}: {report.ungraded:,} of {report.rows:,} answers have no grade"
            err(f"{count}, first {report.ungraded_reason}")
    if not any(report.judged > report.errors for report in reports):
        return EXIT_FAILED
    return EXIT_PARTLY if any(report.errors + report.not_asked for report in reports) else 0


def _decide(
    recipes: list[Recipe],
    rows: list[EvaluationRow],
    how: Grading,
    plot: Path | None,
    log: RowLog | None,
    *,
    as_json: bool,
) -> None:
    decisions = [decide_only(recipe, rows, how=how) for recipe in recipes]
    if log is not None:
        for recipe, one in zip(recipes, decisions, strict=True):
            log.write_decisions(recipe, rows, one, how)
    if plot is not None:
        _draw(plot, decisions)
    if not as_json:
        out(shown(decided(decisions)), end="")
        return
    for decision in decisions:
        for line in decision.lines():
            out(json.dumps(line, ensure_ascii=False), as_json=True)


def _draw(path: Path, reports: Sequence[Report | Decided]) -> None:
    draw_plot(path, reports)
