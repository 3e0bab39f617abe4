"""What benchmarks share that make the tables of a page of docs/.

Each table is a module of a package with a function `table(data)`, which returns Markdown. It may
take further options of the command by their names. A module whose name begins with `_` is no table.
"""

from __future__ import annotations

import argparse
import pkgutil
import re
import sys
from importlib import import_module
from inspect import signature
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from types import ModuleType

DATA = Path(__file__).parents[2] / "shared" / "data"


def main(tables: ModuleType, title: str | None, more: Mapping[str, str] | None = None) -> None:
    """Print tables, and write them into a page if that is wanted.

    `more` has further options, each a path, with their help.
    """
    names = tuple(sorted(m.name for m in pkgutil.iter_modules(tables.__path__) if m.name[0] != "_"))
    parser = argparse.ArgumentParser(description=(title or "").split("\n", maxsplit=1)[0])
    wanted = parser.add_mutually_exclusive_group(required=True)
    wanted.add_argument("--table", choices=names)
    wanted.add_argument("--all", action="store_true")
    parser.add_argument("--data", type=Path, default=DATA)
    parser.add_argument("--write", type=Path)
    for name, text in (more or {}).items():
        parser.add_argument(f"--{name}", type=Path, help=text)
    options = parser.parse_args()
    if not options.data.is_dir():
        sys.exit(f"there is no folder {options.data}: give --data FOLDER")
    for name in names if options.all else (options.table,):
        made = import_module(f"{tables.__name__}.{name}").table
        text = made(options.data, **_asked(made, {key: vars(options)[key] for key in more or {}}))
        print(f"## {name}\n\n{text}\n", flush=True)
        if options.write is not None:
            put(options.write, name, text)


def _asked(made: Callable[..., str], more: Mapping[str, Path | None]) -> dict[str, Path | None]:
    """Return those of some options that a table takes."""
    return {name: value for name, value in more.items() if name in signature(made).parameters}


def put(page: Path, name: str, text: str) -> None:
    """Replace the table between the markers of a page."""
    marked = re.compile(rf"(<!-- {name} -->\n).*?(<!-- end {name} -->)", re.DOTALL)
    old = page.read_text(encoding="utf-8")
    if not marked.search(old):
        sys.exit(f"{page} has no markers <!-- {name} --> and <!-- end {name} -->")
    page.write_text(marked.sub(lambda m: f"{m[1]}\n{text}\n\n{m[2]}", old), encoding="utf-8")
