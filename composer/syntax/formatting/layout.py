"""What is to be printed, before it is cut into lines: values, groups that can break, and items."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum, auto
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from composer.diagnostics import Place

WIDTH = 100
"""Lines are broken where they would be longer, if they can be."""


class Style(Enum):
    """How a group is broken over lines."""

    LIST = auto()
    PAREN = auto()
    CHAIN = auto()
    FALLBACK = auto()
    OPERATORS = auto()
    JOIN = auto()
    SEQUENCE = auto()
    MAPPING = auto()

    @property
    def holds(self) -> bool:
        """Whether every item begins on a line of its own once the group is broken."""
        return self in (Style.LIST, Style.SEQUENCE, Style.MAPPING)


SIGNS = {
    Style.LIST: ", ",
    Style.PAREN: "",
    Style.CHAIN: " -> ",
    Style.FALLBACK: " | ",
    Style.OPERATORS: " ",
    Style.JOIN: "",
    Style.SEQUENCE: ", ",
    Style.MAPPING: ", ",
}
"""What parts the items of a group on one line."""


@dataclass(eq=False, slots=True)
class LayoutItem:
    """One thing in a group: a lead such as `key = `, a value, a sign behind it, and comments."""

    lead: str
    value: LayoutValue
    start: int = -1
    end: int = -1
    tail: str = ""
    leading: list[str] = field(default_factory=list)
    trailing: str | None = None


@dataclass(eq=False, slots=True)
class LayoutGroup:
    """Items that stand on one line together or are broken over several."""

    style: Style
    items: list[LayoutItem]
    start: int = -1
    end: int = -1
    brackets: str = ""
    opening: str | None = None
    dangling: list[str] = field(default_factory=list)
    flat_text: tuple[str | None] | None = None

    @property
    def commented(self) -> bool:
        """Whether a comment stands inside, so that the group cannot stay on one line."""
        in_group = bool(self.dangling) or self.opening is not None
        return in_group or any(item.leading or item.trailing is not None for item in self.items)


@dataclass(eq=False, slots=True)
class LayoutValue:
    """Text, perhaps with a group behind it; `block` are the lines of a literal YAML block."""

    text: str
    group: LayoutGroup | None = None
    block: tuple[str, ...] | None = None


def flat(value: LayoutValue) -> str | None:
    """Write a value without breaking it; None where that cannot be."""
    if value.block is not None:
        return None
    if value.group is None:
        return value.text
    if value.group.flat_text is None:
        value.group.flat_text = (_flat_group(value.group),)
    (inside,) = value.group.flat_text
    return None if inside is None else value.text + inside


def span(place: Place | None) -> tuple[int, int]:
    """Give the characters that a place covers; a tree made by a program has no places."""
    return (place.start, place.end) if place is not None else (-1, -1)


def _flat_group(group: LayoutGroup) -> str | None:
    if group.commented:
        return None
    texts = []
    for item in group.items:
        value = flat(item.value)
        if value is None:
            return None
        texts.append(item.lead + value + item.tail)
    inside = SIGNS[group.style].join(texts)
    return f"{group.brackets[0]}{inside}{group.brackets[1]}" if group.brackets else inside
