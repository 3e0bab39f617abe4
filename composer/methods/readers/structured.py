"""What stands in a structure: a value of JSON, or a block of code."""

import re
from typing import ClassVar

from pydantic import Field, field_validator

from composer.methods.json_schema import json_in, json_text, readable_schema, schema_text, violation
from composer.methods.readers.basic import Reader, item_at
from composer.values import JSON, MaybeFile

_STEP = re.compile(r"\.?([^.\[\]]+)|\[(-?\d+)\]")
_FENCE = re.compile(r"[ \t]*(`{3,}|~{3,})[ \t]*([\w+#.-]*)[^`]*\Z")
_SAME = {
    "py": "python",
    "python3": "python",
    "js": "javascript",
    "ts": "typescript",
    "sh": "bash",
    "shell": "bash",
    "c++": "cpp",
    "postgresql": "sql",
    "sqlite": "sql",
    "mysql": "sql",
}


class JsonField(Reader):
    """A value of the JSON in a text: `json("answer.total")` or `json("items[0].name")`.

    The JSON is the whole text, else that of the last fenced block, else the first object or list,
    and in each case one that has the path. Without a path all of it is read. With `file`, JSON that
    does not follow this JSON Schema is passed over (extra `schema`); `null` abstains.
    """

    name: ClassVar[str] = "json"

    path: str = ""
    file: MaybeFile = None

    @field_validator("path")
    @classmethod
    def _is_path(cls, path: str) -> str:
        if "".join(match[0] for match in _STEP.finditer(path)) != path:
            raise ValueError(f"`{path}` is no path; write fields and places: `items[0].name`")
        return path

    @field_validator("file")
    @classmethod
    def _is_schema(cls, file: str | None) -> str | None:
        return None if file is None else readable_schema(file)

    def read(self, text: str) -> str | None:
        """Return a string as it is, and other values as JSON."""
        schema = schema_text(self.file) if self.file else None
        values = (self._value(value, schema) for (value,) in json_in(text))
        value = next(filter(None, values), (None,))[0]
        return None if value is None else json_text(value).strip() or None

    def _value(self, value: JSON, schema: str | None) -> tuple[JSON] | None:
        """Return what stands at the path; None where the JSON has no such place."""
        if schema is not None and violation(schema, value, str(self.file)):
            return None
        for match in _STEP.finditer(self.path):
            inner = _inside(value, match[1], match[2])
            if inner is None:
                return None
            (value,) = inner
        return (value,)


def _inside(value: JSON, name: str | None, place: str | None) -> tuple[JSON] | None:
    """Return the value of a field or at a place; a number with a point before it is a place too."""
    if isinstance(value, dict) and name is not None:
        return (value[name],) if name in value else None
    place = name if place is None else place
    if isinstance(value, list) and place is not None and re.fullmatch(r"-?\d+", place):
        at = int(place)
        return (value[at],) if -len(value) <= at < len(value) else None
    return None


class Code(Reader):
    """A fenced block of code: the last one, or `which`, counted from 0.

    With a `language`, only blocks that are marked with it count, or with another name of it, such
    as `py` for `python`; where no block is marked at all, all of them count. A block that is never
    closed abstains.
    """

    name: ClassVar[str] = "code"

    language: str | None = Field(default=None, min_length=1)
    which: int = -1

    def read(self, text: str) -> str | None:
        """Return what stands between the fences."""
        blocks = [(language_of(name), code) for name, code in fenced_blocks(text)]
        if self.language is not None and any(language for language, _ in blocks):
            wanted = language_of(self.language)
            blocks = [(language, code) for language, code in blocks if language == wanted]
        code = item_at([code.rstrip() for _, code in blocks], self.which)
        return code if code and code.strip() else None


def fenced_blocks(text: str) -> list[tuple[str, str]]:
    """Return the language and the text of each fenced block that is closed; one pass."""
    blocks, lines, fence, language = [], [""], "", ""
    for line in text.splitlines():
        match = _FENCE.match(line)
        if not fence and match:
            fence, language, lines = match[1], match[2], []
        elif fence and match and not match[2] and match[1].startswith(fence):
            blocks.append((language, "\n".join(lines)))
            fence = ""
        else:
            lines.append(line)
    return blocks


def language_of(name: str) -> str:
    """Return the language that the mark of a block names, such as `python` for `py`."""
    low = name.lower()
    return _SAME.get(low, low)
