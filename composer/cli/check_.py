"""`compose check`: all mistakes of recipes at once; no model is touched."""

from __future__ import annotations

from pathlib import Path

import click

from composer.cli.common import (
    EXIT_MISTAKES,
    RecipeReader,
    as_json,
    json_option,
    recipe_options,
    show_diagnostics,
)
from composer.cli.terminal import out
from composer.diagnostics import Diagnostic, Mistakes


@click.command()
@click.argument("recipes", nargs=-1, required=True, type=click.Path(path_type=Path))
@recipe_options
@click.option("--github", is_flag=True, help="Print annotations for a GitHub workflow.")
@json_option
def command(
    recipes: tuple[Path, ...], reading: RecipeReader, *, github: bool, as_json: bool
) -> int:
    """Find all mistakes in recipes, without loading a model."""
    found = {path: _check(path, reading) for path in recipes}
    if as_json:
        out(_as_json(found), as_json=True)
    elif github:
        out("\n".join(_annotation(d) for each in found.values() for d in each))
    else:
        for path, diagnostics in found.items():
            show_diagnostics(diagnostics)
            out(f"{path}: {_verdict(diagnostics)}")
    wrong = any(each.severity == "error" for each in sum(found.values(), ()))
    return EXIT_MISTAKES if wrong else 0


def _check(path: Path, reading: RecipeReader) -> tuple[Diagnostic, ...]:
    try:
        return reading.load(path).check()
    except Mistakes as mistakes:
        return mistakes.diagnostics


def _verdict(diagnostics: tuple[Diagnostic, ...]) -> str:
    errors = sum(each.severity == "error" for each in diagnostics)
    warnings = len(diagnostics) - errors
    said = [f"{n} {word}{'s' if n > 1 else ''}" for n, word in _counts(errors, warnings) if n]
    return ", ".join(said) or "no mistakes"


def _counts(errors: int, warnings: int) -> tuple[tuple[int, str], ...]:
    return (errors, "mistake"), (warnings, "warning")


def _as_json(found: dict[Path, tuple[Diagnostic, ...]]) -> str:
    rows = [each.as_dict() for diagnostics in found.values() for each in diagnostics]
    return as_json({"version": 1, "recipes": [str(path) for path in found], "diagnostics": rows})


def _annotation(diagnostic: Diagnostic) -> str:
    """Write a diagnostic as a workflow command, which GitHub shows at its line."""
    row = diagnostic.as_dict()
    names = {"file": "file", "line": "line", "col": "column", "endLine": "end_line"}
    where = [f"{name}={_escaped(row[key])}" for name, key in names.items() if row[key] is not None]
    title = f"title={diagnostic.code}"
    text = f"{diagnostic.message}\n{diagnostic.help}" if diagnostic.help else diagnostic.message
    return f"::{diagnostic.severity} {','.join([*where, title])}::{_escaped(text)}"


def _escaped(value: object) -> str:
    """Escape what would end a workflow command."""
    return str(value).replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")
