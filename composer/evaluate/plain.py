"""Numbers as JSON can hold them."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from composer.metrics import Interval
    from composer.values import JSON

__all__ = ["both", "plain"]


def plain(value: float) -> float | None:
    """Return a number, nothing for what is undefined or never reached."""
    return value if math.isfinite(value) else None


def both(interval: Interval) -> list[JSON]:
    """Return the ends of an interval."""
    return [plain(interval.low), plain(interval.high)]
