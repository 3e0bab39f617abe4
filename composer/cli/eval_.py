"""`compose eval`: recipes measured on a data file, beside their members and the best chooser."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from composer.cli.say import Reading, json_option, recipe_options
from composer.cli.say import as_json as to_json

if TYPE_CHECKING:
    from os import PathLike

    from composer.evaluate import Compare


HOW = ("auto", "exact", "numeric", "contains")


class DataFile(click.Path):
    """A file that exists, or the zoo's own items by the names that recipes use for them."""

    def convert(
        self,
        value: str | PathLike[str],
        param: click.Parameter | None,
        ctx: click.Context | None,
    ) -> str | bytes | PathLike[str]:
        """Return the file's path."""
        from composer import zoo
        from composer.compiler.graph.context import ZOO_ITEMS

        split = ZOO_ITEMS.get(str(value))
        return super().convert(value, param, ctx) if split is None else zoo.items(split)


@click.command()
@click.argument("recipes", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option(
    "--data",
    required=True,
    type=DataFile(exists=True, dir_okay=False, path_type=Path),
    help="Rows with `query` and `reference`, as JSON lines (also gzipped) or CSV; or `zoo:test`.",
)
@click.option("--split", help="Use only the rows of this split.")
@click.option("--limit", type=click.IntRange(min=1), help="Use only the first so many rows.")
@click.option("--sample", type=click.IntRange(min=1), help="Use so many rows, drawn by the seed.")
@click.option(
    "--how",
    type=click.Choice(HOW),
    default="auto",
    help="How answers are compared with references; auto is numeric for numbers, else exact.",
)
@click.option("--no-members", is_flag=True, help="Do not ask the members alone.")
@click.option("--seed", type=int, default=0, help="The seed of the sample and all sampled work.")
@recipe_options
@json_option
def command(  # noqa: PLR0913 - a verb's options
    recipes: tuple[Path, ...],
    data: Path,
    split: str | None,
    limit: int | None,
    sample: int | None,
    how: Compare,
    seed: int,
    reading: Reading,
    *,
    no_members: bool,
    as_json: bool,
) -> None:
    """Measure recipes on a data file, beside each member alone and the perfect chooser."""
    from composer.evaluate import compare, read_rows, render

    loaded = [reading.read(path, seed=seed) for path in recipes]
    rows = read_rows(data, split=split, limit=limit, sample=sample, seed=seed)
    comparison = compare(loaded, rows, how=how, members=not no_members)
    click.echo(to_json(comparison.as_dict()) if as_json else render(comparison), nl=as_json)
