"""The tables of docs/voting.md: one answer from many, on recorded answers and on the zoo.

    python benchmarks/voting.py --table closed [--data FOLDER] [--write docs/voting.md]
    python benchmarks/voting.py --all

Each table is a module of `voting_tables/` with a function `table(data)`, which returns Markdown.
FOLDER holds the recorded answers (default: `../shared/data`, beside the checkout). With `--write`,
a table replaces what is between the markers `<!-- NAME -->` and `<!-- end NAME -->` of the file.
"""

from __future__ import annotations

import argparse
import pkgutil
import re
import sys
from importlib import import_module
from pathlib import Path

import voting_tables

NAMES = tuple(
    sorted(m.name for m in pkgutil.iter_modules(voting_tables.__path__) if m.name[0] != "_")
)
DATA = Path(__file__).parents[2] / "shared" / "data"


def main() -> None:
    """Print tables, and write them into a page if that is wanted."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    wanted = parser.add_mutually_exclusive_group(required=True)
    wanted.add_argument("--table", choices=NAMES)
    wanted.add_argument("--all", action="store_true")
    parser.add_argument("--data", type=Path, default=DATA)
    parser.add_argument("--write", type=Path)
    options = parser.parse_args()
    if not options.data.is_dir():
        sys.exit(f"there is no folder {options.data}: give --data FOLDER")
    for name in NAMES if options.all else (options.table,):
        text = import_module(f"voting_tables.{name}").table(options.data)
        print(f"## {name}\n\n{text}\n")
        if options.write is not None:
            put(options.write, name, text)


def put(page: Path, name: str, text: str) -> None:
    """Replace the table between the markers of a page."""
    marked = re.compile(rf"(<!-- {name} -->\n).*?(<!-- end {name} -->)", re.DOTALL)
    old = page.read_text(encoding="utf-8")
    if not marked.search(old):
        sys.exit(f"{page} has no markers <!-- {name} --> and <!-- end {name} -->")
    page.write_text(marked.sub(lambda m: f"{m[1]}\n{text}\n\n{m[2]}", old), encoding="utf-8")


if __name__ == "__main__":
    main()
