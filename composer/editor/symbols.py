"""The outline of a recipe: what its statements name, and its answer."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from composer.syntax import tree, unparse

if TYPE_CHECKING:
    from collections.abc import Iterator

    from composer.diagnostics import Place
    from composer.editor.buffer import Buffer


@dataclass(frozen=True, slots=True)
class Symbol:
    """A line of the outline; `place` is the whole statement, `name_place` what is selected."""

    name: str
    kind: str
    detail: str
    place: Place
    name_place: Place


def symbols(buffer: Buffer) -> Iterator[Symbol]:
    """Yield the symbols of the statements that can be parsed, in their order."""
    for statement in buffer.file.statements:
        place = statement.place
        match statement:
            case tree.Model(name=name, value=value, name_place=at):
                yield Symbol(name, "model", _short(value), place, at)
            case tree.Param(name=name, type=kind, name_place=at):
                yield Symbol(name, "param", kind.place.text, place, at)
            case tree.Let(name=name, value=value, name_place=at):
                yield Symbol(name, "let", _short(value), place, at)
            case tree.Def(name=name, parameters=parameters, name_place=at):
                named = ", ".join(each.name for each in parameters)
                yield Symbol(name, "def", f"({named})", place, at)
            case tree.Use(file=file, alias=alias, file_place=at):
                yield Symbol(alias or file, "use", file if alias else "", place, at)
            case tree.Answer(value=value):
                yield Symbol("answer", "answer", _short(value), place, place)


def _short(value: tree.Expr) -> str:
    text = " ".join(unparse(value).split())
    return f"{text[:77]}..." if len(text) > 80 else text  # noqa: PLR2004 - the width of a line
