"""Recipes written in Python: the language's own words as functions, `>>` for its arrow.

    from composer import ens

    a, b, d = ens.zoo("general-1"), ens.zoo("maths"), ens.zoo("large")
    answer = ens.route() >> [ens.span_fuse(a, b)] >> ens.cascade(d, accept=ens.confidence >= 0.7)
    answer.recipe()("What is 17 plus 25?")
    answer.save("mission.ens")

Every step, part and backend is a function of this module, and every signal a value. A list is a
bank, a dictionary a bank with named branches, `|` a fallback (between conditions: `or`), `&` and
`~` are `and` and `not`, and arithmetic makes formulas. What is built is the tree that the text of
a recipe loads into, so both mean the same.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from composer.diagnostics import Place, Source
from composer.syntax import tree, unparse
from composer.syntax.lexemes import STATEMENTS

if TYPE_CHECKING:
    from composer.recipe import Recipe

NOWHERE = Place(Source("python", ""), 0, 0)
RESERVED = frozenset(STATEMENTS.values()) | {"and", "or", "not", "true", "false", "none"}
LOGIC = frozenset({"and", "or", "not", "==", "!=", "<", "<=", ">", ">="})


@dataclass(frozen=True, eq=False)
class Expression:
    """A piece of a recipe. Combine pieces with `>>`, `|` and arithmetic, then ask for a recipe.

    `models` are the declared models that it mentions, by name.
    """

    node: tree.Expr
    models: Mapping[str, tree.Call]

    def __rshift__(self, other: object) -> Expression:
        return _chain(self, as_expression(other))

    def __rrshift__(self, other: object) -> Expression:
        return _chain(as_expression(other), self)

    def __or__(self, other: object) -> Expression:
        if _is_condition(self.node):
            return self._binary("or", other)
        right = as_expression(other)
        left = self.node.choices if isinstance(self.node, tree.Fallback) else (self.node,)
        return _merged(tree.Fallback((*left, right.node), NOWHERE), self, right)

    def __and__(self, other: object) -> Expression:
        return self._binary("and", other)

    def __invert__(self) -> Expression:
        return Expression(tree.Unary("not", self.node, NOWHERE), self.models)

    def __neg__(self) -> Expression:
        return Expression(tree.Unary("-", self.node, NOWHERE), self.models)

    def __add__(self, other: object) -> Expression:
        return self._binary("+", other)

    def __sub__(self, other: object) -> Expression:
        return self._binary("-", other)

    def __mul__(self, other: object) -> Expression:
        return self._binary("*", other)

    def __truediv__(self, other: object) -> Expression:
        return self._binary("/", other)

    def __radd__(self, other: object) -> Expression:
        return as_expression(other)._binary("+", self)

    def __rsub__(self, other: object) -> Expression:
        return as_expression(other)._binary("-", self)

    def __rmul__(self, other: object) -> Expression:
        return as_expression(other)._binary("*", self)

    def __rtruediv__(self, other: object) -> Expression:
        return as_expression(other)._binary("/", self)

    def __eq__(self, other: object) -> Expression:  # type: ignore[override]
        return self._binary("==", other)

    def __ne__(self, other: object) -> Expression:  # type: ignore[override]
        return self._binary("!=", other)

    __hash__ = object.__hash__

    def __bool__(self) -> bool:
        raise TypeError("a condition has no truth here: join them with `&`, `|` and `~`")

    def __ge__(self, other: object) -> Expression:
        return self._binary(">=", other)

    def __gt__(self, other: object) -> Expression:
        return self._binary(">", other)

    def __le__(self, other: object) -> Expression:
        return self._binary("<=", other)

    def __lt__(self, other: object) -> Expression:
        return self._binary("<", other)

    def _binary(self, op: str, other: object) -> Expression:
        right = as_expression(other)
        return _merged(tree.Binary(op, self.node, right.node, NOWHERE), self, right)

    def __call__(self, *values: object, **options: object) -> Expression:
        """Ask a model with options of its own: `a(temperature=0.7)`.

        A word that names a template and something else, such as `debate`, is called as that.
        """
        if not isinstance(self.node, tree.Name) or (values and self.models):
            raise TypeError("only a model, or a signal, can be called with options")
        return _call(self.node.id, values, options, self.models)

    def text(self, example: str | None = None) -> str:
        """Return the recipe as `.ens` text."""
        lines = [f"model {name} = {unparse(call)}" for name, call in self.models.items()]
        if example is not None:
            lines.append(f"example {unparse(_string(example))}")
        return "\n".join([*lines, "", unparse(self.node)]) + "\n"

    def recipe(self, *, root: str | Path | None = None, **params: object) -> Recipe:
        """Return the recipe, checked; raises Mistakes."""
        from composer.recipe import load

        return load(self.text(), root=root, **params)

    def save(self, path: str | Path, example: str | None = None) -> Path:
        """Write the recipe to a file."""
        path = Path(path)
        path.write_text(self.text(example), encoding="utf-8")
        return path

    def __str__(self) -> str:
        return unparse(self.node)


def as_expression(value: object) -> Expression:
    """Turn a Python value into a piece of a recipe: a list into a bank, a text into a string."""
    if isinstance(value, Expression):
        return value
    if isinstance(value, Mapping):
        pairs = [(str(name), as_expression(item)) for name, item in value.items()]
        return _bank(pairs)
    if isinstance(value, str | Path):
        return Expression(_string(str(value)), {})
    if isinstance(value, Sequence):
        return _bank([(None, as_expression(item)) for item in value])
    return Expression(_literal(value), {})


def model(name: str, declared: Expression) -> Expression:
    """Give a declared model a name of your own: `model("A", zoo("general-1"))`."""
    call = next(iter(declared.models.values()), None)
    if call is None or not isinstance(declared.node, tree.Name):
        raise TypeError("model() takes a declared model, such as zoo('general-1')")
    return Expression(tree.Name(name, NOWHERE), {name: call})


def __getattr__(name: str) -> Any:  # noqa: ANN401 - a step, a part, a backend, or a signal
    """Return a word of the language, as a function or, for a signal, as a value."""
    from composer.backends import BACKENDS
    from composer.methods import TEMPLATES, find_part, parts
    from composer.steps import STEPS

    word = name.rstrip("_")
    if word in BACKENDS:
        return lambda *values, **options: _declared(word, values, options)
    step = STEPS.get(word)
    if word in TEMPLATES or (step is None and find_part("signal", word) is not None):
        return Expression(tree.Name(word, NOWHERE), {})
    if (step and not step.sign) or any(word in named for named in parts().values()):
        return lambda *values, **options: _call(word, values, options, {})
    raise AttributeError(f"the language has no word {name!r}")


def _declared(backend: str, values: tuple[object, ...], options: dict[str, object]) -> Expression:
    call = _call(backend, values, options, {}).node
    assert isinstance(call, tree.Call)
    name = _name_of(_subject(backend, values, options), backend)
    return Expression(tree.Name(name, NOWHERE), {name: call})


def _subject(backend: str, values: tuple[object, ...], options: Mapping[str, object]) -> object:
    """Return the value of the backend's option `model`, the first value where it has none."""
    from composer.backends import BACKENDS

    arguments = {**dict(zip(BACKENDS[backend].model_fields, values, strict=False)), **options}
    return arguments.get("model", next(iter(values), None))


def _name_of(subject: object, backend: str) -> str:
    """Name a model after what it is: `general-1` becomes `general_1`."""
    path_end = backend if subject is None else str(subject).rstrip("/").rpartition("/")[2]
    word = re.sub(r"\W+", "_", path_end, flags=re.ASCII).strip("_") or backend
    return f"m_{word}" if word[0].isdigit() or word in RESERVED else word


def _call(
    function: str,
    values: tuple[object, ...],
    options: Mapping[str, object],
    models: Mapping[str, tree.Call],
) -> Expression:
    unnamed = [(None, as_expression(value)) for value in values]
    named = [(name.rstrip("_"), as_expression(value)) for name, value in options.items()]
    arguments = tuple(
        tree.Argument(name, expression.node, NOWHERE, NOWHERE)
        for name, expression in (*unnamed, *named)
    )
    parts = [expression for _, expression in (*unnamed, *named)]
    call = tree.Call(function, arguments, NOWHERE, NOWHERE)
    return _merged(call, Expression(call, models), *parts)


def _chain(left: Expression, right: Expression) -> Expression:
    stages = left.node.stages if isinstance(left.node, tree.Chain) else (left.node,)
    return _merged(tree.Chain((*stages, right.node), NOWHERE), left, right)


def _bank(branches: Sequence[tuple[str | None, Expression]]) -> Expression:
    parts = tuple(tree.Branch(name, expression.node, NOWHERE) for name, expression in branches)
    return _merged(tree.Branches(parts, NOWHERE), *(expression for _, expression in branches))


def _merged(node: tree.Expr, *parts: Expression) -> Expression:
    """Join pieces; two models of one name must be one model."""
    models: dict[str, tree.Call] = {}
    for part in parts:
        for name, call in part.models.items():
            if models.setdefault(name, call) != call:
                raise ValueError(
                    f"two models are called {name!r}: give one another name, "
                    f'such as `ens.model("{name}_2", ...)`'
                )
    return Expression(node, models)


def _is_condition(node: tree.Expr) -> bool:
    return isinstance(node, tree.Binary | tree.Unary) and node.op in LOGIC


def _string(text: str) -> tree.String:
    return tree.String(text, "\n" in text, NOWHERE)


def _literal(value: object) -> tree.Expr:
    match value:
        case None:
            return tree.Null(NOWHERE)
        case bool():
            return tree.Boolean(value, NOWHERE)
        case int() | float():
            return tree.Number(value, NOWHERE)
        case _:
            raise TypeError(f"a recipe cannot hold {value!r}")
