"""The search of thresholds: which stages, in which order, and when each of them is enough."""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import combinations, permutations
from typing import TYPE_CHECKING, NamedTuple

from composer.diagnostics.amounts import number_text
from composer.heavy import np
from composer.methods.acceptances.replay import direction
from composer.methods.mistakes import PartError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray

    from composer.methods.cascade_table import CascadeTable
    from composer.methods.estimators.values import Floats

GRID = {1: 400, 2: 40, 3: 16, 4: 8, 5: 5}
"""Values that are tried for each of so many thresholds together."""

FINE = 400
"""Values that are tried for one threshold while the others stand still."""

SWEEPS = 3


class Setting(NamedTuple):
    """Stages in their order, and a threshold for each but the last.

    An answer is taken where `sign` x signal >= threshold; the sign is -1 where less is better.
    """

    order: tuple[int, ...]
    thresholds: tuple[float, ...]
    sign: int


@dataclass(frozen=True, slots=True)
class Aim:
    """What is looked for: a limit of cost, a least quality, or a share that reaches the best stage.

    Where all are None, the limit is the cost of always asking the best stage.
    """

    cost: float | None = None
    quality: float | None = None
    share: float | None = None

    def rating(self, spent: Floats, quality: Floats, share: Floats) -> tuple[Floats, Floats]:
        """Return how far settings miss the aim, and what counts beside: the less, the better."""
        if self.share is not None:
            return np.abs(share - self.share), -quality
        if self.quality is not None:
            return np.maximum(0.0, self.quality - quality), spent
        limit = np.inf if self.cost is None else self.cost
        return np.maximum(0.0, spent - limit), -quality


def search(table: CascadeTable, signal: str, aim: Aim, longest: int | None) -> Setting:
    """Return the best stages and thresholds; with `longest` also their order, of so many at most.

    Thresholds are tried on a grid of the signal's quantiles, all together, then one by one on a
    finer grid (FrugalGPT, arXiv:2305.05176). Raises PartError (E509) where the rows do not say
    enough, or nothing reaches the aim.
    """
    rows = np.flatnonzero(np.isfinite(table.quality).all(1))
    if not len(rows):
        raise PartError(
            "E509",
            "no row has the quality of every stage, so no threshold can be searched",
            "give rows with a `reference`, on which no stage fails",
        )
    return _Search.of(table.taken(rows), signal, aim).best(longest)


@dataclass(frozen=True, eq=False)
class _Search:
    """The numbers of n rows and k stages; unknown signals are minus infinity."""

    names: tuple[str, ...]
    begun: tuple[int, ...]
    values: Floats
    quality: Floats
    cost: Floats
    aim: Aim
    strong: int
    signal: str
    sign: int

    @classmethod
    def of(cls, table: CascadeTable, signal: str, aim: Aim) -> _Search:
        values = table.signal(signal)
        if not np.isfinite(values[:, :-1]).any():
            raise PartError(
                "E509",
                f"`{signal}` is not known of any answer, so no threshold can be searched",
                "use a signal that these models give, such as one that is fitted: "
                "`thresholds(of = right())`",
            )
        strong = int(np.flatnonzero(table.quality.mean(0) == table.quality.mean(0).max())[-1])
        cost, known = _costs(table, strong)
        if aim.cost is not None and not known:
            raise PartError(
                "E511",
                "a cost is aimed at, and the costs of some stages are not known",
                "record the `cost` of answers, or declare the `price` of the models",
            )
        if aim == Aim():
            aim = Aim(cost=float(cost[:, strong].mean()))
        sign = int(direction(values, table.quality))
        values = np.where(np.isfinite(values), sign * values, -np.inf)
        return cls(table.names, table.begun, values, table.quality, cost, aim, strong, signal, sign)

    def best(self, longest: int | None) -> Setting:
        """Return the best setting of the order that does best on rows left out."""
        halves = np.arange(len(self.quality)) % 2 == 0
        sides = [(self.taken(each), self.taken(~each)) for each in (halves, ~halves)]
        orders = sorted(self._orders(longest), key=lambda order: self._left_out(order, sides))
        tried = (self._best_of(order) for order in orders)
        rating, setting = next(tried)
        for other, instead in tried:
            if rating[0] <= self._slack:
                break
            rating, setting = min((rating, setting), (other, instead), key=lambda each: each[0])
        if rating[0] > self._slack:
            raise self._unreached(longest)
        return setting

    @property
    def _slack(self) -> float:
        """How far an aim may be missed: for a share a row and a hundredth, else nothing."""
        return 1 / len(self.quality) + 0.01 if self.aim.share is not None else 1e-12

    def taken(self, rows: NDArray[np.bool_]) -> _Search:
        """Return the search on some of the rows."""
        some = {name: getattr(self, name)[rows] for name in ("values", "quality", "cost")}
        return replace(self, **some)

    def _left_out(
        self, order: tuple[int, ...], sides: Sequence[tuple[_Search, _Search]]
    ) -> tuple[float, int]:
        """Return what an order comes to on rows left out, the less the better, and its length.

        What misses the aim counts twice what it would cost to mend it with a better stage.
        """
        results = []
        for chosen_on, held_out in sides if len(self.quality) > 1 else ():
            _, setting = chosen_on.rated_best(order, chosen_on.settings_of(order))
            results.append(held_out.outcomes(order, np.array([setting.thresholds])))
        if not results:
            return 0.0, len(order)
        missed, beside = self.aim.rating(*np.mean(results, 0))
        gain, dearer = np.ptp(self.quality.mean(0)), np.ptp(self.cost.mean(0))
        rate = 1.0 if self.aim.share is not None or not gain or not dearer else gain / dearer
        rate = 1 / rate if self.aim.quality is not None else rate
        return float(beside[0] + 2 * rate * missed[0]), len(order)

    def settings_of(self, order: tuple[int, ...]) -> Floats:
        """Return thresholds of an order to try, [settings, stages - 1]."""
        if len(order) == 1:
            return np.zeros((1, 0))
        grids = [self._grid(stage, GRID[len(order) - 1]) for stage in order[:-1]]
        return np.array(np.meshgrid(*grids)).reshape(len(grids), -1).T

    def _orders(self, longest: int | None) -> Iterator[tuple[int, ...]]:
        """Yield the orders of stages that are tried; what has answered before comes first."""
        rest = [at for at in range(len(self.names)) if at not in self.begun]
        choose = combinations if longest is None else permutations
        most = len(rest) if longest is None else min(longest, len(rest))
        for length in range(1 - len(self.begun), most + 1):
            for order in choose(rest, length):
                yield self.begun + order

    def _best_of(self, order: tuple[int, ...]) -> tuple[tuple[float, float, int], Setting]:
        """Return the best thresholds of an order with how good they are."""
        rated = self.rated_best(order, self.settings_of(order))
        for _ in range(SWEEPS if order[2:] else 0):
            before = rated
            for at, stage in enumerate(order[:-1]):
                fine = self._grid(stage, FINE)
                settings = np.tile(np.array(rated[1].thresholds), (len(fine), 1))
                settings[:, at] = fine
                rated = min(rated, self.rated_best(order, settings), key=lambda each: each[0])
            if rated == before:
                break
        return rated

    def rated_best(
        self, order: tuple[int, ...], settings: Floats
    ) -> tuple[tuple[float, float, int], Setting]:
        """Return the best of some settings of the thresholds [settings, stages - 1]."""
        spent, quality, share = self.outcomes(order, settings)
        missed, beside = self.aim.rating(spent, quality, share)
        at = int(np.lexsort((beside.round(12), missed.round(12)))[0])
        rating = (float(missed[at].round(12)), float(beside[at].round(12)), len(order))
        return rating, Setting(order, tuple(settings[at].tolist()), self.sign)

    def outcomes(self, order: Sequence[int], settings: Floats) -> tuple[Floats, Floats, Floats]:
        """Return the mean cost, quality and share of strong calls of each setting."""
        count = len(settings)
        spent, quality, share = np.zeros(count), np.zeros(count), np.zeros(count)
        size = max(1, 4_000_000 // len(self.quality))
        for start in range(0, count, size):
            some = slice(start, start + size)
            going = np.ones((len(settings[some]), len(self.quality)), dtype=bool)
            for place, stage in enumerate(order):
                spent[some] += going @ self.cost[:, stage]
                share[some] += going.sum(1) * (stage == self.strong)
                last = place == len(order) - 1
                least = settings[some, place, None] if not last else -np.inf
                enough = going & (self.values[None, :, stage] >= least)
                quality[some] += enough @ self.quality[:, stage]
                going &= ~enough
        rows = len(self.quality)
        return spent / rows, quality / rows, share / rows

    def _grid(self, stage: int, size: int) -> Floats:
        """Return thresholds from one that every known signal reaches to one that none does."""
        known = np.unique(self.values[np.isfinite(self.values[:, stage]), stage])
        if not len(known):
            return np.zeros(1)
        between = (known[1:] + known[:-1]) / 2
        if len(between) > size:
            quantiles = np.quantile(self.values[:, stage], np.linspace(0, 1, size), method="lower")
            between = np.unique(quantiles[np.isfinite(quantiles)])
        above = np.nextafter(known[-1], np.inf)
        return np.unique(np.concatenate([[known[0]], between, [above]]))

    def _unreached(self, longest: int | None) -> PartError:
        """Say what can be reached."""
        what = next(w for w in ("share", "quality", "cost") if getattr(self.aim, w) is not None)
        reached: list[float] = []
        for order in self._orders(longest):
            spent, quality, share = self.outcomes(order, self.settings_of(order))
            reached += {"cost": spent, "quality": quality, "share": share}[what].tolist()
        reach = f"from {number_text(min(reached), 4)} to {number_text(max(reached), 4)}"
        aim = f"{what}={number_text(getattr(self.aim, what), 4)}"
        return PartError(
            "E509",
            f"no thresholds on `{self.signal}` reach {aim}",
            f"on these rows, the possible values go {reach}",
        )


def _costs(table: CascadeTable, strong: int) -> tuple[Floats, bool]:
    """Return the cost of each stage [n, k], and whether these are dollars.

    Without dollars the best stage costs 1, all others 0.
    """
    dollars = table.filled_cost
    cost = np.zeros(table.cost.shape) if dollars is None else dollars.copy()
    if dollars is None:
        cost[:, strong] = 1.0
    else:
        cost[:, list(table.begun)] = 0.0
    return cost, dollars is not None
