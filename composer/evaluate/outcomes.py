"""What each choice of a route would have given, beside what the route decided."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from composer.evaluate.judge import judgement
from composer.evaluate.members import recorded_cost
from composer.heavy import np

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from numpy.typing import NDArray

    from composer.compiler.graph import Node
    from composer.evaluate.grading import Grading
    from composer.evaluate.members import Members
    from composer.evaluate.rows import EvaluationRow
    from composer.evaluate.settings import Settings
    from composer.run import Ensemble, Result
    from composer.values import Decision

    Floats = NDArray[np.floating]

__all__ = [
    "Outcomes",
    "RouteDecision",
    "RoutedBank",
    "choices_without_cost",
    "costs_and_unit",
    "outcomes_of",
    "route_decision_of",
    "routed_bank_of",
    "unjudged_choices",
]

JudgedAnswer = tuple[float, float]
"""The quality of an answer and its dollars, NaN where not known."""

PAIR = 2

DOLLARS = "$"


@dataclass(frozen=True)
class RoutedBank:
    """A route that chooses one of several branches; `route` is its id in the plan."""

    route: str
    names: tuple[str, ...]
    aliases: tuple[tuple[str, ...], ...]


@dataclass(frozen=True)
class RouteDecision:
    """One decision: which choice, by its place in the bank, and what was expected of each."""

    chosen: int
    estimates: tuple[float, ...]


@dataclass(frozen=True, eq=False)
class Outcomes:
    """Outcomes of n queries and m choices, and what a route or a cascade decided on them.

    `quality`, `cost` (in `unit`) and `estimates` are [n, m], `chosen` is [n]. Dollars are used
    where some are known of every choice; `filled` counts the answers of unknown cost, for which the
    mean of the choice stands. Else, of two choices, an answer of the better one, the last among
    equals, counts as one call and one of the other as none; else there is no cost. `unpriced` names
    the choices that kept dollars from being used: those of others are known.

    The last `beside` columns are single models that cannot be chosen. The choices of a `ladder` are
    the stages of a cascade that a rule decides: `estimates` are its margins, 0 of the last stage,
    and `paid` is what stopping at each costs, with all stages before it; `cost` is of each alone.
    Of any cascade `asked` [n, stages] says which stages were asked, and `spent` what each costs
    there, after those before it; `settings` has what one that is decided by a part would do at
    other settings.
    """

    ids: tuple[str, ...]
    names: tuple[str, ...]
    quality: Floats
    cost: Floats | None
    unit: str
    estimates: Floats
    chosen: NDArray[np.intp]
    lengths: NDArray[np.intp]
    tags: tuple[tuple[str, ...], ...]
    paid: Floats | None = None
    beside: int = 0
    ladder: bool = False
    asked: NDArray[np.bool_] | None = None
    spent: Floats | None = None
    settings: Settings | None = None
    unpriced: tuple[str, ...] = ()
    filled: int = 0

    @property
    def choices(self) -> int:
        """How many of the columns can be chosen; the others only stand beside them."""
        return len(self.names) - self.beside

    @property
    def graded(self) -> bool:
        """Whether qualities are scores, not right or wrong."""
        return bool(((self.quality != 0) & (self.quality != 1)).any())

    def of(self, picks: NDArray[np.integer]) -> tuple[Floats, Floats]:
        """The qualities and costs of picks of choices, [..., n], by query, each asked at once."""
        return self._of(picks, self.cost)

    def through(self, picks: NDArray[np.integer]) -> tuple[Floats, Floats]:
        """The same where the recipe picks them: a cascade pays for the stages before, too."""
        return self._of(picks, self.cost if self.paid is None else self.paid)

    def decided(self) -> tuple[Floats, Floats]:
        """The qualities and costs of what was decided, [n] each."""
        if self.ladder or self.asked is None:
            return self.through(self.chosen)
        return self.after(self.chosen, self.asked)

    def after(self, picks: NDArray[np.integer], asked: NDArray[np.bool_]) -> tuple[Floats, Floats]:
        """The same of picks [..., n] that are made after some stages were asked, [..., n, m]."""
        quality, cost = self.of(picks)
        if self.spent is not None:
            cost = (self.spent[:, : self.choices] * asked).sum(axis=-1)
        return quality, cost

    def _of(self, picks: NDArray[np.integer], cost: Floats | None) -> tuple[Floats, Floats]:
        at = np.arange(len(self.ids))
        costs = np.zeros_like(self.quality) if cost is None else cost
        return self.quality[at, picks], costs[at, picks]


def routed_bank_of(ensemble: Ensemble) -> RoutedBank | None:
    """The last route of a recipe that chooses one branch of a bank, None where there is none."""
    chosen = [_bank(name, node) for name, node in ensemble.routes.items() if _one(node)]
    return chosen[-1] if chosen else None


def _one(route: Node) -> bool:
    options = route.values()
    policy = options.get("policy")
    return not options.get("fused") and not (policy is not None and policy.many)


def _bank(name: str, route: Node) -> RoutedBank:
    names = route.get("names")
    return RoutedBank(name, names, route.values().get("aliases", ((),) * len(names)))


def route_decision_of(bank: RoutedBank, result: Result | Decision) -> RouteDecision | None:
    """What a route decided in a run, or without one; None where the run never reached it."""
    from composer.run import Result

    if not isinstance(result, Result):
        return _made(bank, result.weights, result.estimates)
    events = result.trace.events if result.trace is not None else ()
    notes = next((event.notes for event in events if event.id == bank.route), {})
    return _made(bank, notes["weights"], notes["estimates"]) if "weights" in notes else None


def _made(
    bank: RoutedBank, weights: Mapping[str, float], estimates: Mapping[str, float]
) -> RouteDecision:
    chosen_weights = [weights[name] for name in bank.names]
    return RouteDecision(
        chosen_weights.index(max(chosen_weights)), tuple(estimates[name] for name in bank.names)
    )


def outcomes_of(
    bank: RoutedBank,
    rows: Sequence[EvaluationRow],
    decisions: Mapping[str, RouteDecision],
    members: Members,
    how: Grading,
) -> Outcomes | None:
    """Gather the rows where every choice is judged; None where there are none.

    A choice that is one model is judged as that member alone is; any other branch by what was
    recorded under its name.
    """
    lookups = [_look(*each, members, how) for each in zip(bank.names, bank.aliases, strict=True)]
    complete: list[tuple[EvaluationRow, list[JudgedAnswer]]] = []
    for row in rows:
        answers = [look(row) for look in lookups] if row.id in decisions else [None]
        judged = [each for each in answers if each is not None]
        if len(judged) == len(answers):
            complete.append((row, judged))
    if not complete:
        return None
    values = np.array([answers for _, answers in complete], dtype=np.float64)
    decided = [decisions[row.id] for row, _ in complete]
    cost, unit = costs_and_unit(values[..., 0], values[..., 1])
    return Outcomes(
        ids=tuple(row.id for row, _ in complete),
        names=bank.names,
        quality=values[..., 0],
        cost=cost,
        unit=unit,
        estimates=np.array([each.estimates for each in decided], dtype=np.float64),
        chosen=np.array([each.chosen for each in decided]),
        lengths=np.array([len(row.query) for row, _ in complete]),
        tags=tuple(row.tags for row, _ in complete),
        unpriced=choices_without_cost(bank.names, values[..., 1]),
        filled=int(np.isnan(values[..., 1]).sum()) if unit == DOLLARS else 0,
    )


def unjudged_choices(
    bank: RoutedBank, rows: Sequence[EvaluationRow], members: Members, how: Grading
) -> tuple[str, ...]:
    """Name the choices of which some row has no outcome, only those of which none has if any."""
    lookups = [_look(*each, members, how) for each in zip(bank.names, bank.aliases, strict=True)]
    counts = [sum(look(row) is not None for row in rows) for look in lookups]
    incomplete = [name for name, count in zip(bank.names, counts, strict=True) if count < len(rows)]
    empty = [name for name, count in zip(bank.names, counts, strict=True) if not count]
    return tuple(empty or incomplete)


def _look(
    name: str, aliases: tuple[str, ...], members: Members, how: Grading
) -> Callable[[EvaluationRow], JudgedAnswer | None]:
    """Return how a choice's own answer to a row is found."""
    judged = members.judged.get(name, {})
    names = (*aliases, name)

    def look(row: EvaluationRow) -> JudgedAnswer | None:
        if row.id in judged:
            return judged[row.id]
        grade = judgement(row, names, how)
        if grade is None or grade.score is None:
            return None
        return grade.score, recorded_cost(row, names, None)

    return look


def choices_without_cost(names: Sequence[str], dollars: Floats) -> tuple[str, ...]:
    """Name the choices of which no cost is known; none where that is so of all. See `Outcomes`."""
    columns = zip(names, dollars.T, strict=True)
    empty = tuple(name for name, column in columns if np.isnan(column).all())
    return () if len(empty) == len(names) else empty


def costs_and_unit(quality: Floats, dollars: Floats) -> tuple[Floats | None, str]:
    """Return the costs of choices [n, m] as they are compared, and their unit, see `Outcomes`."""
    unknown = np.isnan(dollars)
    if not unknown.all(axis=0).any() and np.nansum(dollars) > 0:
        return np.where(unknown, np.nanmean(dollars, axis=0), dollars), DOLLARS
    if quality.shape[1] != PAIR:
        return None, ""
    weak, strong = quality.mean(axis=0)
    counted = np.eye(PAIR)[int(strong >= weak)]
    return np.tile(counted, (len(quality), 1)), "calls"
