"""Option values: an expression and a type hint to a Python value, checked."""

from __future__ import annotations

import os
import typing
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from composer.compiler.graph.arguments import BadValueError, match_arguments, resolve, validated
from composer.compiler.graph.conditions import Conditions
from composer.compiler.graph.numbers import Numbers, is_number
from composer.compiler.graph.option_types import (
    hint_of,
    is_kind,
    is_model,
    is_union,
    kind_name,
    matches,
    optional,
    required,
    takes_words,
    type_text,
    unwrap,
)
from composer.compiler.graph.scope import Scope, unknown_name
from composer.compiler.graph.value_mistakes import (
    leads_back,
    named_value,
    no_key,
    no_part,
    no_sum,
    wrong_type,
)
from composer.diagnostics import Diagnostic
from composer.diagnostics.amounts import counted
from composer.diagnostics.secrets import hide
from composer.methods import (
    Rule,
    Template,
    check,
    find_part,
    kind_of,
)
from composer.methods.scorers.basic import Scorer, Sum
from composer.methods.table import parts_of
from composer.specs.parts import Key
from composer.syntax import tree
from composer.values import Model
from composer.values.typed import Scalar, Typed, Variables

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator

    from composer.diagnostics import Place
    from composer.values.typed import Resolve


@dataclass(frozen=True, eq=False)
class UnloweredModel(Model):
    """Stands for a model that an option holds until that is lowered."""

    expr: tree.Expr
    scope: Scope


@dataclass(frozen=True, slots=True)
class Values:
    """Turns expressions into the values that options want; `find` resolves files."""

    find: Callable[[str, Scope, Place, Resolve], str]
    numbers: Numbers = field(default_factory=Numbers)

    @property
    def _conditions(self) -> Conditions:
        return Conditions(self.numbers.of, self.typed)

    def number(self, expr: tree.Expr, scope: Scope, hint: object = float) -> float:
        """Return the number that an expression of numbers and parameters comes to."""
        return self.numbers.of(expr, scope, hint)

    def read(self, expr: tree.Expr, hint: object, scope: Scope) -> object:  # noqa: PLR0911
        """Return the value of an expression of a hint's type, or raise BadValueError."""
        hint, mark = unwrap(hint)
        if isinstance(expr, tree.Null) and optional(hint):
            return None
        hint = required(hint)
        if is_model(hint):
            return UnloweredModel(expr, scope)
        expr, scope = resolve(expr, scope)
        if is_union(hint):
            return self._first(expr, hint, scope)
        if is_kind(hint, Rule):
            return self._conditions.rule(expr, scope)
        if is_kind(hint, Template):
            return self._template(expr)
        if is_kind(hint, Typed):
            return self._part(expr, hint, scope)
        if hint == Variables:
            return self._variables(expr, scope)
        if typing.get_origin(hint) is tuple:
            return self._tuple(expr, hint, scope)
        value = self._plain(expr, hint, scope)
        if mark is not None and isinstance(value, str):
            return self.find(value, scope, expr.place, mark)
        return value

    def typed(
        self, call: tree.Call, kind: type[Typed], scope: Scope, beside: Collection[str] = ()
    ) -> Typed:
        """Build a part or a declared model from a call, arguments checked.

        Those `beside` its own options are passed over.
        """
        fields = kind.model_fields
        arguments = match_arguments(
            call, list(kind.positional()), [*fields, *(n for n in beside if n not in fields)]
        )
        arguments = {name: argument for name, argument in arguments.items() if name in fields}
        values: dict[str, object] = {}
        mistakes: list[Diagnostic] = []
        for name, argument in arguments.items():
            try:
                values[name] = self.read(argument.value, hint_of(fields[name]), scope)
            except BadValueError as bad:
                mistakes += bad.diagnostics
        try:
            part = validated(kind, values, call, arguments)
        except BadValueError as bad:
            others = bad.within(arguments) if mistakes else bad
            raise BadValueError(*mistakes, *others.diagnostics) from None
        if mistakes:
            raise BadValueError(*mistakes)
        return part

    def _first(self, expr: tree.Expr, hint: object, scope: Scope) -> object:
        """Read a value as the first of several types that it fits."""
        if Rule in typing.get_args(hint):
            return self._rule_or_part(expr, hint, scope)
        for kind in typing.get_args(hint):
            try:
                return self.read(expr, kind, scope)
            except BadValueError:
                if _calls(expr, kind):
                    raise
        raise BadValueError(wrong_type(expr, type_text(hint)))

    def _rule_or_part(self, expr: tree.Expr, hint: object, scope: Scope) -> object:
        """Read a part where its name is that of one of the kinds that a hint has, else a rule."""
        name = _function(expr)
        for kind in typing.get_args(hint):
            if name and kind is not Rule and find_part(kind_of(kind), name) is not None:
                return self._part(expr, kind, scope)
        return self._conditions.rule(expr, scope)

    def _part(self, expr: tree.Expr, kind: type[Typed], scope: Scope) -> Typed:
        if issubclass(kind, Scorer) and isinstance(expr, tree.Binary | tree.Unary):
            terms = list(self._scores(expr, scope, 1.0, ()))
            of, weights = zip(*terms, strict=True)
            return Sum(of=of, weights=weights)
        if issubclass(kind, Key) and not isinstance(expr, tree.Call):
            raise BadValueError(no_key(expr))
        if isinstance(expr, tree.Name):
            expr = tree.Call(expr.id, (), expr.place, expr.place)
        if not isinstance(expr, tree.Call):
            raise BadValueError(wrong_type(expr, kind_name(kind), among=parts_of(kind)))
        part = find_part(kind_of(kind), expr.function)
        if part is None or not issubclass(part, kind):
            raise BadValueError(no_part(expr, kind, parts_of(kind)))
        return self.typed(expr, part, scope)

    def _scores(
        self, source: tree.Expr, scope: Scope, factor: float, trail: tuple[int, ...]
    ) -> Iterator[tuple[Typed, float]]:
        """Yield the scores of a sum, each with the number that it is multiplied by."""
        expr, scope = resolve(source, scope)
        if id(expr) in trail:
            raise BadValueError(leads_back(source))
        trail = trail if expr is source else (*trail, id(expr))
        match expr:
            case tree.Binary(op="+" | "-" as op, left=left, right=right):
                yield from self._scores(left, scope, factor, trail)
                yield from self._scores(right, scope, factor if op == "+" else -factor, trail)
            case tree.Binary(op="*", left=left, right=right) if is_number(left, scope):
                yield from self._scores(right, scope, factor * self.number(left, scope), trail)
            case tree.Binary(op="*", left=left, right=right) if is_number(right, scope):
                yield from self._scores(left, scope, factor * self.number(right, scope), trail)
            case tree.Binary(op="/", left=left, right=right) if is_number(right, scope):
                by = self.number(right, scope)
                if by == 0:
                    raise BadValueError(Diagnostic("E402", "division by zero", right.place, "is 0"))
                yield from self._scores(left, scope, factor / by, trail)
            case tree.Unary(op="-", operand=operand):
                yield from self._scores(operand, scope, -factor, trail)
            case tree.Binary() | tree.Unary() | tree.Number():
                raise BadValueError(no_sum(expr))
            case _:
                yield self._part(expr, Scorer, scope), factor

    def _tuple(self, expr: tree.Expr, hint: object, scope: Scope) -> tuple[object, ...]:
        if not isinstance(expr, tree.Branches):
            raise BadValueError(wrong_type(expr, type_text(hint)))
        if named := next((branch for branch in expr.branches if branch.name), None):
            raise BadValueError(named_value(named))
        item_types = typing.get_args(hint)
        if item_types[-1] is not Ellipsis and len(item_types) != len(expr.branches):
            raise BadValueError(wrong_type(expr, f"a list of {counted(len(item_types), 'value')}"))
        item_hints = [
            item_types[0] if item_types[-1] is Ellipsis else item_types[min(i, len(item_types) - 1)]
            for i in _count(expr)
        ]
        pairs = zip(expr.branches, item_hints, strict=True)
        return tuple(self.read(branch.value, item, scope) for branch, item in pairs)

    def _variables(self, expr: tree.Expr, scope: Scope) -> Variables:
        """Read values by name: named branches, or the one call that YAML makes of a mapping."""
        pairs: list[tuple[str | None, tree.Expr]]
        match expr:
            case tree.Branches(branches=branches):
                pairs = [(branch.name, branch.value) for branch in branches]
            case tree.Call(function=name, arguments=(tree.Argument(name=None, value=value),)):
                pairs = [(name, value)]
            case _:
                raise BadValueError(wrong_type(expr, type_text(Variables)))
        variables: dict[str, Scalar] = {}
        for key, value_expr in pairs:
            if key is None or key in variables:
                raise BadValueError(wrong_type(expr, type_text(Variables)))
            variables[key] = self._scalar(value_expr, scope)
        return tuple(variables.items())

    def _scalar(self, expr: tree.Expr, scope: Scope) -> Scalar:
        """Read a text, a number, or true or false."""
        expr, scope = resolve(expr, scope)
        if isinstance(expr, tree.String | tree.Boolean):
            return expr.value
        if isinstance(expr, tree.Call):
            return str(self._plain(expr, str, scope))
        return self.number(expr, scope, bool | float | str)

    def _plain(self, expr: tree.Expr, hint: object, scope: Scope) -> object:
        value: str | bool | float
        match expr:
            case tree.String(value=value) | tree.Boolean(value=value):
                pass
            case tree.Name(id=value) if takes_words(hint):
                pass
            case tree.Call(function="env"):
                value = _environment(expr)
            case tree.Binary() if hint is str:
                help_ = f'put it in quotes: `"{expr.place.text}"`'
                raise BadValueError(wrong_type(expr, type_text(hint), help_=help_))
            case _:
                value = self.number(expr, scope, hint)
        if not matches(value, hint):
            raise BadValueError(wrong_type(expr, type_text(hint)))
        return float(value) if hint is float else value

    def _template(self, expr: tree.Expr) -> Template:
        from composer.methods import TEMPLATES

        if isinstance(expr, tree.Name):
            if expr.id not in TEMPLATES:
                raise BadValueError(unknown_name(expr.id, expr.place, list(TEMPLATES), "part"))
            return TEMPLATES[expr.id]
        if not isinstance(expr, tree.String):
            raise BadValueError(
                wrong_type(expr, 'a template, """...""" or a name', among=TEMPLATES)
            )
        for message, line in check(expr.value):
            label = f"in its line {line}" if "\n" in expr.value else "cannot be used"
            raise BadValueError(Diagnostic("E402", message, expr.place, label))
        return Template(text=expr.value)


def _function(expr: tree.Expr) -> str:
    """Return the name of the part that an expression may be."""
    match expr:
        case tree.Name(id=name) | tree.Call(function=name):
            return name
        case _:
            return ""


def _environment(call: tree.Call) -> str:
    name = call.arguments[0].value if len(call.arguments) == 1 else None
    if not isinstance(name, tree.String):
        raise BadValueError(
            Diagnostic("E206", "`env` takes the name of a variable", call.place, "here")
        )
    if name.value not in os.environ:
        text = f"the environment has no variable `{name.value}`"
        raise BadValueError(
            Diagnostic("E402", text, call.place, "not set", help=f"export {name.value}=...")
        )
    return hide(os.environ[name.value])


def _calls(expr: tree.Expr, hint: object) -> bool:
    """Say whether an expression calls a part of the kind that is wanted."""
    if not isinstance(expr, tree.Call) or not is_kind(hint, Typed):
        return False
    return expr.function in parts_of(hint)


def _count(bank: tree.Branches) -> range:
    return range(len(bank.branches))
