"""Numbers as people and as JSON read them: table cells, and values that JSON can hold."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from rich.box import SIMPLE_HEAD
from rich.table import Table

if TYPE_CHECKING:
    from composer.metrics import Interval
    from composer.values import JSON

__all__ = ["ends", "interval_text", "percent", "plain", "table"]


def table(first: str, *columns: str) -> Table:
    """Make a table whose first column gives way where there is too little room."""
    drawn = Table(box=SIMPLE_HEAD, padding=(0, 1, 0, 0), pad_edge=False, show_edge=False)
    drawn.add_column(first, overflow="fold")
    for column in columns:
        drawn.add_column(column, justify="right", no_wrap=True)
    return drawn


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
