"""Numbers as people and as JSON read them: tables and their cells, and values of JSON."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from rich.box import SIMPLE_HEAD
from rich.cells import cell_len
from rich.table import Table
from rich.text import Text

if TYPE_CHECKING:
    from collections.abc import Iterator

    from rich.console import Console, ConsoleOptions, RenderResult

    from composer.metrics import Interval
    from composer.values import JSON

__all__ = ["Sheet", "ends", "interval_text", "percent", "plain"]


LEAST = 29
"""The width that the first column of a table keeps, if it has that much to show."""


class Sheet(Table):
    """A table that fits any width: its first column folds, then it goes on in a table below."""

    def __init__(self, first: str, *columns: str) -> None:
        super().__init__(box=SIMPLE_HEAD, padding=(0, 1, 0, 0), pad_edge=False, show_edge=False)
        self.add_column(first, overflow="fold")
        for column in columns:
            self.add_column(column, justify="right", no_wrap=True)

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        parts = list(self._parts(options.max_width))
        for at, part in enumerate(parts):
            if at:
                yield Text()
            yield from Table.__rich_console__(part, console, options)

    def _parts(self, width: int) -> Iterator[Sheet]:
        """Yield tables of the first column and as many of the others as there is room for."""
        first, *others = self._widths()
        room, some = width - min(first, LEAST), list[int]()
        for at, each in enumerate(others, start=1):
            if some and sum(others[one - 1] for one in some) + each > room:
                yield self._part(some)
                some = []
            some.append(at)
        yield self if len(some) == len(others) else self._part(some)

    def _part(self, some: list[int]) -> Sheet:
        """Make the table of the first column and some others, but for rows that are empty there."""
        columns = [list(column.cells) for column in self.columns]
        part = Sheet(*(str(self.columns[at].header) for at in (0, *some)))
        for cells, row in zip(zip(*columns, strict=True), self.rows, strict=True):
            if any(cells[at] for at in some):
                part.add_row(*(cells[at] for at in (0, *some)), style=row.style)
        return part

    def _widths(self) -> list[int]:
        """The widest text of each column, with a space after it."""
        texts = ([str(column.header), *map(str, column.cells)] for column in self.columns)
        return [1 + max(map(cell_len, each)) for each in texts]


def interval_text(one: Interval | None) -> str:
    """Write the ends of an interval as shares of a hundred."""
    return f"{100 * one.low:.1f} to {100 * one.high:.1f}" if one is not None else ""


def percent(share: float | None) -> str:
    """Write a share of a hundred."""
    return "unknown" if share is None else f"{100 * share:.1f} %"


def plain(value: float) -> float | None:
    """Return a number, nothing for what is undefined or never reached."""
    return value if math.isfinite(value) else None


def ends(interval: Interval) -> list[JSON]:
    """Return the ends of an interval."""
    return [plain(interval.low), plain(interval.high)]
