"""Options as text, in the notation of the language."""

from __future__ import annotations

import re

from composer.diagnostics.amounts import number_text
from composer.diagnostics.secrets import starred
from composer.methods import Rule, Template
from composer.values import Model, Typed
from composer.values.typed import Variables

PATH = re.compile(r"[^\s{}]*/[^\s{}]*")
"""A text that names a file in a folder."""

BREAKS = str.maketrans({"\n": r"\n", "\t": r"\t", "\r": r"\r"})
"""How white space is written between quotes."""

SHOWN = 48
"""Characters of a long text that a plan shows."""


def option_text(value: object) -> str:  # noqa: PLR0911 - a case a kind of value
    """Write an option's value as a recipe would."""
    match value:
        case bool():
            return "true" if value else "false"
        case None:
            return "none"
        case float():
            return number_text(value)
        case Template():
            return quoted(value.text)
        case Typed():
            return _part(value)
        case Model():
            return value.name
        case Rule():
            return value.written(option_text)
        case int():
            return str(value)
        case tuple():
            return f"[{', '.join(option_text(item) for item in value)}]"
        case _:
            return quoted(str(value))


def declared_text(part: Typed) -> str:
    """Write a declared model with the options that its declaration sets."""
    names = [name for name in type(part).model_fields if name in part.model_fields_set]
    values = [_value(part, name) for name in names]
    unnamed = [values[0]] if values and names[0] == part.positional()[0] else []
    named = [f"{n} = {v}" for n, v in zip(names, values, strict=True)][len(unnamed) :]
    return f"{part.name}({', '.join(unnamed + named)})"


def _value(part: Typed, name: str) -> str:
    """Write an option's value; one with names of its own as the language writes these."""
    value = getattr(part, name)
    if type(part).model_fields[name].annotation == Variables:
        return f"[{', '.join(f'{key}: {option_text(item)}' for key, item in value)}]"
    return option_text(value)


def quoted(text: str) -> str:
    """Write a text in quotes on one line, cut where it is long; paths and short texts are whole.

    White space alone, such as a line break that ends a step, is written as the language has it.
    """
    text = starred(text)
    if text.isspace() and len(text) <= SHOWN:
        return f'"{text.translate(BREAKS)}"'
    if PATH.fullmatch(text):
        return f'"{text}"'
    flat = text if len(text) <= SHOWN and text.isprintable() else " ".join(text.split())
    return f'"{flat[: SHOWN - 3]}..."' if len(flat) > SHOWN else f'"{flat}"'


def _part(part: Typed) -> str:
    fields = {name: getattr(part, name) for name in type(part).model_fields}
    shown = [f"{name} = {option_text(value)}" for name, value in fields.items()]
    return f"{part.name}({', '.join(shown)})"
