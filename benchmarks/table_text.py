"""How figures and tables are written."""

from __future__ import annotations

from typing import TYPE_CHECKING

from composer.metrics import difference_interval, mean_interval

if TYPE_CHECKING:
    from collections.abc import Sequence


def markdown(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Write a table; the first column is text, the others are figures."""
    lines = [head, ["---", *["--:"] * (len(head) - 1)], *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def percent(values: Sequence[float]) -> str:
    """Write a mean in percent with its 95% bootstrap interval over rows."""
    each = mean_interval(values)
    return f"{100 * each.mean:.2f} ({100 * each.low:.1f} to {100 * each.high:.1f})"


def gain(values: Sequence[float], others: Sequence[float]) -> str:
    """Write a paired difference in points with its 95% bootstrap interval over rows."""
    each = difference_interval(values, others)
    return f"{100 * each.mean:+.2f} ({100 * each.low:+.1f} to {100 * each.high:+.1f})"
