"""How sure a share of rows is: exact limits of Clopper and Pearson (1934)."""

from __future__ import annotations

from composer.heavy import scipy

__all__ = ["lower_limit", "upper_limit"]


def lower_limit(count: int, rows: int, tail: float) -> float:
    """The lower limit of a share of which `count` of `rows` was seen.

    The true share is below it with a probability of at most `tail`.
    """
    _check(count, rows, tail)
    if count == 0:
        return 0.0
    return float(scipy.special.betaincinv(count, rows - count + 1, tail))


def upper_limit(count: int, rows: int, tail: float) -> float:
    """The upper limit of a share; the true one is above it with a probability of at most `tail`."""
    return 1.0 - lower_limit(rows - count, rows, tail)


def _check(count: int, rows: int, tail: float) -> None:
    if not 0 <= count <= rows or rows < 1:
        raise ValueError(f"{count} of {rows} rows is no share")
    if not 0 < tail < 1:
        raise ValueError(f"a probability lies between 0 and 1, not {tail}")
