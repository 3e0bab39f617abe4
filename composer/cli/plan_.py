"""`compose plan`: what would run, where, at what cost, with which defaults and rules."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from composer.cli.say import json_option, read_recipe, recipe_argument, recipe_options

if TYPE_CHECKING:
    from pathlib import Path


@click.command()
@recipe_argument
@recipe_options
@click.option("--plain", is_flag=True, help="Leave out the rules that only save work.")
@json_option
def command(
    recipe: Path, settings: tuple[str, ...], root: Path | None, *, plain: bool, as_json: bool
) -> None:
    """Show what would run, where, with which defaults."""
    from composer.compiler.plan import describe

    plan = read_recipe(recipe, settings, root, plain=plain).plan()
    if as_json:
        click.echo(plan.model_dump_json(indent=2))
    else:
        click.echo(describe(plan), nl=False)
