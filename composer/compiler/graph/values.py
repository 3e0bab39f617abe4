"""Option values: an expression and a type hint to a Python value, checked."""

from __future__ import annotations

import math
import os
import typing
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from composer.compiler.graph.arguments import BadValueError, match_arguments, resolve, validated
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
from composer.compiler.graph.scope import Scope, follow, unknown_name
from composer.compiler.graph.value_mistakes import (
    leads_back,
    named_value,
    no_key,
    no_part,
    no_rule,
    no_sum,
    wrong_type,
)
from composer.diagnostics import Diagnostic, nearest
from composer.diagnostics.amounts import counted
from composer.diagnostics.secrets import hide
from composer.methods import (
    Constant,
    Operation,
    Rule,
    Signal,
    Template,
    check,
    find_part,
    kind_of,
    parts,
)
from composer.methods.scorers.basic import Scorer, Sum
from composer.specs.parts import Key
from composer.syntax import tree
from composer.trampoline import deep, run
from composer.values import Model
from composer.values.typed import Scalar, Typed, Variables

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator

    from composer.diagnostics import Place
    from composer.methods.rule import Expression
    from composer.values.typed import Resolve


ARITHMETIC: dict[str, Callable[[float, float], float]] = {
    "+": lambda a, b: a + b,
    "-": lambda a, b: a - b,
    "*": lambda a, b: a * b,
    "/": lambda a, b: a / b,
}


DEEPEST = 100
"""Names that may stand for each other inside of one rule."""


@dataclass(frozen=True, eq=False)
class UnloweredModel(Model):
    """Stands for a model that an option holds until that is lowered."""

    expr: tree.Expr
    scope: Scope


@dataclass(frozen=True, slots=True)
class Values:
    """Turns expressions into the values that options want; `find` resolves files.

    `numbers` are those that were worked out, with what they stand for, and `pending` those that
    are being worked out.
    """

    find: Callable[[str, Scope, Place, Resolve], str]
    numbers: dict[tuple[int, int], tuple[tree.Expr, Scope, float]] = field(default_factory=dict)
    pending: set[tuple[int, int]] = field(default_factory=set)

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
            return self._whole_rule(expr, scope)
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
            if kind is not Rule and find_part(kind_of(kind), name) is not None:
                return self._part(expr, kind, scope)
        return self._whole_rule(expr, scope)

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

    def number(self, expr: tree.Expr, scope: Scope, hint: object = float) -> float:
        """Return the number that an expression of numbers and parameters comes to."""
        number = run(self._number(expr, scope, hint))
        try:
            finite = math.isfinite(float(number))
        except OverflowError:
            finite = False
        if not finite:
            raise BadValueError(
                Diagnostic("E402", "this number is too large", expr.place, "cannot be used")
            )
        return number

    @deep
    async def _number(self, source: tree.Expr, scope: Scope, hint: object) -> float:
        expr, home = resolve(source, scope)
        key = (id(expr), id(home))
        if key in self.pending:
            raise BadValueError(leads_back(source))
        if key not in self.numbers:
            self.pending.add(key)
            try:
                self.numbers[key] = (expr, home, await self._arithmetic(expr, home, hint))
            finally:
                self.pending.discard(key)
        return self.numbers[key][2]

    async def _arithmetic(self, expr: tree.Expr, scope: Scope, hint: object) -> float:
        match expr:
            case tree.Number(value=value):
                return value
            case tree.Unary(op="-", operand=operand):
                return -(await self._number(operand, scope, hint))
            case tree.Binary(op=op, left=left, right=right) if op in ARITHMETIC:
                a = await self._number(left, scope, hint)
                b = await self._number(right, scope, hint)
                if op == "/" and b == 0:
                    raise BadValueError(Diagnostic("E402", "division by zero", right.place, "is 0"))
                try:
                    return ARITHMETIC[op](a, b)
                except OverflowError:
                    text = "this number is too large"
                    raise BadValueError(
                        Diagnostic("E402", text, expr.place, "cannot be used")
                    ) from None
            case tree.Name(id=name) if scope.find(name) is None:
                near = nearest(name, scope.visible())
                raise BadValueError(
                    wrong_type(
                        expr, type_text(hint), help_=f"did you mean `{near}`?" if near else ""
                    )
                )
            case _:
                raise BadValueError(wrong_type(expr, type_text(hint)))

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

    def _whole_rule(self, expr: tree.Expr, scope: Scope) -> Rule:
        rule = Rule(run(self._rule(expr, scope, ())))
        mistake = rule.mistake()
        if mistake:
            raise BadValueError(Diagnostic("E405", mistake, expr.place, "not a condition"))
        return rule

    @deep
    async def _rule(self, source: tree.Expr, scope: Scope, trail: tuple[int, ...]) -> Expression:
        expr, scope = resolve(source, scope)
        if id(expr) in trail:
            raise BadValueError(leads_back(source))
        if len(trail) > DEEPEST:
            text = "this rule is nested too deep in other rules"
            raise BadValueError(Diagnostic("E116", text, source.place, "too deep"))
        trail = trail if expr is source else (*trail, id(expr))
        if isinstance(expr, tree.Binary | tree.Unary) and is_number(expr, scope):
            return Constant(self.number(expr, scope))
        match expr:
            case tree.Name(id=name, place=place):
                return self._signal(tree.Call(name, (), place, place), scope)
            case tree.Call():
                return self._signal(expr, scope)
            case tree.Number(value=value) | tree.Boolean(value=value):
                return Constant(value)
            case tree.Binary(op=op, left=left, right=right):
                first = await self._rule(left, scope, trail)
                return Operation(op, (first, await self._rule(right, scope, trail)))
            case tree.Unary(op=op, operand=operand):
                return Operation(op, (await self._rule(operand, scope, trail),))
            case _:
                raise BadValueError(no_rule(expr))

    def _signal(self, call: tree.Call, scope: Scope) -> Signal:
        part = find_part(kind_of(Signal), call.function)
        if part is not None:
            signal = self.typed(call, part, scope)
            assert isinstance(signal, Signal)
            return signal
        signals = parts_of(Signal)
        near = nearest(call.function, [*signals, *scope.visible()])
        raise BadValueError(
            Diagnostic(
                "E405",
                f"unknown signal `{call.function}`",
                call.function_place,
                "not a signal or a parameter",
                help=f"did you mean `{near}`?" if near else f"signals: {', '.join(signals)}",
            )
        )


def is_number(expr: tree.Expr, scope: Scope) -> bool:
    """Say whether an expression is made of numbers alone, whatever its names stand for."""
    todo, visited = [(expr, scope)], set()
    while todo:
        inner, home = follow(*todo.pop())
        if (id(inner), id(home)) in visited:
            continue
        visited.add((id(inner), id(home)))
        if isinstance(inner, tree.Binary) and inner.op in ARITHMETIC:
            todo += [(inner.left, home), (inner.right, home)]
        elif isinstance(inner, tree.Unary) and inner.op == "-":
            todo.append((inner.operand, home))
        elif not isinstance(inner, tree.Number):
            return False
    return True


def _function(expr: tree.Expr) -> str:
    """Return the name of the part that an expression may be."""
    match expr:
        case tree.Name(id=name) | tree.Call(function=name):
            return name
        case _:
            return ""


def parts_of(kind: type[Typed]) -> dict[str, type[Typed]]:
    """Return the parts of a kind by name, those that derive from its class."""
    named = parts().get(kind_of(kind), {})
    return {name: part for name, part in named.items() if issubclass(part, kind)}


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
