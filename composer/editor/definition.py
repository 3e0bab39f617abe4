"""Where a name is defined: in this file, in a used one, or as a file of its own."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from composer.compiler.graph import shipped
from composer.compiler.graph.option_types import unwrap
from composer.compiler.graph.scope import Binding
from composer.diagnostics import Mistakes, Place, Source
from composer.editor.cursor import cursor
from composer.editor.slots import slot
from composer.editor.subjects import Parameter, subject
from composer.syntax import read, tree
from composer.values.typed import Resolve

if TYPE_CHECKING:
    from composer.editor.buffer import Buffer
    from composer.editor.cursor import Cursor


def definition(buffer: Buffer, offset: int) -> Place | None:
    """Return where the word at an offset is defined."""
    at = cursor(buffer, offset)
    target = subject(buffer, at)
    if target is None:
        return _data(buffer, at)
    match target:
        case Parameter(place=place) | Binding(statement=tree.Parameter(place=place)):
            return place
        case tree.Use():
            return _beginning(buffer, target)
        case Binding(statement=tree.Use() as use):
            return _beginning(buffer, use)
        case Binding(statement=tree.Model() | tree.Param() | tree.Let() | tree.Def() as named):
            return named.name_place
        case _:
            return None


def used_file(folder: Path, name: str) -> Path | None:
    """Find a used file: from the recipe's folder, then from the shipped recipes."""
    paths = ((base / name).resolve() for base in (folder, shipped()))
    return next((path for path in paths if path.is_file()), None)


def _data(buffer: Buffer, at: Cursor) -> Place | None:
    """Find the file that a text names where an option takes a path."""
    word = at.word
    marked = unwrap(slot(buffer, at).hint)[1]
    if word is None or word.type != "STRING" or marked is None:
        return None
    name = word.text[1:-1]
    mark = Resolve(must_exist=False, written=marked.written)
    path = Path(buffer.context.find(name, buffer.scope, word.place, mark))
    return Place(Source(str(path), ""), 0, 0) if path.is_file() else None


def _beginning(buffer: Buffer, use: tree.Use) -> Place | None:
    path = used_file(buffer.path.parent, use.file)
    try:
        return Place(read(path), 0, 0) if path else None
    except Mistakes:
        return None
