"""Where a name is defined: in this file, in a used one, or as a file of its own."""

from __future__ import annotations

from typing import TYPE_CHECKING

from composer.compiler.graph import shipped
from composer.compiler.graph.scope import Binding
from composer.editor.cursor import cursor
from composer.editor.subjects import Parameter, subject
from composer.syntax import read, tree
from composer.words import Mistakes, Place

if TYPE_CHECKING:
    from pathlib import Path

    from composer.editor.buffer import Buffer


def definition(buffer: Buffer, offset: int) -> Place | None:
    """Return where the word at an offset is defined."""
    found = subject(buffer, cursor(buffer, offset))
    match found:
        case Parameter(place=place):
            return place
        case tree.Use():
            return _beginning(buffer, found)
        case Binding(statement=tree.Use() as use):
            return _beginning(buffer, use)
        case Binding(statement=tree.Parameter(place=place)):
            return place
        case Binding(statement=tree.Model() | tree.Param() | tree.Let() | tree.Def() as named):
            return named.name_place
        case _:
            return None


def used_file(folder: Path, name: str) -> Path | None:
    """Find a used file: from the recipe's folder, then from the shipped recipes."""
    paths = ((base / name).resolve() for base in (folder, shipped()))
    return next((path for path in paths if path.is_file()), None)


def _beginning(buffer: Buffer, use: tree.Use) -> Place | None:
    path = used_file(buffer.path.parent, use.file)
    try:
        return Place(read(path), 0, 0) if path else None
    except Mistakes:
        return None
