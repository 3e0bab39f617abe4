"""`compose graph`: a picture of what would run."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from composer.cli.common import RecipeReader, recipe_argument, recipe_options, unwritable
from composer.cli.screen import BOLD, CYAN, DIM, print_lines
from composer.cli.terminal import err, out
from composer.compiler.pictures import FORMATS, sketch

if TYPE_CHECKING:
    from composer.compiler.graph import Node
    from composer.recipe import Recipe

GRAPH_STYLES = {
    r"^graph of ": BOLD,
    r"\(boxes behind .*": DIM,
    r"^(\w+)(?= )": DIM,
    r"[\u2500-\u257f]+": DIM,
    r"\u2190 .*?(?=   |$)": DIM,
    r"   (\S.*)$": CYAN,
}
"""The colours of a graph as text."""

BY_ENDING = {
    ".txt": "text",
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
    format_ = format_ or _by_ending(output)
    loaded = reading.read(recipe)
    picture = sketch(loaded.compiled, _root(loaded, plain=plain))
    drawn = FORMATS[format_](picture)
    if output is None and format_ == "text":
        print_lines(drawn.splitlines(), GRAPH_STYLES, cut=True)
        return
    if output is None:
        out(drawn, end="")
        return
    try:
        output.write_text(drawn, encoding="utf-8")
    except OSError as error:
        raise unwritable(output, error) from None
    err(f"wrote {output}")


def _by_ending(output: Path | None) -> str:
    """Return the format that the name of a file says; refuse one that is not drawn."""
    ending = output.suffix.lower() if output is not None else ""
    if not ending:
        return "text"
    if ending not in BY_ENDING:
        raise click.UsageError(
            f"a picture cannot be a `{ending}` file: name it {', '.join(BY_ENDING)}, or say the "
            "format with `--to`"
        )
    return BY_ENDING[ending]


def _root(recipe: Recipe, *, plain: bool) -> Node:
    """Return the node of the answer, after the rules or before them."""
    optimized = recipe.optimized
    written = recipe.compiled.answer
    assert written is not None
    return written if plain else optimized.root
