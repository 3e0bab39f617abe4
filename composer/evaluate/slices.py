"""Slices of the rows, by tag: what an average hides."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from statistics import fmean
from typing import TYPE_CHECKING

from composer.metrics import difference_interval, lower_limit

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from composer.metrics import Interval
    from composer.values import JSON

__all__ = ["Tagged", "compared_slices", "lost", "tagged"]

FEWEST = 5
"""On fewer rows a bootstrap says nothing: it only repeats them."""

EVEN = 0.5
TAIL = 0.025


@dataclass(frozen=True)
class Tagged:
    """The rows of one tag, and by how much they fare better than with the best single model.

    `best` and `difference` are taken over the rows that are judged for both. `difference` is None
    where these are fewer than five. `better` and `worse` count the rows that differ.
    """

    rows: int
    accuracy: float
    best: float | None = None
    difference: Interval | None = None
    better: int = 0
    worse: int = 0

    @property
    def surely_worse(self) -> bool:
        """Whether the 95 % interval lies below 0, and an exact sign test says the same."""
        if self.difference is None or self.difference.high >= 0:
            return False
        return lower_limit(self.worse, self.better + self.worse, TAIL) > EVEN

    def as_dict(self) -> dict[str, JSON]:
        """Give the plain values that `--json` prints."""
        plain: dict[str, JSON] = {"rows": self.rows, "accuracy": self.accuracy}
        if self.best is not None:
            plain["best_single"] = self.best
        if self.difference is not None:
            plain["difference"] = self.difference.mean
            plain["interval"] = [self.difference.low, self.difference.high]
        return plain


def tagged(
    tags: Iterable[tuple[str, tuple[str, ...]]],
    judged: Mapping[str, float],
    best: Mapping[str, float],
) -> dict[str, Tagged]:
    """Gather qualities by tag, beside those of the best single model on the same rows.

    `tags` are those of each row by id; a row without a judgement is left out.
    """
    found: dict[str, list[str]] = defaultdict(list)
    for name, many in tags:
        if name in judged:
            for tag in many:
                found[tag].append(name)
    return {tag: _tagged(names, judged, best) for tag, names in sorted(found.items())}


def compared_slices(slices: Mapping[str, Tagged], rows: int) -> dict[str, Tagged]:
    """The tags that are compared with the best single model: those that not all `rows` have."""
    return {
        tag: one for tag, one in slices.items() if one.difference is not None and one.rows < rows
    }


def lost(slices: Mapping[str, Tagged]) -> list[tuple[str, Interval]]:
    """The tags that are surely worse than the best single model, worst first.

    Each is judged alone, so of many tags that are alike at most one in forty is named by chance.
    """
    worse = [
        (tag, one.difference)
        for tag, one in slices.items()
        if one.difference is not None and one.surely_worse
    ]
    return sorted(worse, key=lambda each: each[1].mean)


def _tagged(names: list[str], judged: Mapping[str, float], best: Mapping[str, float]) -> Tagged:
    ours = [judged[name] for name in names]
    shared = [name for name in names if name in best]
    if not shared:
        return Tagged(len(names), fmean(ours))
    pairs = [(judged[name], best[name]) for name in shared]
    left, right = zip(*pairs, strict=True)
    return Tagged(
        len(names),
        fmean(ours),
        fmean(right),
        difference_interval(left, right) if len(pairs) >= FEWEST else None,
        sum(a > b for a, b in pairs),
        sum(a < b for a, b in pairs),
    )
