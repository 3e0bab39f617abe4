"""What can be written at a cursor."""

from __future__ import annotations

from typing import TYPE_CHECKING

from composer.editor.cursor import cursor, in_comment
from composer.editor.definition import used_file
from composer.editor.items import (
    Item,
    backends,
    files,
    names,
    options,
    statements,
    steps,
    types,
    values,
    words,
    zoo_models,
)
from composer.editor.slots import ANY, BACKEND, MODEL, STEP, TYPE, called, slot
from composer.methods.template import VARIABLES

if TYPE_CHECKING:
    from collections.abc import Iterator

    from composer.editor.buffer import Buffer
    from composer.editor.cursor import Cursor
    from composer.editor.slots import Slot

OPERANDS = ("NAME", "NUMBER", "STRING", "TEMPLATE", "RPAR", "RSQB", "TRUE", "FALSE", "NONE")
"""After these an operator stands, and nothing can be proposed."""


def completion(buffer: Buffer, offset: int) -> tuple[list[Item], int]:
    """Return what can be written at an offset, and where the text begins that it replaces."""
    at = cursor(buffer, offset)
    if in_comment(buffer, offset):
        return [], offset
    if buffer.is_yaml:  # what else may stand there, the schema says
        return list(names(buffer.scope)), offset - len(at.partial)
    if at.quoted is not None:
        return list(_in_text(buffer, at)), offset - len(_typed(at.quoted))
    return list(_proposed(buffer, at)), offset - len(at.partial)


def _typed(quoted: str) -> str:
    """Return what is written of the last word of a text, or of a path."""
    if "{{" in quoted or "{%" in quoted:
        at = len(quoted)
        while at and (quoted[at - 1].isalnum() or quoted[at - 1] == "_"):
            at -= 1
        return quoted[at:]
    return quoted


def _in_text(buffer: Buffer, at: Cursor) -> Iterator[Item]:
    """Yield what can stand in quotes: files, models of the zoo, the variables of a template."""
    text = at.quoted or ""
    if at.head == "USE" and at.previous == "USE":
        yield from files(buffer.path.parent)
    elif text.rfind("{{") > text.rfind("}}") or text.rfind("{%") > text.rfind("%}"):
        yield from words(VARIABLES, "a variable of the template")
    elif (call := called(buffer, at)) and call.about and call.about.name == "zoo":
        inner = at.inner
        if inner is not None and (inner.key == "model" or not (inner.key or inner.index)):
            yield from zoo_models()


def _proposed(buffer: Buffer, at: Cursor) -> Iterator[Item]:
    """Yield what can stand outside of quotes."""
    if not at.before:
        yield from statements()
        yield from _expressions(buffer, at)
    elif at.head == "USE":
        yield from _imports(buffer, at)
    elif at.previous not in OPERANDS and at.head != "EXAMPLE":
        yield from _at_slot(buffer, at, slot(buffer, at))


def _imports(buffer: Buffer, at: Cursor) -> Iterator[Item]:
    """Yield the names of the file that a `use` takes them from."""
    if at.previous == "STRING":
        yield from words(("as",), "the whole recipe as a step")
    file = next((each for each in at.before if each.type == "STRING"), None)
    path = used_file(buffer.path.parent, file.text[1:-1]) if file else None
    if path is not None and at.previous in ("LPAR", "COMMA") and at.opened:
        yield from names(buffer.context.loader.scope(path))


def _at_slot(buffer: Buffer, at: Cursor, here: Slot) -> Iterator[Item]:
    begins = at.previous in ("LPAR", "COMMA")
    if here.called is not None and begins and at.inner is not None:
        given = at.inner.given - {at.inner.key}
        yield from options(here.called, given, bare=at.following == "EQUAL")
    match here.wants:
        case _ if here.hint is not None:
            yield from _parameters(at)
            yield from values(here.hint, buffer.scope)
        case w if w == BACKEND:
            yield from backends()
        case w if w == TYPE:
            yield from types()
        case w if w == STEP:
            yield from steps()
        case w if w in (ANY, MODEL):
            yield from _expressions(buffer, at)


def _expressions(buffer: Buffer, at: Cursor) -> Iterator[Item]:
    """Yield the names in scope, then the steps."""
    yield from _parameters(at)
    yield from names(buffer.scope)
    yield from steps()


def _parameters(at: Cursor) -> Iterator[Item]:
    yield from words(at.parameters, "a parameter of this `def`")
