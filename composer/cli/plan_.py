"""`compose plan`: what would run, where, at what cost, with which defaults and rules."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from composer.cli.common import RecipeReader, json_option, recipe_argument, recipe_options
from composer.cli.terminal import err, out
from composer.compiler.plan import describe

if TYPE_CHECKING:
    from pathlib import Path


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
@json_option
def command(
    recipe: Path,
    reading: RecipeReader,
    *,
    plain: bool,
    origin: bool,
    lock: bool,
    as_json: bool,
) -> None:
    """Show what would run, on which device, with which defaults."""
    loaded = reading.read(recipe, plain=plain)
    plan = loaded.plan()
    if lock:
        err(f"wrote {loaded.lock()}")
    if as_json:
        out(plan.model_dump_json(indent=2), as_json=True)
    else:
        out(describe(plan, origins=origin), end="")
