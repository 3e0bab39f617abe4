"""`compose graph`: a picture of what would run."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from composer.cli.common import RecipeReader, recipe_argument, recipe_options
from composer.cli.terminal import err, out
from composer.compiler.pictures import FORMATS, sketch

if TYPE_CHECKING:
    from composer.compiler.graph import Node
    from composer.recipe import Recipe

BY_ENDING = {
    ".svg": "svg",
    ".dot": "dot",
    ".gv": "dot",
    ".mmd": "mermaid",
    ".mermaid": "mermaid",
}
"""The format of a file by the ending of its name, where `--to` does not say it."""


@click.command()
@recipe_argument
@recipe_options
@click.option(
    "--to",
    "format_",
    type=click.Choice(["text", "mermaid", "dot", "svg"]),
    help="The format; by default from the ending of --output, else text.",
)
@click.option("--plain", is_flag=True, help="Draw the recipe as written, before any rule.")
@click.option(
    "-o",
    "--output",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Write the picture to this file.",
)
def command(
    recipe: Path,
    reading: RecipeReader,
    format_: str | None,
    output: Path | None,
    *,
    plain: bool,
) -> None:
    """Draw what would run: the optimized graph, as a picture.

    What hangs on dashed lines may not run.
    """
    ending = output.suffix.lower() if output is not None else ""
    loaded = reading.read(recipe)
    picture = sketch(loaded.compiled, _root(loaded, plain=plain))
    drawn = FORMATS[format_ or BY_ENDING.get(ending, "text")](picture)
    if output is None:
        out(drawn, end="")
        return
    try:
        output.write_text(drawn, encoding="utf-8")
    except OSError as error:
        raise click.UsageError(f"cannot write {output}: {error.strerror}") from None
    err(f"wrote {output}")


def _root(recipe: Recipe, *, plain: bool) -> Node:
    """Return the node of the answer, after the rules or before them."""
    optimized = recipe.optimized
    written = recipe.compiled.answer
    assert written is not None
    return written if plain else optimized.root
