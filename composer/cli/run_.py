"""`compose run`: answer queries with a recipe."""

from __future__ import annotations

import sys
from contextlib import ExitStack
from typing import TYPE_CHECKING

import click

from composer.cli.asking_options import (
    budget_option,
    demand_distinct,
    no_cache_option,
    output_option,
    trace_option,
)
from composer.cli.batch_requests import BatchRequests
from composer.cli.common import (
    DataFile,
    RecipeReader,
    json_option,
    recipe_argument,
    recipe_options,
    show_diagnostics,
    timeout_option,
)
from composer.cli.query_input import QueryInput
from composer.cli.ray_option import cluster_at, planned_for, ray_option
from composer.cli.run_output import TraceOutput, report, streamed, with_progress
from composer.cli.terminal import err, is_terminal
from composer.diagnostics.amounts import cost_text, in_dollars
from composer.run import OutputFile
from composer.run.counts import OutOfDistributionCount, PartialAnswerCount

if TYPE_CHECKING:
    from pathlib import Path

    from composer.recipe import Recipe


@click.command()
@recipe_argument
@click.argument("query", nargs=-1)
@recipe_options
@click.option(
    "--input",
    "input_",
    type=DataFile(),
    help="Queries: JSON lines, JSON, CSV, TSV, Parquet, a batch file, or one text on each line.",
)
@output_option
@click.option("--limit", type=click.IntRange(min=1), help="Answer only the first N queries.")
@click.option("--stream", is_flag=True, help="Print the answer while it is written.")
@trace_option
@no_cache_option
@budget_option
@timeout_option
@ray_option
@click.option("--seed", type=int, default=0, help="The seed of all sampling.")
@click.option("--plain", is_flag=True, help="Do not apply the rules that only save work.")
@json_option
def command(
    recipe: Path,
    query: tuple[str, ...],
    reading: RecipeReader,
    input_: Path | None,
    output: Path | None,
    limit: int | None,
    trace: str | None,
    seed: int,
    budget: float | None,
    timeout: float | None,
    ray: str | None,
    *,
    no_cache: bool,
    stream: bool,
    plain: bool,
    as_json: bool,
) -> int:
    """Answer queries with a recipe: the arguments, lines of stdin, or of --input.

    Without any, the recipe's own example is answered.
    """
    if stream and (as_json or output is not None):
        raise click.UsageError("--stream cannot be used with --json or --output")
    if query and input_ is not None:
        raise click.UsageError(
            "the query is given twice: leave out `--input` to answer the query of the command "
            "line, or leave out that query to answer those of the file"
        )
    loaded = planned_for(reading.read(recipe, plain=plain, seed=seed), ray)
    demand_distinct({"--input": input_, "--output": output, "--trace": trace})
    with ExitStack() as stack:
        requests = BatchRequests(loaded, stack)
        asked = QueryInput.of(loaded, query, input_, limit, requests.query_of)
        show = stack.enter_context(TraceOutput(trace))
        rows = _rows(stack, output, loaded, requests)
        count = asked.count(rows)
        show_diagnostics(asked.warnings())
        if rows is not None:
            before = f"{len(rows.done)} already answered, " if rows.done else ""
            err(f"{before}{count} to go")
        if not count:
            return 0
        waiting = asked.queries() if rows is None else rows.pending(asked.queries())
        ready = loaded.ready(
            cache=not no_cache,
            budget=budget,
            timeout=timeout,
            loading=_tell_loading,
            warn=lambda each: show_diagnostics([each]),
            cluster=stack.enter_context(cluster_at(ray)),
        )
        ensemble = stack.enter_context(ready)
        requests.open(ensemble, asked.queries)
        questions = requests.questions(waiting)
        strangers, partial = OutOfDistributionCount(), PartialAnswerCount()
        if stream and rows is None and not as_json:
            results = partial.counting(strangers.counting(streamed(ensemble, questions)))
            status = report(results, None, show, printed=True)
        else:
            results = (
                requests.whole(ensemble.as_they_come(questions))
                if rows
                else ensemble.in_order(questions)
            )
            counted = partial.counting(strangers.counting(with_progress(results, count)))
            status = report(counted, rows, show, as_json=as_json)
        show_diagnostics(filter(None, (strangers.warning(loaded.path), partial.warning())))
        if ensemble.budget is not None:
            spent, allowed = ensemble.budget.spent, ensemble.budget.dollars
            err(f"spent {cost_text(spent)} of {in_dollars(allowed)}")
        return status


def _rows(
    stack: ExitStack, output: Path | None, recipe: Recipe, requests: BatchRequests
) -> OutputFile | None:
    if output is None:
        return None
    made_by = recipe.fingerprint, recipe.name, recipe.facts
    return stack.enter_context(OutputFile(output, *made_by, requests.row))


def _tell_loading(model: str) -> None:
    """Show on a terminal which model is loading."""
    if is_terminal(sys.stderr):
        err(f"loading {model}")
