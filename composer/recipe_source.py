"""Where a recipe comes from: a file, a recipe of the package, or its own text."""

from __future__ import annotations

import os
import re
from pathlib import Path

from composer.compiler.graph import shipped
from composer.diagnostics import Diagnostic, Mistakes, Source, nearest

NOTATIONS = (".ens", ".yaml", ".yml")
"""How the names of recipes end."""


BARE = re.compile(r"[A-Za-z_][\w-]*(/[\w-]+)*")
"""A name of a file or of a shipped recipe: no recipe's own text is a word without any sign."""


def find_source(recipe: str | Path) -> tuple[Path, Source | None]:
    """Return where a recipe lies, or its text: a file, a shipped recipe, or the recipe itself."""
    text = str(recipe)
    path = Path(text) if "\n" not in text else None
    if path is not None and not _exists(path):
        path = _shipped(path) or path
    if path is not None and not _exists(path) and BARE.fullmatch(text):
        raise Mistakes([_unknown_recipe(text)])
    named = isinstance(recipe, Path) or (path is not None and path.suffix in NOTATIONS)
    if path is None or not (named or _exists(path)):
        return Path.cwd() / "recipe.ens", Source("recipe", text)
    return path, None


def _exists(path: Path) -> bool:
    """Say whether a file exists; pathlib raises for a text too long to be a name."""
    return os.path.exists(path)  # noqa: PTH110


def _unknown_recipe(name: str) -> Diagnostic:
    """Say that a bare name is no file and no recipe of the package."""
    paths = [path.relative_to(shipped()).with_suffix("") for path in shipped().rglob("*.ens")]
    by_end = {path.name: str(path) for path in paths} | {str(path): str(path) for path in paths}
    match = name if name in by_end else nearest(name, by_end)
    listed = "`compose ls recipes` lists the recipes of the package"
    help_ = f"did you mean `{by_end[match]}`?" if match else listed
    return Diagnostic("E501", f"there is no recipe or file `{name}`", help=help_)


def _shipped(path: Path) -> Path | None:
    """Find a recipe that comes with the package: `quickstart`, `recipes/route/knn.ens`."""
    if path.is_absolute():
        return None
    parts = path.parts[1:] if path.parts[:1] == ("recipes",) else path.parts
    path = shipped().joinpath(*parts).with_suffix(".ens")
    return path if parts and _exists(path) else None


def literal(value: object) -> str:
    """Write a Python value in the notation of the language."""
    match value:
        case None:
            return "none"
        case bool():
            return "true" if value else "false"
        case int() | float():
            return repr(value)
        case list() | tuple():
            return f"[{', '.join(literal(each) for each in value)}]"
        case _:
            escaped = str(value).replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
            return f'"{escaped}"'
