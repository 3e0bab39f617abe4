"""Learn then test: thresholds are searched on some rows, and what they promise is tested on others.

Settings are put in an order on the rows of the search, the safest first and then each cheaper one.
On the other rows they are tested in this order until one fails. Each test may be wrong with
probability 1 - `sure`; as they go in a fixed order and stop, so may all of them together, whatever
the distribution (Angelopoulos et al., arXiv:2110.01052; the order: Pareto testing, 2210.07913).
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from typing import TYPE_CHECKING

from composer.diagnostics.amounts import counted, number_text
from composer.heavy import np
from composer.methods.acceptances.promises import Promise, percent
from composer.methods.acceptances.replay import direction
from composer.methods.mistakes import PartError
from composer.metrics.bounds import loss_p_values, rows_needed

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from composer.methods.acceptances.replay import Replay, Runs
    from composer.methods.estimators.values import Floats

SETTINGS = 1_300
"""No more settings are searched."""

LEVELS = 50
"""No more thresholds of one stage are searched."""

SEARCHED = 1_000
"""The search takes no more rows than this; what is left goes into the test."""

_CHUNK = 256


@dataclass(frozen=True, eq=False)
class Tallies:
    """Sums over rows, of each setting: the losses of each promise [promises, settings], and aims.

    `rows` are those that count. `aim` is the mean of what is to be little.
    """

    total: Floats
    rows: Floats
    aim: Floats


@dataclass(frozen=True, eq=False)
class Certificate:
    """Thresholds that were certified, and what they came to on the rows of the test.

    `losses` are the mean losses of the promises there, and `counts` the rows that they are of.
    """

    thresholds: Floats
    sign: float
    losses: tuple[float, ...]
    counts: tuple[int, ...]
    tested: NDArray[np.intp]


@dataclass(frozen=True, eq=False)
class Search:
    """What is promised with which certainty, by which part, and what should be little beside.

    `aim` is a promise whose loss should be little, None for the cost. `share` is that of the rows
    of the search.
    """

    part: str
    promises: tuple[Promise, ...]
    sure: float
    aim: Promise | None
    share: float
    seed: int

    def certify(self, replay: Replay, quality: Floats) -> Certificate:
        """Return the best thresholds of those that pass; raises PartError (E509) where none does.

        `quality` [rows, stages] says whether a greater signal means a better answer.
        """
        searched, tested = split(replay.rows, self.share, self.seed)
        sign = direction(replay.signal[searched], quality[searched])
        rising = replay.rising(sign)
        path = self._path(rising.take(searched))
        held_out = rising.take(tested)
        tallies = self.tallies(held_out, path)
        p_values = self.p_values(held_out, tallies)
        passed = int(np.argmax(np.append(p_values > 1 - self.sure, True)))
        if not passed:
            raise self._refusal(held_out, tallies, len(searched))
        best = int(np.argmin(self.tallies(rising, path[:passed]).aim))
        counts = tallies.rows[:, best]
        losses = tallies.total[:, best] / np.maximum(counts, 1)
        return Certificate(
            path[best], sign, tuple(losses.tolist()), tuple(counts.astype(int).tolist()), tested
        )

    def tallies(self, replay: Replay, settings: Floats) -> Tallies:
        """Return what each setting comes to on the rows of a replay."""
        parts = [
            self._tally(replay, settings[at : at + _CHUNK])
            for at in range(0, len(settings), _CHUNK)
        ]
        total, rows, aim = (np.concatenate(arrays, axis=-1) for arrays in zip(*parts, strict=True))
        return Tallies(total, rows, aim)

    def p_values(self, replay: Replay, tallies: Tallies) -> Floats:
        """Return the p-value of each setting: that of its least certain promise."""
        each = zip(self.promises, tallies.total, tallies.rows, strict=True)
        p_values = [
            loss_p_values(total, rows, promise.limit, binary=promise.binary(replay))
            for promise, total, rows in each
        ]
        worst: Floats = np.max(p_values, axis=0)
        return worst

    def _tally(self, replay: Replay, settings: Floats) -> tuple[Floats, Floats, Floats]:
        runs = replay.run(settings)
        each = [promise.losses(replay, runs) for promise in self.promises]
        total = np.array([np.where(counts, loss, 0.0).sum(1) for loss, counts in each])
        rows = np.array([counts.sum(1) for _, counts in each], dtype=float)
        return total, rows, self._aim(replay, runs)

    def _aim(self, replay: Replay, runs: Runs) -> Floats:
        values = runs.cost if self.aim is None else self.aim.losses(replay, runs)[0]
        aim: Floats = (runs.calls if np.isnan(values).any() else values).mean(1)
        return aim

    def _path(self, replay: Replay) -> Floats:
        """Return the settings to test, the safest first, each with a smaller aim than the last.

        Of settings that are equally safe on these rows, the one with the greater aim is the safer.
        """
        settings = grid(replay)
        tallies = self.tallies(replay, settings)
        p_values = self.p_values(replay, tallies)
        order = np.lexsort((-tallies.aim, p_values))
        lowest = np.minimum.accumulate(tallies.aim[order])
        better = np.append(True, lowest[1:] < lowest[:-1])
        path: Floats = settings[order[better]]
        return path

    def _refusal(self, replay: Replay, tallies: Tallies, searched: int) -> PartError:
        """Say which promise fails at the safest setting, and how many rows it would take."""
        p_values = [
            float(
                loss_p_values(total[:1], rows[:1], promise.limit, binary=promise.binary(replay))[0]
            )
            for promise, total, rows in zip(self.promises, tallies.total, tallies.rows, strict=True)
        ]
        at = int(np.argmax(p_values))
        promise, rows = self.promises[at], int(tallies.rows[at, 0])
        mean = float(tallies.total[at, 0]) / max(rows, 1)
        binary = promise.binary(replay)
        needed = rows_needed(mean, promise.limit, 1 - self.sure, binary=binary)
        text = f"`{self.part}` cannot promise with {percent(self.sure)} certainty that {promise}"
        seen = f"with the safest thresholds it is {percent(mean)} of {counted(rows, 'row')}"
        if not rows:
            help_ = "give more rows, or a signal that says more of the answers"
            return PartError("E509", f"{text}: the safest thresholds accept none of them", help_)
        if needed is None:
            return PartError(
                "E509", f"{text}: {seen}", f"promise more than that: `{promise.option} = ...`"
            )
        # Only some rows count in some promises, and those of the search never do.
        ratio = (replay.rows + searched) / max(rows, 1)
        total = _rounded(needed * ratio)
        help_ = f"give about {counted(total, 'row')}, or promise more: `{promise.option} = ...`"
        return PartError("E509", f"{text}: {seen}, and these are too few", help_)


def split(rows: int, share: float, seed: int) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Return the rows of the search and those of the test, drawn at random."""
    order = np.random.default_rng(seed).permutation(rows)
    cut = min(round(share * rows), SEARCHED)
    return np.sort(order[:cut]), np.sort(order[cut:])


def grid(replay: Replay) -> Floats:
    """Return the settings that are searched [settings, stages]; the last stage needs no threshold.

    Each stage has quantiles of its signal as thresholds, and infinity.
    """
    gates = replay.signal.shape[1] - 1
    levels = min(LEVELS, max(2, int(SETTINGS ** (1 / max(gates, 1)))))
    places = [[*_quantiles(replay.signal[:, at], levels - 1), np.inf] for at in range(gates)]
    return np.array([(*each, -np.inf) for each in itertools.product(*places)])


def _quantiles(values: Floats, levels: int) -> list[float]:
    known = np.unique(values[np.isfinite(values)])
    places = np.linspace(0, len(known) - 1, min(levels, len(known))).round().astype(int)
    return [float(known[at]) for at in places]


def _rounded(rows: float) -> int:
    """Round a number of rows up to two digits."""
    return int(float(number_text(rows * 1.05, 2)))
