"""How long to wait for another attempt: as the server wishes, else a back-off with jitter."""

from __future__ import annotations

import math
import random
import time
from contextlib import suppress
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["backoff", "retry_after"]

FIRST, LONGEST = 0.5, 30.0
"""Seconds of the first wait, and of the longest; each is at most twice as long as the one before.

A wait is drawn between half of that and all of it, so that requests do not come back together.
"""


_DRAWS = random.SystemRandom()


def backoff(failures: int) -> float:
    """Return the seconds to wait after so many failures."""
    return min(LONGEST, FIRST * 2.0 ** (failures - 1)) * _DRAWS.uniform(0.5, 1.0)


def retry_after(headers: Mapping[str, str]) -> float | None:
    """Return the seconds after which a server wants to be asked again, None where it says nothing.

    `Retry-After` has seconds or a date, `retry-after-ms` milliseconds.
    """
    for name, seconds in (("retry-after-ms", 0.001), ("retry-after", 1.0)):
        value = headers.get(name, "")
        with suppress(ValueError):
            wait = float(value) * seconds
            if math.isfinite(wait) and wait >= 0:
                return wait
            continue
        with suppress(ValueError):
            return max(0.0, parsedate_to_datetime(value).timestamp() - time.time())
    return None
