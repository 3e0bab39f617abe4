"""Slices of the rows, by tag: what an average hides."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from statistics import fmean
from typing import TYPE_CHECKING

from composer.metrics import difference_interval

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from composer.metrics import Interval
    from composer.values import JSON

__all__ = ["Tagged", "lost", "tagged"]


@dataclass(frozen=True)
class Tagged:
    """The rows of one tag, and by how much they fare better than with the best single model.

    `difference` is taken over the rows that are judged for both; None where there are none.
    """

    rows: int
    accuracy: float
    best: float | None = None
    difference: Interval | None = None

    def as_dict(self) -> dict[str, JSON]:
        """Give the plain values that `--json` prints."""
        plain: dict[str, JSON] = {"rows": self.rows, "accuracy": self.accuracy}
        if self.difference is not None:
            plain["best_single"] = self.best
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


def lost(slices: Mapping[str, Tagged], rows: int) -> list[tuple[str, Interval]]:
    """The tags that fare worse than with the best single model beyond doubt, worst first.

    Each is judged by its own 95 % interval, so of many tags that are alike one in forty is named
    by chance. A tag that all `rows` have is no slice.
    """
    worse = [
        (tag, one.difference)
        for tag, one in slices.items()
        if one.difference is not None and one.difference.high < 0 and one.rows < rows
    ]
    return sorted(worse, key=lambda each: each[1].mean)


def _tagged(names: list[str], judged: Mapping[str, float], best: Mapping[str, float]) -> Tagged:
    ours = [judged[name] for name in names]
    shared = [name for name in names if name in best]
    if not shared:
        return Tagged(len(names), fmean(ours))
    theirs = [best[name] for name in shared]
    between = difference_interval([judged[name] for name in shared], theirs)
    return Tagged(len(names), fmean(ours), fmean(theirs), between)
