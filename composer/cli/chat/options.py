"""`/set NAME=VALUE`: options of the questions that follow."""

from __future__ import annotations

import json
from dataclasses import fields, replace
from typing import TYPE_CHECKING, Any

from composer.diagnostics import did_you_mean
from composer.run import Failure
from composer.values.options import AnswerOptions

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["changed", "option_lines"]

NOT_HERE = ("schema", "prefix", "detail")
"""Options that are no words of a line."""

NAMES = tuple(each.name for each in fields(AnswerOptions) if each.name not in NOT_HERE)


def changed(options: AnswerOptions, words: str) -> AnswerOptions:
    """Return options with one of them set, or left to the recipe by `none`; raises Failure."""
    name, equals, value = (word.strip() for word in words.partition("="))
    if not equals or not value:
        raise Failure("E401", f"`{words}` sets nothing", "write `/set temperature=0.3`")
    if name not in NAMES:
        raise Failure("E202", f"there is no option `{name}`", did_you_mean(name, NAMES))
    unset = getattr(AnswerOptions(), name)
    new: Any = unset if value == "none" else _value(name, value)
    return replace(options, **{name: new})


def option_lines(options: AnswerOptions) -> Iterator[str]:
    """Yield the options that are set, or that none is."""
    for name in options.set_names:
        value = getattr(options, name)
        yield f"{name}={json.dumps(value, ensure_ascii=False)}"
    if not options.set_names:
        yield "nothing is set: the recipe's own options hold"


def _value(name: str, text: str) -> object:
    """Read a value: JSON, or a text as it is."""
    try:
        value = json.loads(text)
    except ValueError:
        value = text
    if name == "stop" and isinstance(value, str):
        return (value,)
    return _tuples(name, value)


def _tuples(name: str, value: object) -> object:
    """Return a value with tuples for lists; raises Failure for one that has an object in it."""
    if isinstance(value, dict):
        text = f"`{name}` cannot be an object: it is a number, a text, or a list of these"
        raise Failure("E401", text, "write a list, as in `/set logit_bias=[[262, -100]]`")
    return tuple(_tuples(name, each) for each in value) if isinstance(value, list) else value
