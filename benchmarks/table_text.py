"""How figures and tables are written."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from composer.metrics import difference_interval, drawn_interval, mean_interval

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from composer.metrics import Interval


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


def figure(each: Interval, form: str) -> str:
    """Write a figure with its interval; `form` is how a number is written, such as `+.2f`."""
    return f"{each.mean:{form}} ({each.low:{form}} to {each.high:{form}})"


def ratio(above: np.ndarray, below: np.ndarray) -> str:
    """Write a ratio of sums with its 95% bootstrap interval over rows."""
    return figure(resampled(lambda a, b: a.sum() / b.sum(), above, below, draws=1000), ".1f")


def resampled(statistic: Callable[..., float], *columns: np.ndarray, draws: int) -> Interval:
    """Return a statistic of columns [row] with its 95% bootstrap interval over rows.

    Draws for which it is NaN are left out.
    """
    rng, count = np.random.default_rng(0), len(columns[0])
    rows = [np.arange(count), *(rng.integers(count, size=count) for _ in range(draws))]
    return drawn_interval(np.array([statistic(*(each[at] for each in columns)) for at in rows]))
