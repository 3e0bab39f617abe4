"""What a router is held against: what would have been reached without looking at the query."""

from __future__ import annotations

from typing import TYPE_CHECKING

from composer.evaluate.best import best_place
from composer.heavy import np
from composer.metrics import mixture

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from composer.evaluate.outcomes import Outcomes

    Floats = NDArray[np.floating]
    Picks = NDArray[np.intp]

__all__ = [
    "CHANCE",
    "LENGTH",
    "ORACLE",
    "ZERO",
    "baselines",
    "best_single",
    "by_length",
    "ranked",
    "zero_mixture",
]

CHANCE, LENGTH, ZERO, ORACLE = "chance", "prompt length", "zero-router", "oracle"
"""The baselines by name; single choices have their own."""


def ranked(outcomes: Outcomes) -> Picks:
    """All columns from the weakest to the best, the dearer of equals first."""
    costs = np.zeros(len(outcomes.names)) if outcomes.cost is None else outcomes.cost.mean(axis=0)
    return np.lexsort((-costs, outcomes.quality.mean(axis=0)))


def best_single(outcomes: Outcomes) -> int:
    """The column that is best in the mean, see `best_place`."""
    costs = np.zeros(len(outcomes.names)) if outcomes.cost is None else outcomes.cost.mean(axis=0)
    return best_place(outcomes.quality.mean(axis=0).tolist(), costs.tolist())


def baselines(outcomes: Outcomes) -> dict[str, tuple[Floats, Floats]]:
    """The expected quality and cost of each baseline on each query, [n] each.

    Chance and prompt length ask every choice as often as the router did, length in the order of
    the choices' means: the shortest prompts go to the weakest. The zero-router mixes single
    choices at the router's mean cost. The oracle takes the best, and of those the cheapest. All but
    the oracle of a cascade ask only what they pick, not the stages before it.
    """
    shares = np.bincount(outcomes.chosen, minlength=len(outcomes.names)) / len(outcomes.ids)
    values = {
        CHANCE: _mixed(outcomes, shares),
        LENGTH: outcomes.of(by_length(outcomes)),
    }
    if outcomes.cost is not None:
        values[ZERO] = _mixed(outcomes, zero_mixture(outcomes))
    return values | {ORACLE: outcomes.through(_oracle(outcomes))}


def zero_mixture(outcomes: Outcomes) -> Floats:
    """How often the zero-router asks each column, [m], at the mean cost of what was decided."""
    assert outcomes.cost is not None
    spent = float(outcomes.decided()[1].mean())
    return mixture(outcomes.cost.mean(axis=0), outcomes.quality.mean(axis=0), spent)


def by_length(outcomes: Outcomes) -> Picks:
    """The choices by prompt length, each as often as the router made it."""
    counts = np.bincount(outcomes.chosen, minlength=len(outcomes.names))
    order = ranked(outcomes)
    picks = np.empty(len(outcomes.ids), dtype=np.intp)
    picks[np.argsort(outcomes.lengths, kind="stable")] = np.repeat(order, counts[order])
    return picks


def _mixed(outcomes: Outcomes, weights: Floats) -> tuple[Floats, Floats]:
    none = np.zeros(len(outcomes.ids))
    return outcomes.quality @ weights, none if outcomes.cost is None else outcomes.cost @ weights


def _oracle(outcomes: Outcomes) -> Picks:
    quality = outcomes.quality[:, : outcomes.choices]
    cost = outcomes.cost if outcomes.paid is None else outcomes.paid
    if cost is None:
        picks: Picks = np.argmax(quality, axis=1)
        return picks
    best = quality == quality.max(axis=1, keepdims=True)
    cheapest: Picks = np.argmin(np.where(best, cost[:, : outcomes.choices], np.inf), axis=1)
    return cheapest
