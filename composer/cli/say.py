"""What every verb shares: options, exit statuses, and how mistakes and failures are told."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from composer.words import Diagnostic, Mistakes

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from composer.recipe import Recipe

EXIT_MISTAKES, EXIT_USAGE, EXIT_FAILED, EXIT_PARTLY, EXIT_INTERRUPTED = 1, 2, 3, 4, 130

recipe_argument = click.argument("recipe", type=click.Path(path_type=Path))
json_option = click.option("--json", "as_json", is_flag=True, help="Print for programs.")


def recipe_options(function: Callable[..., Any]) -> Callable[..., Any]:
    """Add the options with which a recipe is read."""
    function = click.option(
        "--root",
        type=click.Path(exists=True, file_okay=False, path_type=Path),
        help="The folder outside of which `use` reads nothing.",
    )(function)
    return click.option(
        "--set",
        "settings",
        multiple=True,
        metavar="PATH=VALUE",
        help="Override a parameter, a default or a model's option: `doubt=0.8`.",
    )(function)


def read_recipe(path: Path, settings: Iterable[str], root: Path | None, **how: Any) -> Recipe:  # noqa: ANN401
    """Read a recipe; its warnings go to stderr."""
    from composer.recipe import Recipe

    recipe = Recipe.load(path, split_settings(settings), root=root, **how)
    tell(recipe.check())
    return recipe


def split_settings(settings: Iterable[str]) -> dict[str, str]:
    """Split `path=value` arguments."""
    out = {}
    for each in settings:
        path, sign, value = each.partition("=")
        if not sign or not path:
            raise click.UsageError(f"--set takes PATH=VALUE, not {each!r}")
        out[path.strip()] = value.strip()
    return out


def tell(diagnostics: Iterable[Diagnostic]) -> None:
    """Draw diagnostics on stderr."""
    for each in diagnostics:
        click.echo(_drawn(each) + "\n", err=True)


def _drawn(diagnostic: Diagnostic) -> str:
    from composer.words import draw

    return draw(diagnostic, color=sys.stderr.isatty())


def as_json(value: object) -> str:
    """Write a value as JSON for people and programs."""
    return json.dumps(value, indent=2, ensure_ascii=False)


def failed(error: Exception) -> int:
    """Tell what went wrong; return the exit status that says so."""
    if isinstance(error, Mistakes):
        tell(error.diagnostics)
        count = sum(each.severity == "error" for each in error.diagnostics)
        click.echo(f"{count} mistake{'s' if count > 1 else ''}", err=True)
        return EXIT_MISTAKES
    from composer.run.result import Failure

    failure = Failure.of(error)
    tell([Diagnostic(failure.code, failure.message, help=failure.help)])
    return EXIT_FAILED
