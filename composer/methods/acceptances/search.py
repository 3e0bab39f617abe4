"""The search of thresholds: which stages, in which order, and when each of them is enough."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import permutations
from typing import TYPE_CHECKING, NamedTuple

from composer.diagnostics.amounts import number_text
from composer.heavy import np
from composer.methods.mistakes import PartError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from composer.methods.cascade_table import CascadeTable
    from composer.methods.estimators.values import Floats

GRID = {1: 400, 2: 40, 3: 16, 4: 8}
"""Values that are tried for each of so many thresholds together."""

FINE = 400
"""Values that are tried for one threshold while the others stand still."""

SWEEPS = 3


class Setting(NamedTuple):
    """Stages in their order, and a threshold for each but the last."""

    order: tuple[int, ...]
    thresholds: tuple[float, ...]


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
    """Return the best stages, order and thresholds; without `longest` all stages in their order.

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
        values = np.where(np.isfinite(values), values, -np.inf)
        return cls(table.names, table.begun, values, table.quality, cost, aim, strong, signal)

    def best(self, longest: int | None) -> Setting:
        settings = [self._best_of(order) for order in self._orders(longest)]
        rating, setting = min(settings, key=lambda each: each[0])
        slack = 1 / len(self.quality) + 0.01 if self.aim.share is not None else 1e-12
        if rating[0] > slack:
            raise self._unreached(longest)
        return setting

    def _orders(self, longest: int | None) -> Iterator[tuple[int, ...]]:
        """Yield the orders of stages that are tried; what has answered before comes first."""
        stages = range(len(self.names))
        if longest is None:
            yield tuple(stages)
            return
        rest = [at for at in stages if at not in self.begun]
        for length in range(1 - len(self.begun), min(longest, len(rest)) + 1):
            for order in permutations(rest, length):
                if self.begun + order:
                    yield self.begun + order

    def _best_of(self, order: tuple[int, ...]) -> tuple[tuple[float, float, int], Setting]:
        """Return the best thresholds of an order with how good they are."""
        if len(order) == 1:
            return self._rated(order, np.zeros((1, 0)))
        size = GRID.get(len(order) - 1, 8)
        grids = [self._grid(stage, size) for stage in order[:-1]]
        rated = self._rated(order, np.array(np.meshgrid(*grids)).reshape(len(grids), -1).T)
        for _ in range(SWEEPS if len(grids) > 1 else 0):
            before = rated
            for at, stage in enumerate(order[:-1]):
                fine = self._grid(stage, FINE)
                settings = np.tile(np.array(rated[1].thresholds), (len(fine), 1))
                settings[:, at] = fine
                rated = min(rated, self._rated(order, settings), key=lambda each: each[0])
            if rated == before:
                break
        return rated

    def _rated(
        self, order: tuple[int, ...], settings: Floats
    ) -> tuple[tuple[float, float, int], Setting]:
        """Return the best of some settings of the thresholds [settings, stages - 1]."""
        spent, quality, share = self._outcomes(order, settings)
        missed, beside = self.aim.rating(spent, quality, share)
        at = int(np.lexsort((beside.round(12), missed.round(12)))[0])
        rating = (float(missed[at].round(12)), float(beside[at].round(12)), len(order))
        return rating, Setting(order, tuple(settings[at].tolist()))

    def _outcomes(self, order: Sequence[int], settings: Floats) -> tuple[Floats, Floats, Floats]:
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
            grids = [self._grid(stage, 8) for stage in order[:-1]]
            settings = np.array(np.meshgrid(*grids)).reshape(len(grids), -1).T
            settings = settings if grids else np.zeros((1, 0))
            spent, quality, share = self._outcomes(order, settings)
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

    A missing cost is the mean of its stage. Without dollars the best stage costs 1, all others 0.
    """
    unknown = ~np.isfinite(table.cost)
    if unknown.all(0).any():
        cost = np.zeros(table.cost.shape)
        cost[:, strong] = 1.0
        return cost, False
    cost = np.where(unknown, np.nanmean(table.cost, 0), table.cost)
    cost[:, list(table.begun)] = 0.0
    return cost, True
