r"""How an answer is read out of a text: the number, the letter, what stands in \boxed{}.

A reader that finds nothing gives None: the answer abstains, and does not vote.
"""

import re
from abc import abstractmethod
from functools import lru_cache
from typing import TYPE_CHECKING, ClassVar

from pydantic import Field, field_validator, model_validator

from composer.diagnostics.amounts import counted
from composer.methods.mistakes import PartError
from composer.metrics.numbers import plain_number
from composer.values import Typed

if TYPE_CHECKING:
    from regex import Match

_WORDED = re.compile(r"\\(?:text|mathrm|mathbf|textbf|textit|mathit|textrm)\s*\{([^{}]*)\}\.?")
_ENDS = re.compile(r"[\s*`]*\.?[\s*`]*\Z")
_BRACES = re.compile(r"\\.|[{}]", re.DOTALL)


class Reader(Typed):
    """How an answer is read out of a text."""

    @abstractmethod
    def read(self, text: str) -> str | None:
        """Return the answer that the text gives, None if it gives none."""


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
    def _has_group(self) -> "Pattern":
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

        every = matches_of(self.regex, text)
        if not -len(every) <= self.which < len(every):
            return None
        group = every[self.which].group(min(self.group, compile_pattern(self.regex).groups))
        return group.strip() if group else None


class Number(Reader):
    r"""The last number of the text, in a standard form: `$1,250.00` is read as 1250.

    Signs, currencies, thousands, fractions, powers of ten and TeX are read as people write them:
    `-$4.50` is -4.5, `1{,}000` is 1000, `\frac{3}{4}` is 0.75 and `1/3` stays 1/3.
    """

    name: ClassVar[str] = "number"

    def read(self, text: str) -> str | None:
        """Return the number without thousands separators, trailing zeros or a plus."""
        return plain_number(text)


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


class Option(Reader):
    """The letter of a multiple-choice answer: the stated one, else the last single letter.

    A letter after `answer is` or `answer:`, or in a box, comes first, then letters in brackets or
    bold, then any single letter. The words "A" and "I" in a sentence are not options.
    """

    name: ClassVar[str] = "choice"

    options: str = Field(default="ABCD", min_length=1)

    def read(self, text: str) -> str | None:
        """Return the letter as `options` spells it."""
        text = re.sub(r"\s{2,}", lambda run: "\n" if "\n" in run[0] else " ", text)
        bare = text.strip().strip("().*[]:")
        if len(bare) == 1:
            return self._spelled(bare)
        for pattern in _letters(self.options):
            numbers = pattern.findall(text)
            if numbers:
                return self._spelled(str(numbers[-1]))
        return None

    def _spelled(self, letter: str) -> str | None:
        same = (one for one in self.options if one.casefold() == letter.casefold())
        return letter if letter in self.options else next(same, None)


class Line(Reader):
    """One line of the text, without empty lines: the last one, or `which`, counted from 0."""

    name: ClassVar[str] = "line"

    which: int = -1

    def read(self, text: str) -> str | None:
        """Return the line without spaces at its ends."""
        lines = [line.strip() for line in text.splitlines() if line.strip()]
        inside = -len(lines) <= self.which < len(lines)
        return lines[self.which] if inside else None


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
    """The whole text, without spaces at its ends; an empty text abstains."""

    name: ClassVar[str] = "whole"

    def read(self, text: str) -> str | None:
        """Return the text."""
        return text.strip() or None


def readable_pattern(regex: str) -> str:
    """Return a regular expression; raises ValueError where it is none, or too large."""
    from composer.sandbox.patterns import PatternError, compile_pattern

    try:
        compile_pattern(regex)
    except PatternError as error:
        where = "" if error.position is None else f" at character {error.position + 1}"
        raise ValueError(f"the pattern is not valid{where}: {error.message}") from None
    return regex


def matches_of(regex: str, text: str) -> "list[Match[str]]":
    """Return all matches in an answer; raises PartError where that takes too long."""
    from composer.sandbox.patterns import PatternTimeout, find_matches

    try:
        return find_matches(regex, text)
    except PatternTimeout:
        raise PartError(
            "E702",
            f"the pattern `{regex}` takes too long on an answer of "
            f"{counted(len(text), 'character')}",
            "change it so that no two of its repetitions can match the same characters",
        ) from None


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


@lru_cache(maxsize=64)
def _letters(options: str) -> tuple[re.Pattern[str], ...]:
    """Compile the ways in which a letter is given, the clearest first."""
    one = f"([{re.escape(options)}])"
    alone = one + r"(?![\w'\u2019])"
    # An option before a word is the article or the pronoun, unless the word speaks of the option.
    words = r"(?!\s+(?!(?:is|because|since|as|or|and)\b)[a-z])"
    return (
        re.compile(
            r"(?i:\b(?:answer|choice|option)\b(?:\s+is)?\s*[:=]?\s*|\\boxed\s*)"
            r"(?:\\(?:text|math)\w*\s*)?[(\[{*\"'$]*(?:\\(?:text|math)\w*\s*)?[(\[{*]*"
            + alone
            + words
        ),
        re.compile(
            r"(?i:\b(?:answer|choice|option)\b(?:\s+is)?\s*[:=]?\s*[(\[*]*" + one + ")"
            r"(?=[)\].*]*\s*$)",
            re.MULTILINE,
        ),
        re.compile(r"(?:[(\[{]|\*\*)\s*" + one + r"\s*(?:[)\]}]|\*\*|[.:)])"),
        re.compile(r"(?<![\w'\u2019])" + alone + (words if set(options) & {"A", "I"} else "")),
    )
