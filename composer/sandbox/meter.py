"""What a template may use up: steps, characters and seconds, counted while it is rendered."""

from __future__ import annotations

import time
from contextvars import ContextVar
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

ITEM = 64
"""What an item of a list or a mapping counts, in characters, beside what it holds."""


class LimitError(Exception):
    """A template that needs more than it is given; says what, in words."""


@dataclass(frozen=True, slots=True)
class Limits:
    """How many steps a template may take, characters it may make, and seconds it may work."""

    steps: int = 1_000_000
    characters: int = 32_000_000
    seconds: float = 5.0


class SizedValue:
    """Something beside texts and lists that a template can write out."""

    __slots__ = ()

    @property
    def length(self) -> int:
        """How many characters it is."""
        return ITEM


class Meter:
    """Counts what one rendering uses up."""

    def __init__(self, limits: Limits) -> None:
        self.limits = limits
        self._steps = 0
        self._characters = 0
        self._until = time.thread_time() + limits.seconds

    def step(self) -> None:
        """Count one turn of a loop, one call or one operation."""
        self._steps += 1
        if self._steps > self.limits.steps:
            raise LimitError(f"it needs more than {self.limits.steps:,} steps")
        if time.thread_time() > self._until:
            raise LimitError(f"it runs for more than {self.limits.seconds:g} seconds")

    def make(self, size: int) -> None:
        """Count characters that are about to be made, or were."""
        self._characters += size
        if self._characters > self.limits.characters:
            raise LimitError(f"it makes more than {self.limits.characters:,} characters")

    def fit(self, size: int) -> None:
        """Refuse something of more characters than may be made, without counting it."""
        if size > self.limits.characters:
            raise LimitError(f"it makes more than {self.limits.characters:,} characters")

    def weigh(self, *values: object) -> int:
        """Return how many characters values hold, all that is nested in them written out."""
        return sum(self._written(value) for value in values)

    def _written(self, value: object) -> int:
        if isinstance(value, str | bytes):
            return len(value)
        total = 0
        waiting = [value]
        while waiting:
            item = waiting.pop()
            total += ITEM
            if isinstance(item, str | bytes):
                total += len(item)
            elif isinstance(item, SizedValue):
                total += item.length
            elif isinstance(item, dict):
                waiting += [*item, *item.values()]
            elif isinstance(item, list | tuple | set | frozenset):
                waiting += item
            self.fit(total + ITEM * len(waiting))
        return total


METER: ContextVar[Meter] = ContextVar("meter")
"""The meter of the template that is being rendered."""


def counted_list(values: Iterable[object]) -> list[object]:
    """Write values that come one by one out as a list, each of them counted."""
    meter, items = METER.get(), []
    for value in values:
        meter.make(ITEM)
        items.append(value)
    return items
