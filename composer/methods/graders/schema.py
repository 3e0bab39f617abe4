"""A grader of JSON: whether an answer is valid by a JSON Schema, and whether a field is right."""

import json
import re
from collections.abc import Iterator, Mapping
from functools import lru_cache
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from pydantic import field_validator

from composer import metrics
from composer.methods.extraction import matches_of
from composer.methods.graders.base import NO_REFERENCE, Grade, Grader, Submission
from composer.methods.mistakes import PartError
from composer.values import JSON, FilePath

if TYPE_CHECKING:
    from jsonschema.exceptions import ValidationError
    from jsonschema.protocols import Validator

__all__ = ["Schema"]

_FENCED = re.compile(r"```[\w-]*[ \t]*\n(.*?)```", re.DOTALL)
_STARTS = re.compile(r"[{\[]")
_TRIED = 100
"""How many brackets of a text are tried as the begin of its JSON."""
_SHOWN = 200
"""Characters of JSON or of a mistake that a grade shows."""


class Schema(Grader):
    """The answer holds JSON that is valid by a JSON Schema: `schema("answer.schema.json")`.

    The JSON is the whole answer, else the last fenced block, else the first object or list in the
    text. With a `field`, such as `"total"` or `"address.city"`, its value must also be that of a
    reference. Needs the extra `schema`.
    """

    name: ClassVar[str] = "schema"

    file: FilePath
    field: str | None = None

    @field_validator("file")
    @classmethod
    def _is_schema(cls, file: str) -> str:
        if find_spec("jsonschema") is None:
            install = "pip install 'ensemble-composer[schema]'"
            raise ValueError(f"JSON schemas need the extra `schema`: {install}")
        if Path(file).exists():  # one that is missing is a mistake of the path
            _validator(file)
        return file

    @property
    def compares(self) -> bool:
        """Whether a field is compared with the reference."""
        return self.field is not None

    def measure(self, submission: Submission) -> Grade:
        """Return 1 for JSON that is valid and has the right value, else 0 with the reason."""
        if self.field is not None and not submission.references:
            return NO_REFERENCE
        value = next(_json_in(submission.answer), None)
        if value is None:
            return Grade(0.0, reason="the answer holds no JSON")
        shown = json.dumps(value[0], ensure_ascii=False)[:_SHOWN]
        problem = _problem(self.file, value[0])
        if problem or self.field is None:
            return Grade(float(not problem), shown, None, problem)
        return _compared(value[0], self.field, submission.references)


def _compared(value: JSON, field: str, references: tuple[str, ...]) -> Grade:
    """Compare the value of a field with references."""
    for name in field.split("."):
        if not isinstance(value, dict) or name not in value:
            return Grade(0.0, None, references[0], f"the JSON has no field `{field}`")
        value = value[name]
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    for reference in references:
        if _same(value, text, reference):
            return Grade(1.0, text[:_SHOWN], reference)
    return Grade(0.0, text[:_SHOWN], references[0])


def _same(value: JSON, text: str, reference: str) -> bool:
    if isinstance(value, dict | list):
        return any(each == value for (each,) in _parsed(reference))
    same = metrics.numeric if metrics.number(reference) is not None else metrics.exact
    return same(text, reference)


def _json_in(text: str) -> Iterator[tuple[JSON]]:
    """Yield the JSON that a text may mean, the likeliest first, each in a tuple."""
    yield from _parsed(text)
    for block in reversed(_FENCED.findall(text)):
        yield from _parsed(block)
    for start in [match.start() for match in _STARTS.finditer(text)][:_TRIED]:
        try:
            yield (_DECODER.raw_decode(text, start)[0],)
        except (ValueError, RecursionError):
            continue


def _parsed(text: str) -> Iterator[tuple[JSON]]:
    try:
        yield (_DECODER.decode(text.strip()),)
    except (ValueError, RecursionError):
        return


def _no_number(name: str) -> None:
    raise ValueError(f"`{name}` is no JSON")


_DECODER = json.JSONDecoder(parse_constant=_no_number)


def _problem(file: str, value: JSON) -> str:
    """Say where JSON is not valid and why; empty where it is."""
    from jsonschema.exceptions import best_match
    from referencing.exceptions import Unresolvable

    try:
        error = best_match(_validator(file).iter_errors(value))
    except RecursionError:
        return "the JSON is nested too deep"
    except Unresolvable as unresolvable:
        message = f"the schema `{file}` refers to {unresolvable.ref}, which is not in that file"
        raise PartError("E501", message, "copy it into `$defs` of the schema") from None
    if error is None:
        return ""
    return f"{error.json_path}: {error.message}"[:_SHOWN]


def _validator(file: str) -> "Validator":
    """Read a schema as it is now; raises ValueError where it is none."""
    return _read(file, Path(file).stat().st_mtime_ns)


@lru_cache(maxsize=16)
def _read(file: str, _written: int) -> "Validator":
    """Read a schema that was written at some time. Nothing outside of the file is read."""
    from jsonschema.exceptions import SchemaError
    from jsonschema.validators import Draft202012Validator, extend, validator_for
    from referencing import Registry

    try:
        schema = json.loads(Path(file).read_text(encoding="utf-8"))
        kind = validator_for(schema, default=Draft202012Validator)
        kind.check_schema(schema)
    except (OSError, ValueError, RecursionError) as error:
        raise ValueError(f"`{file}` is no JSON: {error}") from None
    except SchemaError as error:
        raise ValueError(f"`{file}` is no JSON Schema: {error.message}") from None
    keywords = {"pattern": _pattern, "patternProperties": _pattern_properties}
    limited: type[Validator] = extend(kind, keywords)  # type: ignore[no-untyped-call]
    return limited(schema, registry=Registry())


def _pattern(
    validator: "Validator", pattern: str, instance: JSON, schema: JSON
) -> "Iterator[ValidationError]":
    """Check `pattern` under the limits of the sandbox."""
    from jsonschema.exceptions import ValidationError

    del validator, schema
    if isinstance(instance, str) and not matches_of(pattern, instance):
        yield ValidationError(f"{instance!r} does not match {pattern!r}")


def _pattern_properties(
    validator: "Validator", patterns: Mapping[str, JSON], instance: JSON, schema: JSON
) -> "Iterator[ValidationError]":
    """Check `patternProperties` under the limits of the sandbox."""
    del schema
    fields = instance.items() if isinstance(instance, dict) else ()
    for pattern, inner in patterns.items():
        for name, value in fields:
            if matches_of(pattern, name):
                yield from validator.evolve(schema=inner).iter_errors(value)
