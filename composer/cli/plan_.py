"""`compose plan`: what would run, where, at what cost, with which defaults and rules."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import click

from composer.cli.common import (
    DataFile,
    RecipeReader,
    json_option,
    recipe_argument,
    recipe_options,
    show_diagnostics,
)
from composer.cli.common import (
    as_json as to_json,
)
from composer.cli.ray_option import cluster_at, planned_for
from composer.cli.screen import PLAN_STYLES, print_lines
from composer.cli.terminal import err, is_terminal, out
from composer.compiler.plan import describe
from composer.compiler.plan.ancestors import unrelated

if TYPE_CHECKING:
    from pathlib import Path

    from composer.recipe import Recipe


@click.command()
@recipe_argument
@recipe_options
@click.option("--plain", is_flag=True, help="Do not apply the rules that only save work.")
@click.option("--origin", is_flag=True, help="Show where each value comes from.")
@click.option(
    "--lock",
    is_flag=True,
    help="Record the content of models and data in a lock; later runs must match it.",
)
@click.option(
    "--data",
    type=DataFile(folders=True),
    help="Estimate calls, tokens, dollars, memory and time for the rows of this file.",
)
@click.option("--limit", type=click.IntRange(min=1), help="With --data: only the first N rows.")
@click.option("--no-cache", is_flag=True, help="With --data: do not count on kept answers.")
@click.option(
    "--ray",
    is_flag=False,
    flag_value="",
    metavar="[local|ADDRESS]",
    help="Show the pools on a cluster; with an address, also what does not fit there.",
)
@json_option
def command(
    recipe: Path,
    reading: RecipeReader,
    data: Path | None,
    limit: int | None,
    ray: str | None,
    *,
    no_cache: bool,
    plain: bool,
    origin: bool,
    lock: bool,
    as_json: bool,
) -> None:
    """Show what would run, on which device, with which defaults.

    With --data, also estimate what that takes on a data file. Nobody is asked for it.
    """
    if data is None and (limit is not None or no_cache):
        raise click.UsageError("--limit and --no-cache need --data")
    loaded = planned_for(reading.read(recipe, plain=plain), ray)
    plan = loaded.plan()
    with cluster_at(ray or None) as cluster:
        show_diagnostics(unrelated(loaded.compiled, loaded.optimized.root))
        if lock:
            err(f"wrote {loaded.lock()}")
        if not as_json:
            print_lines(describe(plan, origins=origin).splitlines(), PLAN_STYLES)
        if cluster is not None:
            loaded.demand_room(cluster)
    if data is not None:
        _estimate(loaded, data, limit, cache=not no_cache, as_json=as_json)
    elif as_json:
        out(plan.model_dump_json(indent=2), as_json=True)


def _estimate(recipe: Recipe, data: Path, limit: int | None, *, cache: bool, as_json: bool) -> None:
    """Print what the rows of a file would take, and what selecting could gain at most."""
    from composer.evaluate import estimate, estimated, read_rows, shown
    from composer.evaluate.certificate import recorded_certificate
    from composer.evaluate.certificate_text import in_one_sentence

    rows = read_rows(data, limit=limit)
    one = estimate(recipe, rows, cache=cache, on_end=_tell)
    certificate = recorded_certificate(recipe, rows)
    if not as_json:
        sentences = () if certificate is None else (in_one_sentence(certificate),)
        out("\n" + shown(estimated(one, *sentences)), end="")
        return
    bound = None if certificate is None else certificate.as_dict()
    plan = recipe.plan().model_dump(mode="json")
    out(to_json(plan | {"estimate": one.as_dict(), "certificate": bound}), as_json=True)


def _tell(words: str) -> None:
    """Show on a terminal what is counted."""
    if is_terminal(sys.stderr):
        err(words)
