"""`compose eval`: recipes measured on a data file, beside their members and the best chooser."""

from __future__ import annotations

from pathlib import Path

import click

from composer.cli.say import Reading, json_option, recipe_options
from composer.cli.say import as_json as to_json


@click.command()
@click.argument("recipes", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option(
    "--data",
    required=True,
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="Rows with `query` and `reference`, as JSON lines (also gzipped).",
)
@click.option("--limit", type=click.IntRange(min=1), help="Use only so many rows.")
@recipe_options
@json_option
def command(
    recipes: tuple[Path, ...],
    data: Path,
    limit: int | None,
    reading: Reading,
    *,
    as_json: bool,
) -> None:
    """Measure recipes on a data file, beside each member alone and the perfect chooser."""
    from composer.evaluate import compare, read_rows, render

    loaded = [reading.read(path) for path in recipes]
    comparison = compare(loaded, read_rows(data, limit=limit))
    click.echo(to_json(comparison.as_dict()) if as_json else render(comparison), nl=as_json)
