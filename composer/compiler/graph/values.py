"""Option values: an expression and a type hint to a Python value, checked."""

from __future__ import annotations

import os
import types
import typing
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, ValidationError

from composer.compiler.graph.scope import Binding, Scope, unknown
from composer.parts import (
    SIGNALS,
    TEMPLATES,
    Constant,
    Operation,
    Rule,
    Signal,
    Template,
    check,
    kind_of,
    parts,
)
from composer.ports.typed import Resolve, Typed
from composer.syntax import tree, unparse
from composer.words import Diagnostic, Note, did_you_mean, nearest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from pydantic.fields import FieldInfo

    from composer.words import Place

ARITHMETIC: dict[str, Callable[[float, float], float]] = {
    "+": lambda a, b: a + b,
    "-": lambda a, b: a - b,
    "*": lambda a, b: a * b,
    "/": lambda a, b: a / b,
}


class Bad(Exception):  # noqa: N818 - never leaves the compiler
    """A value that cannot be used; carries what to tell the user."""

    def __init__(self, *diagnostics: Diagnostic) -> None:
        super().__init__(diagnostics)
        self.diagnostics = diagnostics


@dataclass(frozen=True, slots=True)
class Values:
    """Turns expressions into the values that options want; `find` resolves files."""

    find: Callable[[str, Scope, Place, bool], str]

    def read(self, expr: tree.Expr, hint: Any, scope: Scope) -> Any:  # noqa: ANN401
        """Return the value of an expression where a hint's type is wanted, or raise Bad."""
        hint, resolve = _unwrap(hint)
        if isinstance(expr, tree.Null) and _optional(hint):
            return None
        hint = _required(hint)
        expr, scope = follow(expr, scope)
        if _union(hint):
            return self._first(expr, hint, scope)
        if _is(hint, Rule):
            return Rule(self._rule(expr, scope))
        if _is(hint, Template):
            return self._template(expr)
        if _is(hint, Typed):
            return self._part(expr, hint, scope)
        if typing.get_origin(hint) is tuple:
            return self._tuple(expr, hint, scope)
        value = self._plain(expr, hint, scope)
        if resolve is not None and isinstance(value, str):
            return self.find(value, scope, expr.place, resolve.must_exist)
        return value

    def typed(self, call: tree.Call, kind: type[Typed], scope: Scope) -> Typed:
        """Build a part or a declared model from a call, arguments checked."""
        fields = kind.model_fields
        given = match(call, list(fields), fields)
        values, mistakes = {}, []
        for name, argument in given.items():
            try:
                values[name] = self.read(argument.value, hint_of(fields[name]), scope)
            except Bad as bad:
                mistakes += bad.diagnostics
        if mistakes:
            raise Bad(*mistakes)
        return build(kind, values, call, given)

    def _first(self, expr: tree.Expr, hint: Any, scope: Scope) -> Any:  # noqa: ANN401
        """Read a value as the first of several types that it fits."""
        for each in typing.get_args(hint):
            try:
                return self.read(expr, each, scope)
            except Bad:
                continue
        raise Bad(wrong(expr, say(hint)))

    def _part(self, expr: tree.Expr, kind: type[Typed], scope: Scope) -> Typed:
        if isinstance(expr, tree.Name):
            expr = tree.Call(expr.id, (), expr.place, expr.place)
        if not isinstance(expr, tree.Call):
            raise Bad(wrong(expr, _kind_name(kind), among=parts_of(kind)))
        parts = parts_of(kind)
        if expr.function not in parts:
            raise Bad(unknown(expr.function, expr.function_place, list(parts), "part"))
        return self.typed(expr, parts[expr.function], scope)

    def _tuple(self, expr: tree.Expr, hint: Any, scope: Scope) -> tuple[Any, ...]:  # noqa: ANN401
        if not isinstance(expr, tree.Bank):
            raise Bad(wrong(expr, say(hint)))
        of = typing.get_args(hint)
        each = [of[0] if of[-1] is Ellipsis else of[min(i, len(of) - 1)] for i in _count(expr)]
        pairs = zip(expr.branches, each, strict=True)
        return tuple(self.read(branch.value, item, scope) for branch, item in pairs)

    def _plain(self, expr: tree.Expr, hint: Any, scope: Scope) -> Any:  # noqa: ANN401
        match expr:
            case tree.String(value=value) | tree.Boolean(value=value):
                pass
            case tree.Name(id=value) if _takes_words(hint):
                pass
            case tree.Call(function="env"):
                value = _environment(expr)
            case _:
                value = self.number(expr, scope, hint)
        if not _matches(value, hint):
            raise Bad(wrong(expr, say(hint)))
        return float(value) if hint is float else value

    def number(self, expr: tree.Expr, scope: Scope, hint: Any = float) -> float:  # noqa: ANN401
        """Return the number that an expression of numbers and parameters comes to."""
        expr, scope = follow(expr, scope)
        match expr:
            case tree.Number(value=value):
                return value
            case tree.Unary(op="-", operand=operand):
                return -self.number(operand, scope, hint)
            case tree.Binary(op=op, left=left, right=right) if op in ARITHMETIC:
                a, b = self.number(left, scope, hint), self.number(right, scope, hint)
                if op == "/" and b == 0:
                    raise Bad(Diagnostic("E402", "division by zero", expr.place, "is 0 below"))
                return ARITHMETIC[op](a, b)
            case tree.Name(id=name, place=place) if scope.find(name) is None:
                raise Bad(unknown(name, place, sorted(set(scope.visible()))))
            case _:
                raise Bad(wrong(expr, say(hint)))

    def _template(self, expr: tree.Expr) -> Template:
        if isinstance(expr, tree.Name):
            if expr.id not in TEMPLATES:
                raise Bad(unknown(expr.id, expr.place, list(TEMPLATES), "part"))
            return TEMPLATES[expr.id]
        if not isinstance(expr, tree.String):
            raise Bad(wrong(expr, 'a template: """...""" or a name of one', among=TEMPLATES))
        for message, _line in check(expr.value):
            raise Bad(Diagnostic("E402", message, expr.place, "not usable"))
        return Template(text=expr.value)

    def _rule(self, expr: tree.Expr, scope: Scope) -> Signal | Constant | Operation:
        expr, scope = follow(expr, scope)
        match expr:
            case tree.Name(id=name):
                return self._signal(name, expr, scope)
            case tree.Number(value=value) | tree.Boolean(value=value):
                return Constant(value)
            case tree.Binary(op=op, left=left, right=right):
                return Operation(op, (self._rule(left, scope), self._rule(right, scope)))
            case tree.Unary(op=op, operand=operand):
                return Operation(op, (self._rule(operand, scope),))
            case _:
                raise Bad(_no_rule(expr))

    def _signal(self, name: str, expr: tree.Name, scope: Scope) -> Signal | Constant:
        if name in SIGNALS:
            return Signal(name)
        near = nearest(name, [*SIGNALS, *scope.visible()])
        raise Bad(
            Diagnostic(
                "E405",
                f"unknown signal `{name}`",
                expr.place,
                "not a signal, and not a parameter",
                help=f"did you mean `{near}`?" if near else f"signals: {', '.join(SIGNALS)}",
            )
        )


def parts_of(kind: type[Typed]) -> dict[str, type[Typed]]:
    """Return the parts of a kind by name."""
    return parts().get(kind_of(kind), {})


def follow(expr: tree.Expr, scope: Scope) -> tuple[tree.Expr, Scope]:
    """Replace a name by what it stands for, as long as that is a value and not a model."""
    seen: set[int] = set()
    while isinstance(expr, tree.Name) and id(expr) not in seen:
        seen.add(id(expr))
        binding = scope.find(expr.id)
        value = binding and bound_value(binding)
        if binding is None or value is None:
            break
        expr, scope = value, binding.scope
    return expr, scope


def bound_value(binding: Binding) -> tree.Expr | None:
    """Return the expression that a parameter or a `let` stands for."""
    match binding.statement:
        case tree.Param(value=value) | tree.Let(value=value):
            return binding.value if binding.value is not None else value
        case tree.Parameter():
            return binding.value
        case _:
            return None


def match(
    call: tree.Call, positional: Iterable[str], options: Iterable[str]
) -> dict[str, tree.Argument]:
    """Assign a call's arguments to option names, or raise Bad with every mistake."""
    free, known = list(positional), list(options)
    given: dict[str, tree.Argument] = {}
    mistakes: list[Diagnostic] = []
    for argument in call.arguments:
        name = argument.name
        if name is None:
            name = next((each for each in free if each not in given), None)
        if name is None:
            mistakes.append(_too_many(call, argument, len(free)))
        elif name not in known:
            mistakes.append(unknown_option(call.function, argument, known))
        elif name in given:
            mistakes.append(_given_twice(call, name, argument, given[name]))
        else:
            given[name] = argument
    if mistakes:
        raise Bad(*mistakes)
    return given


def build(
    kind: type[BaseModel],
    values: dict[str, Any],
    call: tree.Call | tree.Name,
    given: dict[str, tree.Argument],
) -> Any:  # noqa: ANN401 - an instance of kind
    """Construct a pydantic model; its complaints become ours."""
    try:
        return kind(**values)
    except ValidationError as error:
        raise Bad(*(_complaint(each, kind, call, given) for each in error.errors())) from None


def hint_of(field: FieldInfo) -> Any:  # noqa: ANN401 - any annotation
    """Return a field's type, with the mark of a path if it has one."""
    mark = next((each for each in field.metadata if isinstance(each, Resolve)), None)
    return typing.Annotated[field.annotation, mark] if mark else field.annotation


def unknown_option(function: str, argument: tree.Argument, known: list[str]) -> Diagnostic:
    """Return the mistake of an option that a call does not have."""
    return Diagnostic(
        "E203",
        f"`{function}` has no option `{argument.name}`",
        argument.name_place,
        "unknown option",
        help=did_you_mean(argument.name or "", known) or "it takes none",
    )


def wrong(expr: tree.Expr, wanted: str, among: Iterable[str] = ()) -> Diagnostic:
    """Return the mistake of a value of the wrong type."""
    names = ", ".join(f"`{name}`" for name in among)
    return Diagnostic(
        "E401",
        f"expected {wanted}, found {_describe(expr)}",
        expr.place,
        f"should be {wanted}",
        help=f"one of: {names}" if names else "",
    )


def say(hint: Any) -> str:  # noqa: ANN401 - any annotation
    """Name a type in words."""
    hint = _required(_unwrap(hint)[0])
    words = {int: "a whole number", float: "a number", str: "a text", bool: "`true` or `false`"}
    if hint in words:
        return words[hint]
    if typing.get_origin(hint) is tuple:
        item = say(typing.get_args(hint)[0]).removeprefix("a ").removeprefix("an ")
        return f"a list of {item}s" if not item.startswith("`") else f"a list of {item}"
    if typing.get_origin(hint) is typing.Literal:
        return "one of " + ", ".join(f"`{each}`" for each in typing.get_args(hint))
    if isinstance(hint, type) and issubclass(hint, Typed):
        return _kind_name(hint)
    if _union(hint):
        return " or ".join(say(each) for each in typing.get_args(hint))
    return "a value"


def _kind_name(kind: type[Typed]) -> str:
    word = kind.__name__.lower()
    return f"{'an' if word[0] in 'aeiou' else 'a'} {word}"


def _describe(expr: tree.Expr) -> str:
    names = {
        tree.String: "a text",
        tree.Number: "a number",
        tree.Boolean: "`true` or `false`",
        tree.Bank: "a list",
        tree.Null: "`none`",
    }
    text = unparse(expr)
    known = names.get(type(expr))
    return f"{known}, `{text}`" if known and len(text) < 40 else (known or f"`{text}`")  # noqa: PLR2004


def _complaint(
    error: Any,  # noqa: ANN401 - pydantic's ErrorDetails
    kind: type[BaseModel],
    call: tree.Call | tree.Name,
    given: dict[str, tree.Argument],
) -> Diagnostic:
    """Put one of pydantic's errors into our words, at the argument that caused it."""
    option = str(error["loc"][0]) if error["loc"] else ""
    function = call.function if isinstance(call, tree.Call) else call.id
    if error["type"] == "missing":
        text = f"`{function}` needs `{option}`"
        return Diagnostic("E206", text, call.place, f"`{option}` is missing")
    place = given[option].value.place if option in given else call.place
    bounds = {"ge": "at least", "gt": "more than", "le": "at most", "lt": "less than"}
    limits = [f"{w} {error['ctx'][k]:g}" for k, w in bounds.items() if k in error.get("ctx", {})]
    if error["type"] == "value_error":
        why = str(error["ctx"]["error"])
        return Diagnostic("E402", f"`{option}`: {why}" if option else why, place, "not usable")
    if limits:
        text = f"`{option}` must be {' and '.join(limits)}"
        return Diagnostic("E402", text, place, f"is `{error['input']}`")
    field = kind.model_fields.get(option)
    wanted = say(field.annotation) if field else "another value"
    return Diagnostic("E401", f"`{option}` must be {wanted}", place, f"should be {wanted}")


def _too_many(call: tree.Call, argument: tree.Argument, room: int) -> Diagnostic:
    takes = "no arguments" if not room else f"at most {room} without a name"
    return Diagnostic("E206", f"`{call.function}` takes {takes}", argument.place, "one too many")


def _given_twice(
    call: tree.Call, name: str, argument: tree.Argument, before: tree.Argument
) -> Diagnostic:
    return Diagnostic(
        "E204",
        f"`{call.function}` is given `{name}` twice",
        argument.place,
        "again here",
        notes=(Note(before.place, "first given here"),),
    )


def _no_rule(expr: tree.Expr) -> Diagnostic:
    return Diagnostic(
        "E405",
        f"expected a rule over signals, found {_describe(expr)}",
        expr.place,
        "not a rule",
        help="write a comparison: `confidence >= 0.6`, `agreement > 0.5 and length < 200`",
    )


def _environment(call: tree.Call) -> str:
    name = call.arguments[0].value if len(call.arguments) == 1 else None
    if not isinstance(name, tree.String):
        raise Bad(Diagnostic("E206", "`env` takes the name of a variable", call.place, "here"))
    if name.value not in os.environ:
        text = f"the environment has no variable `{name.value}`"
        raise Bad(
            Diagnostic("E402", text, call.place, "not set", help=f"export {name.value}=...")
        )
    return os.environ[name.value]


def _unwrap(hint: Any) -> tuple[Any, Resolve | None]:  # noqa: ANN401 - any annotation
    if typing.get_origin(hint) is typing.Annotated:
        inner, *marks = typing.get_args(hint)
        return inner, next((mark for mark in marks if isinstance(mark, Resolve)), None)
    return hint, None


def _union(hint: Any) -> bool:  # noqa: ANN401 - any annotation
    return typing.get_origin(hint) in (typing.Union, types.UnionType)


def _optional(hint: Any) -> bool:  # noqa: ANN401 - any annotation
    return _union(hint) and type(None) in typing.get_args(hint)


def _required(hint: Any) -> Any:  # noqa: ANN401 - any annotation
    if not _optional(hint):
        return hint
    kept = [each for each in typing.get_args(hint) if each is not type(None)]
    return _unwrap(kept[0])[0] if len(kept) == 1 else typing.Union[tuple(kept)]


def _is(hint: Any, kind: type) -> bool:  # noqa: ANN401 - any annotation
    return isinstance(hint, type) and issubclass(hint, kind)


def _takes_words(hint: Any) -> bool:  # noqa: ANN401 - any annotation
    literal = typing.get_origin(hint) is typing.Literal
    return hint is str or literal or str in typing.get_args(hint)


def _matches(value: object, hint: Any) -> bool:  # noqa: ANN401 - any annotation
    if typing.get_origin(hint) is typing.Literal:
        return value in typing.get_args(hint)
    kinds = typing.get_args(hint) or (hint,)
    if any(kind not in (int, float, str, bool) for kind in kinds):
        return True
    if isinstance(value, bool):
        return bool in kinds
    if isinstance(value, int) and float in kinds:
        return True
    return isinstance(value, tuple(kinds))


def _count(bank: tree.Bank) -> range:
    return range(len(bank.branches))

