"""All points of a router's curve, exactly: which query changes its choice, and in which order."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from composer.heavy import np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.floating]
    Places = NDArray[np.intp]

__all__ = ["Switches", "threshold_switches", "tradeoff_switches"]

MOST = 1e100
"""What stands for an infinite estimate, so that differences do not overflow."""

DIGITS = 9
"""Trade-offs whose logarithms agree to so many digits are equal: rounding makes no point."""


@dataclass(frozen=True, eq=False)
class Switches:
    """The first choices of n queries, and k changes of them from the cheapest point to the dearest.

    Change i takes query `rows[i]` from choice `before[i]` to `after[i]`. `ends` [points] says how
    many changes are done at each point of the curve: 0 at the first, k at the last.
    """

    first: Places
    rows: Places
    before: Places
    after: Places
    ends: Places

    @classmethod
    def sorted(
        cls, first: Places, keys: NDArray[np.number], rows: Places, before: Places, after: Places
    ) -> Switches:
        """Order changes by falling keys; those of equal keys come together."""
        order = np.argsort(-keys, kind="stable")
        ends = np.append(np.flatnonzero(np.diff(keys[order])), keys.size - 1) + 1
        ends = np.concatenate([[0], ends[: keys.size]])
        return cls(first, rows[order], before[order], after[order], np.unique(ends))

    def means(self, values: Floats) -> Floats:
        """The mean over the queries of the chosen values [n, m], at each point."""
        gains = values[self.rows, self.after] - values[self.rows, self.before]
        total = values[np.arange(len(self.first)), self.first].sum()
        sums: Floats = total + np.concatenate([[0.0], np.cumsum(gains)])[self.ends]
        return sums / len(self.first)

    def spread(self, count: int) -> Places:
        """The places of about so many points, equally far from each other, with both ends."""
        most = len(self.ends) - 1
        return np.unique(np.linspace(0, most, min(count, most + 1)).round().astype(np.intp))

    def picks(self, points: Places) -> Places:
        """The choice of each query at some points, in rising order, [points, n]."""
        now, done, picks = self.first.copy(), 0, []
        for end in self.ends[points].tolist():
            for at in range(done, end):
                now[self.rows[at]] = self.after[at]
            picks.append(now.copy())
            done = end
        return np.array(picks)


def threshold_switches(scores: Floats, weak: int, strong: int) -> Switches:
    """From one choice for all queries to the other, the highest score first."""
    ranks = np.unique(np.nan_to_num(scores), return_inverse=True)[1]
    ends = np.full((2, ranks.size), [[weak], [strong]], dtype=np.intp)
    return Switches.sorted(ends[0], ranks, np.arange(ranks.size), ends[0], ends[1])


def tradeoff_switches(estimates: Floats, prices: Floats) -> Switches:
    """The changes of argmax q - lambda c as lambda falls to 0, over estimates [n, m], prices [m].

    They are the corners of the upper envelope of each query's m lines. The cheapest choice of
    equals is taken, and of equally cheap ones the better.
    """
    cheapest = np.lexsort((-estimates.mean(axis=0), prices))
    quality, price = (
        np.clip(np.nan_to_num(estimates), -MOST, MOST)[:, cheapest],
        np.asarray(prices)[cheapest],
    )
    rows = np.arange(len(quality))
    now = np.argmax(np.where(price == price[0], quality, -np.inf), axis=1)
    first, changes = now, []
    while rows.size:
        gain = quality[rows] - quality[rows, now][:, None]
        more = price - price[now][:, None]
        dearer = (more > 0) & (gain > 0)
        rates = np.divide(gain, more, out=np.full_like(gain, -np.inf), where=dearer)
        after = rates.shape[1] - 1 - np.argmax(rates[:, ::-1], axis=1)  # the dearest of equals
        rate = rates[np.arange(len(rows)), after]
        going = rate > 0
        rows, before, now, rate = rows[going], now[going], after[going], rate[going]
        changes.append((np.log(rate).round(DIGITS), rows, before, now))
    keys, moved, before, after = (np.concatenate(each) for each in zip(*changes, strict=True))
    return Switches.sorted(cheapest[first], keys, moved, cheapest[before], cheapest[after])
