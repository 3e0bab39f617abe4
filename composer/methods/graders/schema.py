"""A grader of JSON: whether an answer is valid by a JSON Schema, and whether a field is right."""

import json
from typing import ClassVar

from pydantic import field_validator

from composer import metrics
from composer.methods.graders.base import NO_REFERENCE, Grade, Grader, Submission
from composer.methods.json_schema import json_in, parsed, readable_schema, schema_text, violation
from composer.values import JSON, FilePath

__all__ = ["Schema"]

_SHOWN = 200
"""Characters of JSON that a grade shows."""


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
        return readable_schema(file)

    @property
    def compares(self) -> bool:
        """Whether a field is compared with the reference."""
        return self.field is not None

    def measure(self, submission: Submission) -> Grade:
        """Return 1 for JSON that is valid and has the right value, else 0 with the reason."""
        if self.field is not None and not submission.references:
            return NO_REFERENCE
        value = next(json_in(submission.answer), None)
        if value is None:
            return Grade(0.0, reason="the answer holds no JSON")
        shown = json.dumps(value[0], ensure_ascii=False)[:_SHOWN]
        problem = violation(schema_text(self.file), value[0], self.file)
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
        return any(each == value for (each,) in parsed(reference))
    same = metrics.numeric if metrics.number(reference) is not None else metrics.exact
    return same(text, reference)
