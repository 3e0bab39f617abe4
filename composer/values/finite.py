"""Scores that are NaN or infinite: they count as no score, and never win."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from composer.values.errors import ModelError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

__all__ = ["descending", "finite", "require_finite", "summed"]


def finite(value: float | None) -> float | None:
    """Return a number, None for NaN and infinities."""
    return None if isinstance(value, float) and not math.isfinite(value) else value


def summed(values: Iterable[float]) -> float:
    """Return the exact sum, NaN if it is infinite or not defined."""
    try:
        return math.fsum(values)
    except (ValueError, OverflowError):
        return math.nan


def descending(scores: Sequence[float], what: str) -> list[int]:
    """Return the indices of scores, the greatest first; those that are not finite come last.

    Raises E704 if no score is finite.
    """
    finite_places = [at for at, score in enumerate(scores) if math.isfinite(score)]
    if scores and not finite_places:
        raise ModelError(
            "E704",
            f"{what}: none of the scores is a number",
            "try `dtype = float32` for the model that scores, or add a fallback: `(...) | D`",
        )
    other_places = [at for at, score in enumerate(scores) if not math.isfinite(score)]
    return [*sorted(finite_places, key=lambda at: -scores[at]), *other_places]


def require_finite(named: Mapping[str, float], what: str) -> None:
    """Raise E704 with the name of the first number that is not finite."""
    for name, value in named.items():
        if not math.isfinite(value):
            raise ModelError(
                "E704",
                f"{what} `{name}` is {value}, which is not a number",
                "leave it out, or add a fallback: `(...) | D`",
            )
