"""How the letter of a multiple-choice answer is read out of prose."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, ClassVar

from pydantic import Field

from composer import metrics
from composer.methods.readers.basic import Reader

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

FIELDS = ("choices", "options")
"""The fields of a row in which the texts of its options are looked for."""

_FIRST = ord("A")
_SENTENCE = re.compile(r"(?<=[.!?;])\s+|\n+|\s(?=(?:so|therefore|thus|hence|but)\b)")


class Option(Reader):
    """The letter of a multiple-choice answer: the stated one, else the only one of the last hint.

    A stated letter comes first: `the answer is C`, `I choose (C)`, `C is correct`, or a box. Then
    letters in brackets or bold, then single letters. Letters that are ruled out (`not A but B`, `A
    is wrong`) do not count, nor do the words "A" and "I" of a sentence. Several letters, such as `A
    or B`, abstain; with `many` they are all read, in order: `AB`. Where the row has the texts of
    its options in a list `choices` or `options`, an answer may give a text instead of its letter.
    """

    name: ClassVar[str] = "choice"

    options: str = Field(default="ABCD", min_length=1)
    many: bool = False

    def read(self, text: str) -> str | None:
        """Return the letter as `options` spells it."""
        return self._letters(text, self.options)

    def read_answer(self, text: str, fields: Mapping[str, object]) -> str | None:
        """Return the letter that the text names, else that of the one option whose text it has."""
        texts = option_texts(fields)
        labels = "".join(chr(_FIRST + at) for at in range(len(texts)))
        letters = labels if len(labels) > len(self.options) else self.options
        whole = [at for at, each in enumerate(texts) if metrics.exact(text, each)]
        if len(whole) == 1:
            return letters[whole[0]]
        letter = self._letters(text, letters)
        if letter is not None or not texts:
            return letter
        inside = [at for at, each in enumerate(texts) if each and metrics.contains(text, each)]
        longest = [at for at in inside if not _is_part(texts[at], [texts[i] for i in inside])]
        return letters[longest[0]] if len(longest) == 1 else None

    def _letters(self, text: str, options: str) -> str | None:
        text = re.sub(r"\s{2,}", lambda run: "\n" if "\n" in run[0] else " ", text)
        bare = text.strip().strip("().*[]:")
        if len(bare) == 1:
            return _spelled(bare, options)
        letters = dict.fromkeys(
            filter(None, (_spelled(each, options) for each in _read(text, options)))
        )
        if len(letters) == 1:
            return next(iter(letters))
        return "".join(sorted(letters, key=options.index)) if letters and self.many else None


def option_texts(fields: Mapping[str, object]) -> list[str]:
    """Return the texts of a row's options, in order; none where the row has no such list."""
    for name in FIELDS:
        match fields.get(name):
            case list() | tuple() as texts:
                return [str(text) for text in texts]
            case dict() as texts:
                return [str(text) for text in texts.values()]
    return []


def _is_part(text: str, others: Sequence[str]) -> bool:
    """Whether a text stands inside another one, as `York` does in `New York`."""
    return any(text != other and metrics.contains(other, text) for other in others)


def _spelled(letter: str, options: str) -> str | None:
    same = (one for one in options if one.casefold() == letter.casefold())
    return letter if letter in options else next(same, None)


def _read(text: str, options: str) -> list[str]:
    """Return the letters that a text gives: several where it does not decide."""
    patterns = _patterns(options)
    for ruled_out in patterns.ruled_out:
        text = ruled_out.sub(" - ", text)
    if len({match[1] for match in patterns.label.finditer(text)}) > 1:
        text = patterns.label.sub(" ", text)
    stated = [match for pattern in patterns.stated for match in pattern.finditer(text)]
    if stated:
        return patterns.letters(max(stated, key=lambda match: match.start(1))[1])
    for hint in patterns.hints:
        for sentence in reversed(_SENTENCE.split(text)):
            letters = hint.findall(sentence)
            if letters:
                return letters
    return []


@dataclass(frozen=True)
class _Patterns:
    """The ways in which some letters are given. The first group of a statement has them.

    `label` is a letter before an option that the text repeats on a line of its own.
    """

    options: str
    ruled_out: tuple[re.Pattern[str], ...]
    label: re.Pattern[str]
    stated: tuple[re.Pattern[str], ...]
    hints: tuple[re.Pattern[str], ...]

    def letters(self, text: str) -> list[str]:
        """Return the letters of a list such as `(A) and (B)`."""
        if len(text) == 1:
            return [text]
        return re.findall(rf"(?<!\w)[{re.escape(self.options)}](?!\w)", text)


_END = r"(?![\w'\u2019])"
_TEX = r"(?:\\(?:text|math)\w*\s*)?"
_OPENED = (
    r"(?i:the\s+)?(?i:(?:option|choice|answer|letter)s?\s+)?[(\[{*\"'`$]{0,6}"
    rf"{_TEX}[(\[{{*]{{0,6}}"
)
_CLOSED = r"[)\]}*\"'`$]{0,6}"
_BE = (
    r"(?:\s+(?:is|are|was|be|(?:should|must|would|will|has to|seems to|appears to) be)(?:\s+"
    r"(?:therefore|thus|clearly|definitely|most likely|likely|probably|simply|then|indeed|both|"
    r"either|actually|also))?)"
)
_VERDICT = (
    r"\s+(?i:(?:is|are|(?:must|should|would) be|seems|remains)\s+(?:(?:both|clearly|indeed|"
    r"definitely|therefore|thus|also|probably)\s+)?(?:(?:the|my)\s+)?(?:(?:only|most|final)\s+)?"
    r"(?:correct|right|best|better|true|answer|accurate|appropriate|likely)\b)"
)
_WRONG = (
    r"\s+(?i:(?:is|are|was|were|seems?|looks?|(?:must|would) be)\s+(?:(?:also|clearly|both|simply|"
    r"definitely|probably)\s+)?(?:not|incorrect|wrong|false|untrue|impossible|ruled out|"
    r"eliminated|excluded|irrelevant|unlikely|out)\b|(?:is|are|was|ca|does|do|wo)n['\u2019]t\b|"
    r"cannot\b|does not\b|do not\b|fails?\b)"
)
_WITHOUT = (
    r"(?i:(?:\bnot|n['\u2019]t|\bcannot)(?:\s+(?:be|say|choose|pick|select|call))?\b|"
    r"\brather than|\binstead of|\bunlike|\bnor|"
    r"\bexcept(?: for)?|\brul(?:e|ed|es|ing) out|\beliminat\w+|\bexclud\w+|\breject\w*|"
    r"\bdiscard\w*|\bdismiss\w*|\bneither|\bnone of|\bother than|\bbetter than|\bover)"
)
_CHOSEN = (
    r"(?i:\b(?:choos(?:e|ing)|chose|pick(?:ing)?|select(?:ing)?|go(?:ing)? with|opt(?:ing)? for|"
    r"vote for|settle on|narrows? (?:it )?down to|leaves(?: us with)?)\s+)"
)
_TURNED = r"(?i:\b(?:actually|rather),?\s+it(?:['\u2019]s|\s+is|\s+(?:must|should) be)\s+)"
_THING = r"(?:vitamin|plan|type|group|grade|class|hepatitis|figure|table|section|point|segment)"


@lru_cache(maxsize=64)
def _patterns(options: str) -> _Patterns:
    one = f"[{re.escape(options)}]"
    more = r"(?:\s*[,/&]\s*(?:(?:and|or)\s+)?|\s+(?:and|or)\s+)"
    several = rf"{one}(?:{_CLOSED}{more}{_OPENED}{one}{_END}){{0,7}}"
    # An option before a word is the article or the pronoun, unless the word speaks of the option.
    words = (
        r"(?!\s+(?!(?:is|are|because|since|as|or|and|but|nor|with|based|for|seems|fits)\b)[a-z])"
    )
    words = words if set(options) & {"A", "I"} else ""
    noun = (
        r"\b(?:(?:answer|solution)s?"
        + _BE
        + r"?|(?:choice|option|match|selection|pick|one|letter)s?"
    )
    named = (
        rf"(?i:{noun}(?:{_BE}|(?=\s*[:=])))\s{{0,9}}"
        r"(?:[:=\u2192-]{1,3}>?\s{0,9}){0,3}[*]{0,3}\s{0,9})"
    )
    stated = (
        rf"(?:\\boxed\s*|{named}){_OPENED}({several}){_END}{words}",
        rf"{named}[(\[*]*((?i:{one}))(?=[)\].*]*\s*$)",
        rf"(?<![\w'\u2019]){_OPENED}({several}){_CLOSED}{_VERDICT}",
        rf"(?:{_CHOSEN}|{_TURNED}){_OPENED}({several}){_END}{words}",
    )
    refused = (
        rf"{_WITHOUT}\s+(?i:(?:both|either)\s+)?{_OPENED}{several}(?:\s+nor\s+{_OPENED}{one})?"
        rf"{_CLOSED}{_END}{words}"
    )
    named_wrong = (
        r"(?i:\b(?:incorrect|wrong|false|other|remaining)\s+(?:option|answer|choice)s?"
        rf"{_BE}?\s*[:=]?\s*){_OPENED}{several}{_CLOSED}"
    )
    thing = rf"(?i:\b{_THING})\s+{one}{_END}"
    ruled_out = (
        thing,
        named_wrong,
        refused,
        rf"(?<![\w'\u2019]){_OPENED}{several}{_CLOSED}{_WRONG}",
    )
    hints = (
        rf"(?:[(\[{{]|\*\*)\s*({one})\s*(?:[)\]}}]|\*\*|[.:)])",
        rf"(?<![\w'\u2019])({one}){_END}{words}",
    )
    return _Patterns(
        options,
        tuple(re.compile(each) for each in ruled_out),
        re.compile(rf"^[ \t]*(?:[-*\u2022]\s*)?[(\[*]*({one})[)\].:]+\**\s+(?=\S)", re.MULTILINE),
        tuple(re.compile(each, re.MULTILINE) for each in stated),
        tuple(re.compile(each) for each in hints),
    )
