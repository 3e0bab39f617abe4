"""`compose check`: all mistakes of recipes at once; no model is touched."""

from __future__ import annotations

from pathlib import Path

import click

from composer.cli.say import (
    EXIT_MISTAKES,
    Reading,
    as_json,
    json_option,
    recipe_options,
    tell,
)
from composer.words import Diagnostic, Mistakes


@click.command()
@click.argument("recipes", nargs=-1, required=True, type=click.Path(path_type=Path))
@recipe_options
@json_option
def command(recipes: tuple[Path, ...], reading: Reading, *, as_json: bool) -> int:
    """Find all mistakes of recipes; no model is touched."""
    found = {path: _check(path, reading) for path in recipes}
    if as_json:
        click.echo(_as_json(found))
    else:
        for path, diagnostics in found.items():
            tell(diagnostics)
            click.echo(f"{path}: {_verdict(diagnostics)}")
    wrong = any(each.severity == "error" for each in sum(found.values(), ()))
    return EXIT_MISTAKES if wrong else 0


def _check(path: Path, reading: Reading) -> tuple[Diagnostic, ...]:
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
