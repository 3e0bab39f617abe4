"""What is called around a cursor, and what may stand where it is."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, get_args, get_origin

from composer.backends import BACKENDS
from composer.compiler.graph.option_types import required, unwrap
from composer.compiler.plan.explain import Explanation, explain_backend, explain_part, explain_step
from composer.methods import Rule, Signal, find_part, kind_of, kinds_of
from composer.steps import STEPS
from composer.syntax import tree

if TYPE_CHECKING:
    from collections.abc import Iterable

    from composer.compiler.graph.scope import Binding, Scope
    from composer.editor.around import Opened
    from composer.editor.buffer import Buffer
    from composer.editor.cursor import Cursor

MODEL, BACKEND, STEP, TYPE, NAME, ANY = "model", "backend", "step", "type", "name", "anything"
"""What may stand at a cursor that is not an option's value; a new name is nobody's to propose."""

SIGNAL = kind_of(Signal)

TYPES = {"int": int, "float": float, "str": str, "bool": bool, "path": str}


@dataclass(frozen=True, slots=True)
class Called:
    """Something that is called: how it is described, and what may be given without a name.

    `takes` is the number of models or branches that come first, None for any number.
    `params` are the parameters of a `def` or of a recipe used as a step.
    """

    about: Explanation | None = None
    positional: tuple[str, ...] = ()
    takes: int | None = 0
    params: dict[str, Binding | tree.Parameter] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Slot:
    """What may stand at a cursor: a value of a type, or else what `wants` says.

    `called` is set where the name of one of its options may stand.
    """

    wants: str = ANY
    hint: object = None
    called: Called | None = None


def slot(buffer: Buffer, at: Cursor) -> Slot:
    """Find out what may stand at a cursor."""
    here, _ = _walk(buffer, at, len(at.opened))
    return here


def called(buffer: Buffer, at: Cursor) -> Called | None:
    """Return what is called right around a cursor."""
    if not at.opened:
        return None
    _, call = _walk(buffer, at, len(at.opened))
    return call


def step_named(name: str) -> Explanation | None:
    """Describe a step that recipes write by its name."""
    step = STEPS.get(name)
    return explain_step(step) if step is not None and not step.sign else None


def parts_named(name: str, kinds: Iterable[str]) -> Explanation | None:
    """Describe the part of this name among several kinds."""
    candidates = ((kind, find_part(kind, name)) for kind in kinds)
    return next((explain_part(kind, part) for kind, part in candidates if part), None)


def kinds_at(hint: object) -> tuple[str, ...]:
    """Return the kinds of parts that a value of this type may be; a condition has signals."""
    kinds = kinds_of(unwrap(hint)[0]) if hint is not None else ()
    return (SIGNAL, *kinds) if takes(hint, Rule) else kinds


def takes(hint: object, kind: type) -> bool:
    """Say whether a class is among the types that a value may be of."""
    if isinstance(hint, type):
        return issubclass(hint, kind)
    return any(takes(each, kind) for each in get_args(hint))


def _walk(buffer: Buffer, at: Cursor, depth: int) -> tuple[Slot, Called | None]:
    """Go from the statement inwards, bracket by bracket."""
    here, call = _outermost(at), None
    if here.wants in (NAME, TYPE):
        return here, None
    for opened in at.opened[:depth]:
        if opened.bank:
            here, call = Slot(here.wants, _item(here.hint)), None
        elif opened.function is not None:
            call = _called(opened.function.text, here, buffer.scope)
            here = _inside(call, opened)
    return here, call


def _outermost(at: Cursor) -> Slot:
    assigned = any(each.type == "EQUAL" for each in at.before)
    match at.head:
        case "DEFAULT":
            return Slot(STEP)
        case "MODEL" | "PARAM" | "LET" if not assigned:
            typed = any(each.type == "COLON" for each in at.before)
            return Slot(TYPE if typed else NAME)
        case "MODEL":
            return Slot(BACKEND)
        case "PARAM":
            kinds = (TYPES[each.text] for each in at.before if each.text in TYPES)
            return Slot(hint=next(kinds, None))
        case "DEF" if not assigned or at.in_parameters:
            return Slot(NAME)
        case _:
            return Slot()


def _called(name: str, here: Slot, scope: Scope) -> Called | None:
    """Find out what a name in front of brackets stands for."""
    if here.wants == BACKEND:
        return _typed(explain_backend(BACKENDS[name])) if name in BACKENDS else None
    if here.hint is not None:
        part = parts_named(name, kinds_at(here.hint))
        return _typed(part) if part else None
    binding = scope.find(name)
    if binding is not None:
        return _bound(binding, scope)
    step = STEPS.get(name)
    if step is None or step.sign:
        return None
    inputs = () if here.wants == STEP else step.arguments
    takes = None if inputs and inputs[-1].variadic else len(inputs)
    positional = () if here.wants == STEP else step.positional
    return Called(explain_step(step), positional, takes)


def _bound(binding: Binding, scope: Scope) -> Called | None:
    """Describe the call of a name of the recipe: a `def`, a used recipe, or a model."""
    match binding.statement:
        case tree.Def(parameters=parameters):
            params = {each.name: each for each in parameters}
            return Called(None, tuple(params), 0, dict(params))
        case tree.Use(alias=alias) if alias in scope.used:
            names = scope.used[alias].names
            given = {n: b for n, b in names.items() if isinstance(b.statement, tree.Param)}
            return Called(None, (), 0, dict(given))
        case _:
            return Called(explain_step(STEPS["generate"]))


def _typed(about: Explanation) -> Called:
    return Called(about, tuple(about.options))


def _inside(call: Called | None, opened: Opened) -> Slot:
    """Find out what may stand as an argument of a call."""
    if call is None:
        return Slot()
    options = call.about.options if call.about else {}
    if opened.key:
        option = options.get(opened.key)
        return Slot(hint=option.hint) if option else Slot()
    if call.takes is None or opened.index < call.takes:
        return Slot(MODEL, called=call)
    free = call.positional[opened.index - call.takes :]
    option = options.get(free[0]) if free else None
    if option is not None:
        return Slot(hint=option.hint, called=call)
    return Slot(called=call) if free or call.takes is None else Slot("option", called=call)


def _item(hint: object) -> object:
    """Return the type of a list's items."""
    inner = required(unwrap(hint)[0])
    return get_args(inner)[0] if get_origin(inner) is tuple else None
