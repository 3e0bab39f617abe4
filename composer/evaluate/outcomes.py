"""What each choice of a route would have given, beside what the route decided."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from composer.evaluate.judge import judgement
from composer.evaluate.members import spent
from composer.heavy import np

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from numpy.typing import NDArray

    from composer.compiler.graph import Node
    from composer.evaluate.judge import Compare
    from composer.evaluate.members import Members
    from composer.evaluate.rows import EvaluationRow
    from composer.run import Ensemble, Result
    from composer.values import Decision

    Floats = NDArray[np.floating]

__all__ = ["Bank", "Outcomes", "RouteDecision", "bank_of", "lacking", "made_of", "outcomes_of"]

Told = tuple[float, float]
"""The quality of an answer and its dollars."""


@dataclass(frozen=True)
class Bank:
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
    """Outcomes of n queries and m choices, and what a route decided on them.

    `quality`, `cost` (in `unit`) and `estimates` are [n, m], `chosen` is [n]. Dollars are used
    where any are known; else, of two choices, an answer of the better one, the last among equals,
    counts as one call and one of the other as none; else there is no cost.
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

    @property
    def graded(self) -> bool:
        """Whether qualities are scores, not right or wrong."""
        return bool(((self.quality != 0) & (self.quality != 1)).any())

    def of(self, picks: NDArray[np.integer]) -> tuple[Floats, Floats]:
        """The qualities and costs of picks of choices, [..., n], by query."""
        at = np.arange(len(self.ids))
        cost = np.zeros_like(self.quality) if self.cost is None else self.cost
        return self.quality[at, picks], cost[at, picks]


def bank_of(ensemble: Ensemble) -> Bank | None:
    """The last route of a recipe that chooses one branch of a bank, None where there is none."""
    chosen = [_bank(name, node) for name, node in ensemble.routes.items() if _one(node)]
    return chosen[-1] if chosen else None


def _one(route: Node) -> bool:
    options = route.values()
    policy = options.get("policy")
    return not options.get("fused") and not (policy is not None and policy.many)


def _bank(name: str, route: Node) -> Bank:
    names = route.get("names")
    return Bank(name, names, route.values().get("aliases", ((),) * len(names)))


def made_of(bank: Bank, told: Result | Decision) -> RouteDecision | None:
    """What a route decided in a run, or without one; None where the run never reached it."""
    from composer.run import Result

    if not isinstance(told, Result):
        return _made(bank, told.weights, told.estimates)
    events = told.trace.events if told.trace is not None else ()
    notes = next((each.notes for each in events if each.id == bank.route), {})
    return _made(bank, notes["weights"], notes["estimates"]) if "weights" in notes else None


def _made(
    bank: Bank, weights: Mapping[str, float], estimates: Mapping[str, float]
) -> RouteDecision:
    each = [weights[name] for name in bank.names]
    return RouteDecision(each.index(max(each)), tuple(estimates[name] for name in bank.names))


def outcomes_of(
    bank: Bank,
    rows: Sequence[EvaluationRow],
    made: Mapping[str, RouteDecision],
    members: Members,
    how: Compare,
) -> Outcomes | None:
    """Gather the rows where every choice is judged; None where there are none.

    A choice that is one model is judged as that member alone is; any other branch by what was
    recorded under its name.
    """
    looks = [_look(*each, members, how) for each in zip(bank.names, bank.aliases, strict=True)]
    kept: list[tuple[EvaluationRow, list[Told]]] = []
    for row in rows:
        told = [look(row) for look in looks] if row.id in made else [None]
        known = [each for each in told if each is not None]
        if len(known) == len(told):
            kept.append((row, known))
    if not kept:
        return None
    values = np.array([told for _, told in kept], dtype=np.float64)
    decided = [made[row.id] for row, _ in kept]
    cost, unit = _costs(values[..., 0], values[..., 1])
    return Outcomes(
        ids=tuple(row.id for row, _ in kept),
        names=bank.names,
        quality=values[..., 0],
        cost=cost,
        unit=unit,
        estimates=np.array([each.estimates for each in decided], dtype=np.float64),
        chosen=np.array([each.chosen for each in decided]),
        lengths=np.array([len(row.query) for row, _ in kept]),
        tags=tuple(row.tags for row, _ in kept),
    )


def lacking(
    bank: Bank, rows: Sequence[EvaluationRow], members: Members, how: Compare
) -> tuple[str, ...]:
    """Name the choices of which some row has no outcome, only those of which none has if any."""
    looks = [_look(*each, members, how) for each in zip(bank.names, bank.aliases, strict=True)]
    told = [sum(look(row) is not None for row in rows) for look in looks]
    few = [name for name, count in zip(bank.names, told, strict=True) if count < len(rows)]
    none = [name for name, count in zip(bank.names, told, strict=True) if not count]
    return tuple(none or few)


def _look(
    name: str, aliases: tuple[str, ...], members: Members, how: Compare
) -> Callable[[EvaluationRow], Told | None]:
    """Return how a choice's own answer to a row is found."""
    judged = members.judged.get(name, {})
    known = (*aliases, name)

    def look(row: EvaluationRow) -> Told | None:
        if row.id in judged:
            return judged[row.id]
        quality = judgement(row, known, how)
        return None if quality is None else (quality, spent(row, known, None))

    return look


def _costs(quality: Floats, dollars: Floats) -> tuple[Floats | None, str]:
    if dollars.sum() > 0:
        return dollars, "$"
    if quality.shape[1] != 2:  # noqa: PLR2004 - strong and weak
        return None, ""
    weak, strong = quality.mean(axis=0)
    counted = np.eye(2)[int(strong >= weak)]
    return np.tile(counted, (len(quality), 1)), "calls"
