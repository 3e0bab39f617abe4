"""What is said of arguments and values that do not fit, pydantic's complaints among them."""

from __future__ import annotations

import typing
from dataclasses import replace
from typing import TYPE_CHECKING

from composer import methods
from composer.backends import BACKENDS
from composer.compiler.graph.option_types import (
    hint_of,
    is_kind,
    is_union,
    kind_name,
    required,
    type_text,
)
from composer.diagnostics import Diagnostic, Note, Place, did_you_mean, nearest
from composer.methods import kinds_of
from composer.specs.parts import kind_of
from composer.steps import STEPS
from composer.syntax import tree, unparse
from composer.values import Port
from composer.values.typed import Typed

if TYPE_CHECKING:
    from collections.abc import Iterable

    from pydantic import BaseModel
    from pydantic_core import ErrorDetails

    from composer.steps.declare import Step


def unknown_option(function: str, argument: tree.Argument, options: list[str]) -> Diagnostic:
    """Return the mistake of an option that a call does not have."""
    step = STEPS.get(function)
    fuse = step is not None and step.gives is Port.MODEL
    asking = fuse and argument.name in STEPS["generate"].public_options
    where = "give this option to the whole fuse: `let fused = ...`, `fused({} = ...)`"
    if function in BACKENDS:
        asking = argument.name in STEPS["generate"].public_options
        where = "give this option where the model is used: `A({} = ...)`"
    name = argument.name or ""
    help_ = where.format(name) if asking else _option_of_part(step, name, options)
    help_ = help_ or did_you_mean(name, options)
    return Diagnostic(
        "E203",
        f"`{function}` has no option `{argument.name}`",
        argument.name_place,
        "unknown option",
        help=help_ or "it has no options",
    )


def _option_of_part(step: Step | None, name: str, options: list[str]) -> str:
    """Say where an option belongs that a part of the step has; empty if none has, or one is near.

    Where several parts have it, the one that the step has by default is named.
    """
    if step is None or nearest(name, options) is not None:
        return ""
    holders: list[tuple[bool, str]] = []
    for option, field in step.public_options.items():
        parts = [
            part for kind in kinds_of(field.annotation) for part in methods.PARTS[kind].values()
        ]
        holders += [
            (isinstance(field.default, part), f"`{option} = {part.name}({name} = ...)`")
            for part in parts
            if name in part.model_fields
        ]
    best = max(holders, key=lambda holder: holder[0], default=None)
    return "" if best is None else f"it is an option of a part: {best[1]}"


def wrong_type(
    expr: tree.Expr, expected: str, among: Iterable[str] = (), help_: str = ""
) -> Diagnostic:
    """Return the mistake of a value of the wrong type."""
    names = ", ".join(f"`{name}`" for name in among)
    return Diagnostic(
        "E401",
        f"expected {expected}, found {describe(expr)}",
        expr.place,
        f"should be {expected}",
        help=f"one of: {names}" if names else help_,
    )


def named_value(branch: tree.Branch) -> Diagnostic:
    """Return the mistake of a list whose values have names."""
    text = "the values of a list cannot have names"
    return Diagnostic("E401", text, branch.place, "named", help="write the values alone, in order")


def no_key(expr: tree.Expr) -> Diagnostic:
    """Return the mistake of a key that is written out, or of a variable without `env`."""
    if not isinstance(expr, tree.Name):
        return written_secret(expr.place)
    help_ = f'write `env("{expr.id}")`'
    return wrong_type(expr, 'a variable of the environment, `env("NAME")`', help_=help_)


def written_secret(place: Place) -> Diagnostic:
    """Return the mistake of a secret that is written into a recipe; it is drawn as stars."""
    text, stars = place.source.text, "*" * (place.end - place.start)
    masked = replace(place.source, text=text[: place.start] + stars + text[place.end :])
    return Diagnostic(
        "E406",
        "this recipe contains a secret",
        Place(masked, place.start, place.end),
        "everybody who reads the file can read it",
        help='write `env("NAME")` instead, and replace the secret at the service',
    )


def acceptance_in_rule(call: tree.Call) -> Diagnostic:
    """Return the mistake of an acceptance inside of a condition."""
    name = call.function
    text = f"`{name}` decides by itself, and is no part of a condition"
    help_ = f"write `accept = {name}(...)` alone, or a condition over signals"
    return Diagnostic("E405", text, call.function_place, "decides by itself", help=help_)


def leads_back(expr: tree.Expr) -> Diagnostic:
    """Return the mistake of a value that is made of itself."""
    text = f"the definition of `{unparse(expr)}` uses itself"
    return Diagnostic("E205", text, expr.place, "uses itself")


SIGNAL = "signal"
"""The kind of parts that stand in conditions, and not alone in an option."""

EMPTY = "string_too_short"
"""How pydantic calls a text that has too few letters; we ask for one at least."""


def describe(expr: tree.Expr) -> str:
    """Name what an expression is."""
    names = {
        tree.String: "a text",
        tree.Number: "a number",
        tree.Boolean: "`true` or `false`",
        tree.Branches: "a list",
        tree.Null: "`none`",
    }
    text = unparse(expr)
    kind = names.get(type(expr))
    return f"{kind}, `{text}`" if kind and len(text) < 40 else (kind or f"`{text}`")  # noqa: PLR2004


def _what_it_takes(option: str, kind: type[BaseModel]) -> str:
    """Say what to give to a missing option: its type, and the parts that fit."""
    if option not in kind.model_fields:
        return ""
    hint = hint_of(kind.model_fields[option])
    parts = [f"`{part}`" for each in kinds_of(hint) for part in methods.PARTS[each]]
    among = f": one of {', '.join(parts)}" if parts else ""
    return f"give `{option}`, {type_text(hint)}{among}"


def validation_mistake(
    error: ErrorDetails,
    kind: type[BaseModel],
    call: tree.Call | tree.Name,
    arguments: dict[str, tree.Argument],
) -> Diagnostic:
    """Put one of pydantic's errors into our words, at the argument that caused it."""
    option = str(error["loc"][0]) if error["loc"] else ""
    function = call.function if isinstance(call, tree.Call) else call.id
    if error["type"] == "missing":
        text = f"`{function}` needs `{option}`"
        help_ = _what_it_takes(option, kind)
        return Diagnostic("E206", text, call.place, f"`{option}` is missing", help=help_)
    place = arguments[option].value.place if option in arguments else call.place
    code, text, label = value_problem(error, kind)
    return Diagnostic(code, text, place, label)


def value_problem(error: ErrorDetails, kind: type[BaseModel]) -> tuple[str, str, str]:
    """Return one of pydantic's errors of a value in our words: the code, the text and a label."""
    option = str(error["loc"][0]) if error["loc"] else ""
    bounds = {"ge": "at least", "gt": "more than", "le": "at most", "lt": "less than"}
    limits = [f"{w} {error['ctx'][k]:g}" for k, w in bounds.items() if k in error.get("ctx", {})]
    if error["type"] == "value_error":
        why = str(error["ctx"]["error"])
        return "E402", f"`{option}`: {why}" if option else why, "cannot be used"
    if limits:
        text = f"`{option}` must be {' and '.join(limits)}"
        return "E402", text, f"is `{error['input']}`"
    if error["type"] == EMPTY:
        return "E402", f"`{option}` must not be an empty text", "is empty"
    field = kind.model_fields.get(option)
    expected = type_text(field.annotation) if field else "another value"
    return "E401", f"`{option}` must be {expected}", f"should be {expected}"


def too_many(
    call: tree.Call, argument: tree.Argument, room: int, options: Iterable[str]
) -> Diagnostic:
    """Return the mistake of an argument that finds no place."""
    values = "value" if room == 1 else "values"
    takes = f"at most {room} {values} without a name" if room else "no value without a name"
    listed = ", ".join(f"`{name}`" for name in options)
    help_ = f"use a name: {listed}" if listed else f"write `{call.function}()`"
    text = f"`{call.function}` takes {takes}"
    return Diagnostic("E206", text, argument.place, "one too many", help=help_)


def no_value(param: tree.Param) -> Diagnostic:
    """Return the mistake of a parameter that has no value."""
    help_ = f"set it: `--set {param.name}=...`, or write a value here: `= ...`"
    text = f"`{param.name}` has no value"
    return Diagnostic("E404", text, param.place, "declared without one", help=help_)


def given_twice(
    call: tree.Call, name: str, argument: tree.Argument, before: tree.Argument
) -> Diagnostic:
    """Return the mistake of an option that is given twice."""
    return Diagnostic(
        "E204",
        f"`{call.function}` is given `{name}` twice",
        argument.place,
        "again here",
        notes=(Note(before.place, "first given here"),),
    )


def no_part(call: tree.Call, kind: type[Typed], names: Iterable[str]) -> Diagnostic:
    """Return the mistake of a part that does not exist, or is one of another kind."""
    from composer.methods import find_part

    name, words = call.function, kind_name(kind)
    names = list(names)
    same = find_part(kind_of(kind), name) is not None
    words += " that fits here" if same else ""
    help_ = _other_kind(name) if nearest(name, names) is None and not same else ""
    help_ = "; ".join(filter(None, (help_, did_you_mean(name, names, keep_order=True))))
    text, label = f"`{name}` is not {words}", f"should be {words}"
    return Diagnostic("E209", text, call.function_place, label, help=help_)


def _other_kind(name: str) -> str:
    """Say of which kind a part is, and an option that takes it; empty where there is no part."""
    from composer.methods import parts

    table = parts()
    part = next((named[name] for named in table.values() if name in named), None)
    if part is None:
        return ""
    options = {step: STEPS[step].public_options for step in STEPS if not STEPS[step].sign}
    kind = kind_of(part)
    options |= {
        owner: cls.model_fields
        for other, named in table.items()
        for owner, cls in named.items()
        if other != kind
    }
    uses = (
        f"`{owner}({option} = {name}())`"
        for owner, fields in options.items()
        for option, field in fields.items()
        if _takes(field.annotation, part)
    )
    use = next(uses, "")
    if kind == SIGNAL:
        use = f"`cascade(D, accept = {name} >= 0.5)`"
    return f"`{name}` is {kind_name(part)}" + (f": write {use}" if use else "")


def _takes(hint: object, part: type[Typed]) -> bool:
    hint = required(hint)
    hints = typing.get_args(hint) if is_union(hint) else (hint,)
    return any(is_kind(single, Typed) and issubclass(part, single) for single in hints)


def no_sum(expr: tree.Expr) -> Diagnostic:
    """Return the mistake of an expression that is no weighted sum of scores."""
    return Diagnostic(
        "E405",
        f"`{unparse(expr)}` cannot be a term of a score",
        expr.place,
        "not a score",
        help="add and subtract scorers, and multiply them by numbers: `likely() - 0.1 * length()`",
    )


def no_rule(expr: tree.Expr) -> Diagnostic:
    """Return the mistake of an expression that is no condition."""
    return Diagnostic(
        "E405",
        f"expected a rule about signals, found {describe(expr)}",
        expr.place,
        "not a rule",
        help="write a comparison: `confidence >= 0.6`, `agreement > 0.5 and length < 200`",
    )
