"""What a cascade takes whose stages begin ahead, beside one stage after the other."""

from __future__ import annotations

from dataclasses import dataclass
from statistics import fmean
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from composer.heavy import np
    from composer.values import JSON

__all__ = ["BothWays", "both_ways", "seconds_ahead", "with_next"]


@dataclass(frozen=True)
class BothWays:
    """Seconds and dollars of an answer in the mean, in turn and ahead; the least and the most.

    What is not known of every stage is None.
    """

    seconds_in_turn: tuple[float, float] | None
    seconds_ahead: tuple[float, float] | None
    cost_in_turn: tuple[float, float] | None
    cost_ahead: tuple[float, float] | None

    def as_dict(self) -> dict[str, JSON]:
        """Give the plain values that `--json` prints."""
        pairs = vars(self).items()
        return {name: None if ends is None else list(ends) for name, ends in pairs}


def with_next(asked: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Return which stages begin [..., m] where these are waited for: the one after each, too."""
    begun = asked.copy()
    begun[..., 1:] |= asked[..., :-1]
    return begun


def both_ways(
    asked: Sequence[Sequence[int]],
    seconds: Sequence[float | None],
    cost: Sequence[float | None],
    *,
    begun: bool,
) -> BothWays:
    """Reckon both ways from how many stages each row waits for, at either end of a range.

    `seconds` and `cost` are the means of each stage. `begun` says that the first stage has answered
    before the cascade begins. A stage that begins and is cancelled is paid in full.
    """
    times = [each for each in seconds if each is not None]
    prices = [each for each in cost if each is not None]
    timed, priced = len(times) == len(seconds), len(prices) == len(cost)

    def ends(values: list[list[float]]) -> tuple[float, float]:
        means = [fmean(each) for each in values]
        return min(means), max(means)

    return BothWays(
        ends([[sum(times[:n]) for n in end] for end in asked]) if timed else None,
        ends([[seconds_ahead(times, n, begun=begun) for n in end] for end in asked])
        if timed
        else None,
        ends([[sum(prices[:n]) for n in end] for end in asked]) if priced else None,
        ends([[sum(prices[: n + 1]) for n in end] for end in asked]) if priced else None,
    )


def seconds_ahead(seconds: Sequence[float], count: int, *, begun: bool) -> float:
    """Return when the last of `count` stages has answered, each begun with the one before it."""
    before, start = (seconds[0], seconds[0]) if begun else (0.0, 0.0)
    ready = before
    for time in seconds[int(begun) : count]:
        before, ready = ready, max(ready, start + time)
        start = before
    return ready
