"""When to go on, by the bins of one signal: thresholds, gains of bins, and beliefs (AutoMix)."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property, lru_cache, partial
from itertools import combinations_with_replacement
from typing import TYPE_CHECKING, Literal

from composer.heavy import np

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

    from composer.methods.estimators.values import Floats

    Bools = NDArray[np.bool_]

Form = Literal["pomdp", "greedy", "threshold", "double", "triple"]

HALF = 0.5
"""An answer of at least this quality is right, where states tell right from wrong."""

NARROWEST, WIDEST, RATES = 0.05, 20.0, 60
"""The prices of quality that are tried, as parts of what the last stage gains for its cost."""

LEAST_SHARE = 0.05
"""The share of rows that must go on for a gain by cost to be counted: fewer rows say little."""

SMOOTH = 1.0
"""By how many bins the gains of neighbours count, as a standard deviation."""


@dataclass(frozen=True, eq=False)
class Outcome:
    """What decisions lead to: mean quality and cost of a row, and the share that goes on at all."""

    quality: float
    cost: float
    share: float


@dataclass(frozen=True, eq=False)
class BinnedRows:
    """Rows of a cascade: in which bin [rows, gates] the signal of each stage but the last lies.

    There are `count` bins, of which the last means that the signal is unknown. `quality` is
    [rows, stages], `cost` that of each stage.
    """

    bins: NDArray[np.intp]
    quality: Floats
    cost: Floats
    count: int

    @property
    def gates(self) -> int:
        """How many stages are followed by another one."""
        return int(self.bins.shape[1])

    def going_on(self, form: Form, rate: float) -> tuple[Bools, ...]:
        """Return at each gate where to go on, if so much quality must be gained for its cost.

        It is by the latest bin, or for `pomdp` by all bins so far: bin i at the first gate and j at
        the next one have the place i * count + j.
        """
        return self._by_belief(rate) if form == "pomdp" else self._by_gain(SEARCHES[form], rate)

    def outcome(self, going_on: Sequence[Bools]) -> Outcome:
        """Return what decisions lead to on the rows."""
        rows = len(self.bins)
        places, going = np.zeros(rows, dtype=np.intp), np.ones(rows, dtype=bool)
        quality, cost = self.quality[:, 0].copy(), np.full(rows, self.cost[0])
        first = going
        for gate, on in enumerate(going_on):
            places = places * self.count + self.bins[:, gate]
            going = going & on[places % len(on)]
            first = going if gate == 0 else first
            quality[going] = self.quality[going, gate + 1]
            cost[going] += self.cost[gate + 1]
        return Outcome(float(quality.mean()), float(cost.mean()), float(first.mean()))

    @property
    def slope(self) -> float:
        """What the last stage alone gains over the first, for each dollar more (IBC's baseline).

        Where it is not dearer: for each dollar that going on to the end takes.
        """
        dearer = float(self.cost[-1] - self.cost[0])
        dearer = dearer if dearer > 0 else float(self.cost[1:].sum())
        gain = float(self.quality[:, -1].mean() - self.quality[:, 0].mean())
        return gain / dearer if dearer > 0 else 0.0

    def benefit(self, outcome: Outcome) -> float:
        """Return what decisions gain over the first stage alone, for each dollar more: the IBC."""
        dearer = outcome.cost - self.cost[0]
        return float((outcome.quality - self.quality[:, 0].mean()) / dearer) if dearer > 0 else 0.0

    def rate_of_most_benefit(self, form: Form) -> float:
        """Return the price of quality under which the gain for each dollar more is greatest."""
        rates = self.slope * np.geomspace(NARROWEST, WIDEST, RATES) if self.slope > 0 else [0.0]
        tried = [(rate, self.outcome(self.going_on(form, rate))) for rate in rates]
        enough = [(rate, each) for rate, each in tried if each.share >= LEAST_SHARE]
        if not enough:
            return 0.0
        return float(max(enough, key=lambda one: (self.benefit(one[1]), one[1].quality))[0])

    def _by_gain(self, search: Callable[[Floats, Floats], Bools], rate: float) -> tuple[Bools, ...]:
        """Decide from the last gate back, by what going on gains in each bin."""
        value, decisions = self.quality[:, -1], []
        for gate in reversed(range(self.gates)):
            bins, further = self.bins[:, gate], value - rate * self.cost[gate + 1]
            gain = further - self.quality[:, gate]
            counts = np.bincount(bins, minlength=self.count).astype(float)
            totals = np.bincount(bins, weights=gain, minlength=self.count).astype(float)
            on = np.append(search(totals[:-1], counts[:-1]), totals[-1] > 0 or not counts[-1])
            value = np.where(on[bins], further, self.quality[:, gate])
            decisions.append(on)
        return tuple(reversed(decisions))

    def _by_belief(self, rate: float) -> tuple[Bools, ...]:
        """Decide by the belief over which stages are right, after every course of bins."""
        beliefs = self._beliefs
        value = beliefs[-1] @ self._states[1][:, -1]
        decisions = []
        for gate in reversed(range(self.gates)):
            belief = beliefs[gate + 1]
            further = value - rate * self.cost[gate + 1] * belief.sum(axis=1)
            here = belief @ self._states[1][:, gate]
            decisions.append(further > here)
            value = np.maximum(further, here).reshape(-1, self.count).sum(axis=1)
        return tuple(reversed(decisions))

    @cached_property
    def _states(self) -> tuple[NDArray[np.intp], Floats]:
        """The state of each row, which says what stages are right; mean qualities in each state."""
        right = self.quality >= HALF
        _, states = np.unique(right, axis=0, return_inverse=True)
        states = states.reshape(-1)
        means = [self.quality[states == state].mean(axis=0) for state in range(states.max() + 1)]
        return states, np.array(means)

    @cached_property
    def _beliefs(self) -> list[Floats]:
        """How likely each course of bins is together with each state, [courses, states]."""
        states, means = self._states
        sizes = np.bincount(states, minlength=len(means)).astype(float)
        beliefs = [(sizes / sizes.sum())[None, :]]
        for gate in range(self.gates):
            joint = np.zeros((self.count, len(means)))
            np.add.at(joint, (self.bins[:, gate], states), 1.0)
            overall = (joint.sum(axis=1) + 1) / (joint.sum() + self.count)
            likely = (joint + overall[:, None]) / (sizes + 1)
            beliefs.append((beliefs[-1][:, None, :] * likely[None]).reshape(-1, len(means)))
        return beliefs


def _greedy(totals: Floats, counts: Floats) -> Bools:
    """Go on where the gain is positive, smoothed over neighbouring bins."""
    from scipy.ndimage import gaussian_filter1d

    smooth: Floats = gaussian_filter1d(totals, SMOOTH, mode="constant")
    near: Floats = gaussian_filter1d(counts, SMOOTH, mode="constant")
    return (smooth > 0) | (near <= 0)


def _within(ranges: int, begins: int, totals: Floats, counts: Floats) -> Bools:
    """Go on in so many ranges of bins: those that gain most, of equals those with fewest rows.

    With `begins` the first range begins at the first bin.
    """
    cuts = _cuts(len(totals), 2 * ranges - begins)
    first = np.zeros((len(cuts), begins), dtype=np.intp)
    ends = np.concatenate([first, cuts], axis=1).reshape(-1, ranges, 2)
    gains, rows = np.append(0.0, totals.cumsum()), np.append(0.0, counts.cumsum())
    gain = (gains[ends[..., 1]] - gains[ends[..., 0]]).sum(axis=1)
    size = (rows[ends[..., 1]] - rows[ends[..., 0]]).sum(axis=1)
    best = np.lexsort((size, -gain.round(12)))[0]
    on = np.zeros(len(totals), dtype=bool)
    for begin, end in ends[best]:
        on[begin:end] = True
    return on


@lru_cache(maxsize=64)
def _cuts(bins: int, count: int) -> NDArray[np.intp]:
    """Return all rising ways to place so many cuts between bins; several may be at one place."""
    ways = list(combinations_with_replacement(range(bins + 1), count))
    return np.array(ways, dtype=np.intp)


SEARCHES: dict[str, Callable[[Floats, Floats], Bools]] = {
    "threshold": partial(_within, 1, 1),
    "double": partial(_within, 1, 0),
    "triple": partial(_within, 2, 1),
    "greedy": _greedy,
}
"""How the bins in which to go on are chosen, by their summed gains and their rows: below one
threshold; between two, as what is below them is beyond help; below one and between two."""
