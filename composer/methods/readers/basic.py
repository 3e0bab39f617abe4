r"""How an answer is read out of a text: the number, the letter, what stands in \boxed{}.

A reader that finds nothing gives None: the answer abstains, and does not vote.
"""

from __future__ import annotations

import re
from abc import abstractmethod
from typing import TYPE_CHECKING, ClassVar, Literal, TypeVar

from pydantic import Field, field_validator, model_validator

from composer.methods.patterns import matches_of, readable_pattern
from composer.metrics.numbers import plain_number
from composer.values import Typed

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from composer.values import Asker, Text

T = TypeVar("T")

_WORDED = re.compile(r"\\(?:text|mathrm|mathbf|textbf|textit|mathit|textrm)\s*\{([^{}]*)\}\.?")
_ENDS = re.compile(r"[\s*`]*\.?[\s*`]*\Z")
_BRACES = re.compile(r"\\.|[{}]", re.DOTALL)


class Reader(Typed):
    """How an answer is read out of a text."""

    @abstractmethod
    def read(self, text: str) -> str | None:
        """Return the answer that the text gives, None if it gives none."""

    def read_answer(self, text: str, fields: Mapping[str, object]) -> str | None:
        """Return the same, for a reader that looks at the fields of the question too."""
        del fields
        return self.read(text)

    async def read_all(self, texts: Sequence[Text], ask: Asker) -> list[str | None]:
        """Return what each of some answers gives; one that is slow reads them side by side."""
        del ask
        return [self.read_answer(text.text, text.query.root.fields) for text in texts]


class Pattern(Reader):
    r"""The match of a regular expression, such as `pattern("#### (.+)")`.

    `group` is the group that is read; without groups, the whole match is read. `which` is the match
    to read, counted from 0, or from the end with -1.
    """

    name: ClassVar[str] = "pattern"

    regex: str
    group: int = Field(default=1, ge=0)
    which: int = 0

    @field_validator("regex")
    @classmethod
    def _compiles(cls, regex: str) -> str:
        return readable_pattern(regex)

    @model_validator(mode="after")
    def _has_group(self) -> Pattern:
        from composer.sandbox.patterns import compile_pattern

        groups = compile_pattern(self.regex).groups
        if self.group > max(groups, 1):
            raise ValueError(
                f"the pattern has no group {self.group}; its number of groups is {groups}"
            )
        return self

    def read(self, text: str) -> str | None:
        """Return the group of the match, without spaces at its ends."""
        from composer.sandbox.patterns import compile_pattern

        match = item_at(matches_of(self.regex, text), self.which)
        group = match and match.group(min(self.group, compile_pattern(self.regex).groups))
        return group.strip() if group else None


class Number(Reader):
    r"""The last number of the text, in a standard form: `$1,250.00` is read as 1250.

    Signs, currencies, units, thousands, fractions, powers of ten and TeX are read as people write
    them: `-$4.50` is -4.5, `12 km` is 12, `$1.2M` is 1200000, `\frac{3}{4}` is 0.75 and `1/3` stays
    1/3. A number whose value is unclear abstains: `3,14`, `\sqrt{2}`, `12:30`. `50%` is read as 50,
    and as 0.5 with `percent = "share"`.
    """

    name: ClassVar[str] = "number"

    percent: Literal["points", "share"] = "points"

    def read(self, text: str) -> str | None:
        """Return the number without thousands separators, trailing zeros or a plus."""
        return plain_number(text, share=self.percent == "share")


class Boxed(Reader):
    r"""The content of the last \boxed{...}, which may itself contain braces."""

    name: ClassVar[str] = "boxed"

    def read(self, text: str) -> str | None:
        """Return the content of the last box that is closed, without what only sets it."""
        boxes = _boxes(text)
        if not boxes:
            return None
        inside = boxes[max(boxes)].replace("{,}", ",")
        worded = _WORDED.fullmatch(inside)
        return worded[1].strip() if worded else inside


class Line(Reader):
    """One line of the text, without empty lines: the last one, or `which`, counted from 0."""

    name: ClassVar[str] = "line"

    which: int = -1

    def read(self, text: str) -> str | None:
        """Return the line without spaces at its ends."""
        return item_at([line.strip() for line in text.splitlines() if line.strip()], self.which)


class After(Reader):
    """The rest of the line after the last `marker`, such as `The answer is 12`."""

    name: ClassVar[str] = "after"

    marker: str = Field(default="answer", min_length=1)

    def read(self, text: str) -> str | None:
        """Return what follows the marker, without `is`, colons, bold and a full stop at its ends.

        Where nothing stands behind it on its own line, the next line that says something is read.
        """
        edges = r"(?<!\w)" if self.marker[0].isalnum() else ""
        ends = r"(?!\w)" if self.marker[-1].isalnum() else ""
        markers = list(re.finditer(edges + re.escape(self.marker) + ends, text, re.IGNORECASE))
        if not markers:
            return None
        rest = re.sub(r"\A(?:[\s:=*]|is\b)+", "", text[markers[-1].end() :])
        lines = rest.splitlines()
        return (_ENDS.sub("", lines[0].strip().lstrip("*`")) or None) if lines else None


class Whole(Reader):
    """The whole text, without spaces at its ends; an empty text abstains.

    With `as_written`, spaces at the ends count, and an empty text is an answer: so the values of a
    program are compared.
    """

    name: ClassVar[str] = "whole"

    as_written: bool = False

    def read(self, text: str) -> str | None:
        """Return the text."""
        return text if self.as_written else text.strip() or None


def item_at(items: Sequence[T], which: int) -> T | None:
    """Return an item, counted from 0, or from the end with -1; None where there is none."""
    return items[which] if -len(items) <= which < len(items) else None


def _boxes(text: str) -> dict[int, str]:
    """Return what stands in each box that is closed, by where it begins; one pass over a text."""
    starts = {match.end() for match in re.finditer(r"\\f?boxed\s*\{", text)}
    contents, open_ = {}, []
    for match in _BRACES.finditer(text):
        if match[0] == "{":
            open_.append(match.end())
        elif match[0] == "}" and open_:
            start = open_.pop()
            if start in starts:
                contents[start] = text[start : match.start()].strip()
    return contents
