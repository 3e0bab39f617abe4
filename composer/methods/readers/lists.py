"""Lists that models write: with bullets, numbers or commas, a line each, or as JSON."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, ClassVar

from composer.methods.json_schema import json_in, json_text
from composer.methods.readers.basic import Reader

if TYPE_CHECKING:
    from collections.abc import Iterable

_NUMBERED = re.compile(r"^([ \t]*)(?:\(?\d{1,3}[.):]|\(?[a-z][.)])[ \t]+(\S.*)$")
_BULLET = re.compile(r"^([ \t]*)[-*+\u2022\u2013\u2023\u25e6][ \t]+(\S.*)$")
_BOLD = re.compile(r"\A(\*\*|__|`)(.+?)\1")
_LAST = re.compile(r",?\s+(?:and|or|&)\s+(?=[^,;]*\Z)")
_INTRODUCED = re.compile(r"\A[^:,;]{1,80}:\s*")
_EMPTY = re.compile(r"(?i:none|nothing|n/a|no (?:\w+ )?(?:items|entities|diagnoses|results))\.?\Z")
_PROSE = re.compile(
    r"\b(?:I|I['\u2019]m|(?i:we|you|sorry|cannot|can['\u2019]t|unfortunately|however|because|please))\b"
)
_WORDS = 8


class Items(Reader):
    """The items of a list, in order: of bullets, numbers, commas, lines of their own, or JSON.

    They are read as a list of JSON, in which equal lists are equal. Words in bold at the begin of
    an item stand for it. `none` is an empty list. A text of sentences abstains: items that are
    separated by commas or lines alone have at most eight words, and none of them is `I` or `sorry`.
    """

    name: ClassVar[str] = "items"

    def read(self, text: str) -> str | None:
        """Return the items as a list of JSON."""
        items = items_of(text)
        return None if items is None else json.dumps(items, ensure_ascii=False)


def items_of(text: str) -> list[str] | None:
    """Return the items that a text lists, without repeats; None where it holds no list."""
    value = next(json_in(text), (None,))[0]
    if isinstance(value, dict):
        lists = [each for each in value.values() if isinstance(each, list)]
        value = lists[0] if len(lists) == 1 else value
    if isinstance(value, list):
        return _clean(map(json_text, value))
    lines = [line for line in text.splitlines() if line.strip()]
    if not lines:
        return None
    for kind in (_NUMBERED, _BULLET):
        matches = [match for line in lines if (match := kind.match(line))]
        outer = min((len(match[1].expandtabs()) for match in matches), default=0)
        if matches:
            return _clean(match[2] for match in matches if len(match[1].expandtabs()) == outer)
    return _unmarked(lines)


def _unmarked(lines: list[str]) -> list[str] | None:
    """Return the items of a list without marks: separated by commas, or one on each line."""
    if len(lines) > 1 and lines[0].rstrip().endswith(":"):
        lines = lines[1:]
    if len(lines) > 1:
        return _short(lines)
    line = _INTRODUCED.sub("", lines[0].strip())
    if _EMPTY.match(line):
        return []
    sign = ";" if ";" in line else ","
    return _short(_LAST.sub(sign, line, count=1).split(sign))


def _short(items: list[str]) -> list[str] | None:
    clean = _clean(items)
    prose = any(len(item.split()) > _WORDS or _PROSE.search(item) for item in clean)
    return None if prose else clean or None


def _clean(items: Iterable[str]) -> list[str]:
    out: dict[str, None] = {}
    for item in items:
        bold = _BOLD.match(item.strip())
        plain = (bold[2] if bold else item).strip().strip("*`\"'").rstrip(".;,:").strip()
        if plain:
            out.setdefault(plain)
    return list(out)
