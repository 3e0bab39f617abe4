"""What is wrong with the body of a request, in words of ours."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, get_args

from pydantic import BaseModel

from composer.diagnostics import did_you_mean
from composer.serve.errors import ProtocolError, refusal

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

__all__ = ["problem_of", "unreadable"]

WRONG_HEADER = "send a JSON object, with the header `Content-Type: application/json`"

SHOWN = 60
"""Characters of a value that a message repeats."""

LONGEST_PLACE = 80
"""Characters of the place of a value that are repeated."""

KINDS = {
    "string": "a text",
    "int": "a whole number",
    "int_from_float": "a whole number",
    "float": "a number",
    "bool": "true or false",
    "list": "a list",
    "dict": "an object",
    "model": "an object",
    "model_attributes": "an object",
}
"""What a field must be, by the kind of a type error."""

VALUES = {
    "greater_than": "above {gt}",
    "greater_than_equal": "at least {ge}",
    "less_than": "below {lt}",
    "less_than_equal": "at most {le}",
    "string_pattern_mismatch": "named by token ids in digits, such as `262`",
    "finite_number": "a finite number",
    "literal_error": "{expected}",
}
"""What a value must be, by the type of an error."""

WORDS = {
    "too_long": "at most {max_length:,} long, and has {actual_length:,}",
    "too_short": "at least {min_length} long, and is empty",
    "string_too_long": "at most {max_length:,} characters long",
    "string_too_short": "a text that is not empty",
    "string_unicode": "text in whole characters: this has half of one (a lone surrogate)",
}
"""What a text or a list must be, which a message does not repeat."""


def unreadable() -> ProtocolError:
    """Return the error of a body that no JSON can be read from."""
    text = "the body is no JSON in UTF-8, or it is nested too deep: send one JSON object"
    return ProtocolError("E801", text)


def problem_of(errors: Sequence[Mapping[str, Any]], body: type[BaseModel]) -> ProtocolError:
    """Return the error of a request, by the first problem that was noticed in its body.

    An unknown field goes before others: what it was meant to say may be missing elsewhere.
    """
    unknown = (each for each in errors if each["type"] == "extra_forbidden")
    error = next(unknown, errors[0])
    place = [each for each in error["loc"] if each != "body"]
    param = _param(place)[:LONGEST_PLACE]
    match error["type"]:
        case "json_invalid":
            return unreadable()
        case "not_honoured":
            message = f"`{error['ctx']['param']}` is not honoured: {error['ctx']['reason']}"
            return refusal(error["ctx"]["param"], message, code="E807")
        case "extra_forbidden":
            near = did_you_mean(str(place[-1])[:SHOWN], _names_at(place, body))
            return refusal(param, f"there is no field `{param}` here ({near})")
        case "missing" if place:
            return refusal(param, f"`{param}` is missing")
    if not place:
        return ProtocolError("E801", f"the body cannot be read: {WRONG_HEADER}")
    return refusal(param, f"`{param}` must be {_wanted(error)}")


def _names_at(place: Sequence[object], body: type[BaseModel]) -> Iterable[str]:
    """Return the names of the fields beside an unknown one."""
    fields = body.model_fields
    for name in place[:-1]:
        if isinstance(name, int):  # the place in a list has no name
            continue
        inner = list(_classes(fields.get(str(name))))
        fields = inner[0].model_fields if inner else {}
    return fields


def _classes(field: object) -> Iterable[type[BaseModel]]:
    annotation = getattr(field, "annotation", None)
    for each in (annotation, *get_args(annotation)):
        if isinstance(each, type) and issubclass(each, BaseModel):
            yield each


def _param(place: Sequence[object]) -> str:
    """Write a place in a body as clients know it: `messages[0].content`."""
    text = ""
    for each in place:
        if each == "[key]":
            continue
        text += f"[{each}]" if isinstance(each, int) else f".{each}"
    return text.removeprefix(".")


def _wanted(error: Mapping[str, Any]) -> str:
    """Say what a field must be, and what stands there where that is short."""
    kind, value = error["type"], error.get("input")
    context = error.get("ctx", {})
    context = {name: _plain_number(bound) for name, bound in context.items()}
    if kind in WORDS:
        return WORDS[kind].format(**context)
    if kind == "wrong_form":
        return f"{error['msg']}, not {_shown(value)}"
    wanted = KINDS.get(kind.removesuffix("_type"), VALUES.get(kind, "another value"))
    return f"{wanted.format(**context)}, not {_shown(value)}"


def _plain_number(bound: object) -> object:
    return int(bound) if isinstance(bound, float) and bound.is_integer() else bound


def _shown(value: object) -> str:
    """Return a value as a message repeats it."""
    if isinstance(value, list | dict):
        return "a list" if isinstance(value, list) else "an object"
    text = json.dumps(value[: SHOWN + 1] if isinstance(value, str) else value, default=str)
    return text if len(text) <= SHOWN else f"{text[:SHOWN]}..."
