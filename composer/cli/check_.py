"""`compose check`: all mistakes of recipes at once; no model is touched."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from composer.cli.common import (
    RecipeReader,
    as_json,
    json_option,
    recipe_options,
    show_diagnostics,
)
from composer.cli.status import EXIT_MISTAKES
from composer.cli.terminal import out
from composer.diagnostics import Diagnostic, Mistakes

if TYPE_CHECKING:
    from composer.recipe import Recipe
from composer.diagnostics.amounts import counted


@click.command()
@click.argument("recipes", nargs=-1, required=True, type=click.Path(path_type=Path))
@recipe_options
@click.option("--github", is_flag=True, help="Print annotations for a GitHub workflow.")
@json_option
def command(
    recipes: tuple[Path, ...], reading: RecipeReader, *, github: bool, as_json: bool
) -> int:
    """Find all mistakes in recipes, without loading a model."""
    pairs = zip(recipes, reading.attempts(recipes), strict=True)
    results = dict(pairs)
    diagnostics_by_path = {path: _of(result) for path, result in results.items()}
    unfitted = {path: _unfitted(result) for path, result in results.items()}
    if as_json:
        out(_as_json(diagnostics_by_path), as_json=True)
    elif github:
        out(
            "\n".join(
                _annotation(diagnostic)
                for diagnostics in diagnostics_by_path.values()
                for diagnostic in diagnostics
            )
        )
    else:
        for path, diagnostics in diagnostics_by_path.items():
            show_diagnostics(diagnostics)
            out(f"{path}: {_verdict(diagnostics)}{unfitted[path]}")
    has_errors = any(
        diagnostic.severity == "error" for diagnostic in sum(diagnostics_by_path.values(), ())
    )
    return EXIT_MISTAKES if has_errors else 0


def _of(result: Recipe | Mistakes) -> tuple[Diagnostic, ...]:
    """Return the mistakes of a recipe, or its warnings."""
    return result.diagnostics if isinstance(result, Mistakes) else result.check()


def _unfitted(result: Recipe | Mistakes) -> str:
    """Say which parts must be fitted before the recipe can run."""
    from composer.compiler.fits import find_learners

    if isinstance(result, Mistakes) or result.compiled.answer is None:
        return ""
    try:
        learners = find_learners(result.fitted.answer or result.compiled.answer)
    except Mistakes:  # the fit beside it is out of date, which is said where it is used
        return ""
    names = [f"`{each.part.name}`" for each in learners if each.must_be_fitted]
    return f"; not fitted yet: {', '.join(names)} (`compose fit`)" if names else ""


def _verdict(diagnostics: tuple[Diagnostic, ...]) -> str:
    errors = sum(diagnostic.severity == "error" for diagnostic in diagnostics)
    warnings = len(diagnostics) - errors
    counts = [counted(n, word) for n, word in ((errors, "mistake"), (warnings, "warning")) if n]
    return ", ".join(counts) or "no mistakes"


def _as_json(diagnostics_by_path: dict[Path, tuple[Diagnostic, ...]]) -> str:
    rows = [
        diagnostic.as_dict()
        for diagnostics in diagnostics_by_path.values()
        for diagnostic in diagnostics
    ]
    return as_json(
        {"version": 1, "recipes": [str(path) for path in diagnostics_by_path], "diagnostics": rows}
    )


def _annotation(diagnostic: Diagnostic) -> str:
    """Write a diagnostic as a workflow command, which GitHub shows at its line."""
    row = diagnostic.as_dict()
    names = {"file": "file", "line": "line", "col": "column", "endLine": "end_line"}
    properties = [
        f"{name}={_escaped(row[key])}" for name, key in names.items() if row[key] is not None
    ]
    title = f"title={diagnostic.code}"
    text = f"{diagnostic.message}\n{diagnostic.help}" if diagnostic.help else diagnostic.message
    return f"::{diagnostic.severity} {','.join([*properties, title])}::{_escaped(text)}"


def _escaped(value: object) -> str:
    """Escape what would end a workflow command."""
    return str(value).replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")
