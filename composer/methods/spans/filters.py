"""Which scores of a round do not count."""

from __future__ import annotations

import math
from statistics import fmean, median
from typing import TYPE_CHECKING, ClassVar

from pydantic import Field

from composer.engine.sessions.span_parts import Filter

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["Outliers"]

_MEDIAN = 1.4826  # a normal distribution's standard deviation over its median absolute deviation
_MEAN = 1.2533  # and over its mean absolute deviation


class Outliers(Filter):
    """Leave out scores of a candidate that are far from the median of all members' scores for it.

    SweetSpan leaves out unfaithful scores by a rule that is not public. Here a score does not count
    if it is more than `deviations` standard deviations away. The standard deviation is estimated by
    the median absolute deviation, and by the mean one where more than half of the scores are equal
    (Iglewicz and Hoaglin, 1993). With fewer than three scores all count.
    """

    name: ClassVar[str] = "outliers"
    paper: ClassVar[str] = "arXiv:2409.18583"
    least_members: ClassVar[int] = 3

    deviations: float = Field(default=2.0, ge=1)

    def kept(self, scores: Sequence[Sequence[float | None]]) -> list[list[bool]]:
        """Return whether each score is near enough to the median of its candidate."""
        columns = [self._near(column) for column in zip(*scores, strict=True)]
        return [list(row) for row in zip(*columns, strict=True)]

    def _near(self, scores: Sequence[float | None]) -> list[bool]:
        known = [score for score in scores if score is not None]
        if not known:
            return [False] * len(scores)
        middle = median(known)
        distances = [_distance(score, middle) for score in known]
        most = self.deviations * (_MEDIAN * median(distances) or _MEAN * fmean(distances))
        return [score is not None and _distance(score, middle) <= most for score in scores]


def _distance(score: float, middle: float) -> float:
    return 0.0 if score == middle else abs(score - middle) if score > -math.inf else math.inf
