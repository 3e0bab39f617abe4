"""JSON Schemas, of the optional package jsonschema: reading one, and holding JSON against it."""

from __future__ import annotations

import json
import re
from functools import lru_cache
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from composer.methods.mistakes import PartError
from composer.methods.patterns import matches_of
from composer.values import AnswerSchema, ModelError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from jsonschema.exceptions import ValidationError
    from jsonschema.protocols import Validator

    from composer.values import JSON

__all__ = [
    "DECODER",
    "answer_schema",
    "json_in",
    "json_text",
    "parsed",
    "readable_schema",
    "require_schema",
    "schema_text",
    "violation",
]

_MISSING = "JSON schemas need the extra `schema`: pip install 'ensemble-composer[schema]'"
"""What is wrong where jsonschema is not installed."""

_FENCED = re.compile(r"```[\w-]*[ \t]*\n(.*?)```", re.DOTALL)
_STARTS = re.compile(r"[{\[]")
_TRIED = 100
"""How many brackets of a text are tried as the begin of its JSON."""

_SHOWN = 200
"""Characters of a mistake that are shown."""


def _no_number(name: str) -> None:
    raise ValueError(f"`{name}` is no JSON")


DECODER = json.JSONDecoder(parse_constant=_no_number)
"""Reads JSON without the `NaN` and `Infinity` of Python."""


def schema_text(source: str | AnswerSchema) -> str:
    """Return a schema, or what is in a file now; raises ValueError where that is none."""
    if find_spec("jsonschema") is None:
        raise ValueError(_MISSING)
    try:
        if isinstance(source, AnswerSchema):
            text = source.text
        else:
            text = Path(source).read_text(encoding="utf-8")
        _validator(text)
    except (OSError, ValueError, RecursionError) as error:
        name = "this" if isinstance(source, AnswerSchema) else f"`{source}`"
        problem = "it is nested too deep" if isinstance(error, RecursionError) else error
        raise ValueError(f"{name} is no JSON Schema: {problem}") from None
    return text


def readable_schema(file: str) -> str:
    """Return the file of a schema; raises ValueError where it holds none.

    A file that is missing is left to those who look the path up.
    """
    if find_spec("jsonschema") is None or Path(file).exists():
        schema_text(file)
    return file


def answer_schema(file: str) -> AnswerSchema:
    """Return what answers must follow; raises PartError (E504) where the file holds no schema."""
    try:
        text = schema_text(file)
    except ValueError as error:
        raise PartError("E504", str(error)) from None
    return AnswerSchema(json.dumps(json.loads(text), ensure_ascii=False))


def require_schema(answer: str, schema: AnswerSchema, who: str, *, cut: bool = False) -> None:
    """Raise ModelError (E720) where an answer is not JSON that follows a schema.

    `cut` says that the answer ended because it had `max_tokens`.
    """
    try:
        problem = violation(schema.text, DECODER.decode(answer.strip()), "schema")
    except (ValueError, RecursionError) as error:
        problem = f"it is not JSON: {error}"
    if problem:
        help_ = "raise `max_tokens`: the answer is cut off" if cut else "add a fallback: `A | B`"
        raise ModelError(
            "E720", f"the answer of `{who}` does not follow the schema: {problem}", help_
        )


def json_in(text: str) -> Iterator[tuple[JSON]]:
    """Yield the JSON that a text may mean, the likeliest first, each in a tuple.

    What stands inside of other JSON is not yielded.
    """
    whole = next(parsed(text), None)
    if whole is not None:
        yield whole
        return
    for block in reversed(_FENCED.findall(text)):
        yield from parsed(block)
    end = 0
    for start in [match.start() for match in _STARTS.finditer(text)][:_TRIED]:
        if start < end:
            continue
        try:
            value, end = DECODER.raw_decode(text, start)
        except (ValueError, RecursionError):
            continue
        yield (value,)


def parsed(text: str) -> Iterator[tuple[JSON]]:
    """Yield the JSON that a text is, in a tuple; nothing for any other text."""
    try:
        yield (DECODER.decode(text.strip()),)
    except (ValueError, RecursionError):
        return


def json_text(value: JSON) -> str:
    """Return a string of JSON as it is, and any other value as JSON, its fields in order."""
    if isinstance(value, str):
        return value
    return json.dumps(value, ensure_ascii=False, sort_keys=True)


def violation(schema: str, value: JSON, name: str) -> str:
    """Say where JSON does not follow a schema, and why; empty where it does.

    Raises PartError (E501) where the schema, which the message calls `name`, refers to another one.
    """
    from jsonschema.exceptions import best_match
    from referencing.exceptions import Unresolvable

    try:
        error = best_match(_validator(schema).iter_errors(value))
    except RecursionError:
        return "the JSON is nested too deep"
    except Unresolvable as unresolvable:
        message = f"the schema `{name}` refers to {unresolvable.ref}, which is not in that file"
        raise PartError("E501", message, "copy it into `$defs` of the schema") from None
    return "" if error is None else f"{error.json_path}: {error.message}"[:_SHOWN]


@lru_cache(maxsize=16)
def _validator(text: str) -> Validator:
    """Read a schema; raises ValueError where it is none. Nothing outside of it is read."""
    from jsonschema.exceptions import SchemaError
    from jsonschema.validators import Draft202012Validator, extend, validator_for
    from referencing import Registry

    schema = json.loads(text)
    kind = validator_for(schema, default=Draft202012Validator)
    try:
        kind.check_schema(schema)
    except SchemaError as error:
        raise ValueError(error.message) from None
    keywords = {"pattern": _pattern, "patternProperties": _pattern_properties}
    limited: type[Validator] = extend(kind, keywords)  # type: ignore[no-untyped-call]
    return limited(schema, registry=Registry())


def _pattern(
    validator: Validator, pattern: str, instance: JSON, schema: JSON
) -> Iterator[ValidationError]:
    """Check `pattern` under the limits of the sandbox."""
    from jsonschema.exceptions import ValidationError

    del validator, schema
    if isinstance(instance, str) and not matches_of(pattern, instance):
        yield ValidationError(f"{instance!r} does not match {pattern!r}")


def _pattern_properties(
    validator: Validator, patterns: Mapping[str, JSON], instance: JSON, schema: JSON
) -> Iterator[ValidationError]:
    """Check `patternProperties` under the limits of the sandbox."""
    del schema
    fields = instance.items() if isinstance(instance, dict) else ()
    for pattern, inner in patterns.items():
        for name, value in fields:
            if matches_of(pattern, name):
                yield from validator.evolve(schema=inner).iter_errors(value)
