r"""How an answer is read out of a text: the number, the letter, what stands in \boxed{}.

A reader that finds nothing gives None: the answer abstains, and does not vote.
"""

import re
from abc import abstractmethod
from decimal import Decimal, InvalidOperation
from functools import lru_cache
from typing import ClassVar

from pydantic import Field, field_validator, model_validator

from composer.parts.mistakes import PartError
from composer.ports import Typed

_NUMBER = re.compile(
    r"(?<![\w.])[-+\u2212]?(?:\d{1,3}(?:,\d{3})+(?!\d)|\d+|(?=\.\d))(?:\.\d+)?(?:[eE][-+]?\d{1,3})?"
)
_BRACES = re.compile(r"\\.|[{}]", re.DOTALL)
_LONGEST = 300


class Reader(Typed):
    """How an answer is read out of a text."""

    @abstractmethod
    def read(self, text: str) -> str | None:
        """Return the answer that the text gives, None if it gives none."""


class Pattern(Reader):
    r"""What a regular expression matches, such as `pattern("#### (.+)")`.

    `group` is the group that is read; a pattern without groups is read whole. Of several matches
    `which` says the one, counted from 0, or from the end with -1.
    """

    name: ClassVar[str] = "pattern"

    regex: str
    group: int = Field(default=1, ge=0)
    which: int = 0

    @field_validator("regex")
    @classmethod
    def _compiles(cls, regex: str) -> str:
        from composer.sandbox.patterns import PatternError, compiled

        try:
            compiled(regex)
        except PatternError as error:
            where = "" if error.position is None else f" at its character {error.position + 1}"
            raise ValueError(f"the pattern cannot be read{where}: {error.message}") from None
        return regex

    @model_validator(mode="after")
    def _has_group(self) -> "Pattern":
        from composer.sandbox.patterns import compiled

        groups = compiled(self.regex).groups
        if self.group > max(groups, 1):
            raise ValueError(f"the pattern has no group {self.group}: it has {groups}")
        return self

    def read(self, text: str) -> str | None:
        """Return the group of the match, without spaces at its ends."""
        from composer.sandbox.patterns import PatternTimeout, compiled, matches

        try:
            every = matches(self.regex, text)
        except PatternTimeout:
            raise PartError(
                "E702",
                f"the pattern `{self.regex}` takes too long on an answer of {len(text)} characters",
                "write it so that no two of its repetitions can match the same characters",
            ) from None
        if not -len(every) <= self.which < len(every):
            return None
        found = every[self.which].group(min(self.group, compiled(self.regex).groups))
        return found.strip() if found else None


class Number(Reader):
    """The last number of the text, in one spelling: `$1,250.00` is read as 1250."""

    name: ClassVar[str] = "number"

    def read(self, text: str) -> str | None:
        """Return the number without thousands separators, trailing zeros or a plus."""
        found = _NUMBER.findall(text)
        return _plain_number(found[-1]) if found else None


class Boxed(Reader):
    r"""What stands in the last \boxed{...}, whatever braces it holds itself."""

    name: ClassVar[str] = "boxed"

    def read(self, text: str) -> str | None:
        """Return the content of the last box that is closed."""
        starts = [match.end() for match in re.finditer(r"\\f?boxed\s*\{", text)]
        boxes = (_inside(text, start) for start in reversed(starts))
        return next((box for box in boxes if box is not None), None)


class Option(Reader):
    """The letter of a multiple-choice answer: the stated one, else the last on its own.

    What `answer is`, `answer:` or a box states goes first, then letters in brackets or bold,
    then any that stands alone. The words "A" and "I" in a sentence are not options.
    """

    name: ClassVar[str] = "choice"

    options: str = Field(default="ABCD", min_length=1)

    def read(self, text: str) -> str | None:
        """Return the letter as `options` spells it."""
        bare = text.strip().strip("().*[]:")
        if len(bare) == 1:
            same = (letter for letter in self.options if letter.casefold() == bare.casefold())
            return next(same, None)
        for pattern in _letters(self.options):
            found = pattern.findall(text)
            if found:
                return str(found[-1])
        return None


class Line(Reader):
    """One line of the text, empty lines aside: the last one, or `which` counted from 0."""

    name: ClassVar[str] = "line"

    which: int = -1

    def read(self, text: str) -> str | None:
        """Return the line without spaces at its ends."""
        lines = [line.strip() for line in text.splitlines() if line.strip()]
        inside = -len(lines) <= self.which < len(lines)
        return lines[self.which] if inside else None


class After(Reader):
    """The rest of the line behind the last `marker`, such as `The answer is 12`."""

    name: ClassVar[str] = "after"

    marker: str = Field(default="answer", min_length=1)

    def read(self, text: str) -> str | None:
        """Return what follows the marker, without `is`, colons, bold and a full stop at its ends.

        Where nothing stands behind it on its own line, the next line that says something is read.
        """
        edges = r"(?<!\w)" if self.marker[0].isalnum() else ""
        ends = r"(?!\w)" if self.marker[-1].isalnum() else ""
        found = list(re.finditer(edges + re.escape(self.marker) + ends, text, re.IGNORECASE))
        if not found:
            return None
        rest = re.sub(r"\A(?:[\s:=*]|is\b)+", "", text[found[-1].end() :])
        lines = rest.splitlines()
        return (lines[0].strip().strip("*").removesuffix(".").strip() or None) if lines else None


class Whole(Reader):
    """The whole text without spaces at its ends; an empty text abstains."""

    name: ClassVar[str] = "whole"

    def read(self, text: str) -> str | None:
        """Return the text."""
        return text.strip() or None


def _plain_number(text: str) -> str | None:
    try:
        value = Decimal(text.replace(",", "").replace("\u2212", "-"))
    except InvalidOperation:
        return None
    if abs(value.adjusted()) > _LONGEST:
        return str(value.normalize())
    plain = f"{value:f}"
    plain = plain.rstrip("0").rstrip(".") if "." in plain else plain
    return "0" if not value else plain.removeprefix("+")


def _inside(text: str, start: int) -> str | None:
    """Return what stands before the brace that closes the one before `start`."""
    depth = 1
    for match in _BRACES.finditer(text, start):
        depth += {"{": 1, "}": -1}.get(match[0], 0)
        if not depth:
            return text[start : match.start()].strip()
    return None


@lru_cache(maxsize=64)
def _letters(options: str) -> tuple[re.Pattern[str], ...]:
    """Compile the three ways in which a letter is given, the clearest first."""
    one = f"([{re.escape(options)}])"
    alone = one + r"(?![\w'\u2019])"
    # An option before a word is the article or the pronoun, unless the word speaks of the option.
    words = r"(?!\s+(?!(?:is|because|since|as|or|and)\b)[a-z])"
    return (
        re.compile(
            r"(?i:\b(?:answer|choice|option)\b(?:\s+is)?\s*[:=]?\s*|\\boxed\s*)"
            r"(?:\\text\s*)?[(\[{*\"']*" + alone + words
        ),
        re.compile(r"(?:[(\[{]|\*\*)\s*" + one + r"\s*(?:[)\]}]|\*\*|[.:)])"),
        re.compile(r"(?<![\w'\u2019])" + alone + (words if set(options) & {"A", "I"} else "")),
    )
