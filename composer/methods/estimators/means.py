"""Estimates that look at nothing but the choice, or the query's tags: means, shrunk where few."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from pydantic import Field

from composer.heavy import np
from composer.methods.estimators.base import Learned
from composer.methods.estimators.values import Predictions
from composer.values import State

if TYPE_CHECKING:
    from collections.abc import Sequence

    from composer.methods.estimators.values import Asked, Floats, Labels

_HALF = 0.5


class Constant(Learned):
    """Each choice's mean recorded outcome for every query: the best single choice as a router."""

    name: ClassVar[str] = "constant"
    paper: ClassVar[str] = "arXiv:2403.12031"

    def fit(self, labels: Labels, seed: int) -> State:
        """Keep the means and their standard errors; a choice without labels has the others'."""
        del seed
        return State(
            {
                "mean": prior(labels.quality),
                "spread": error(labels.quality),
                "cost": dollars(labels),
            }
        )

    def predict(self, state: State, queries: Sequence[Asked]) -> Predictions:
        """Return the same for every query."""
        arrays = state.arrays
        rows = (len(queries), len(arrays["mean"]))
        mean, spread, cost = (
            np.broadcast_to(arrays[name], rows) for name in ("mean", "spread", "cost")
        )
        return Predictions(mean, spread, cost)


class Tagged(Learned):
    """Each choice's mean outcome on the query's tags, shrunk towards its mean on everything.

    For a tag of n labels: (sum of outcomes + weight x overall mean) / (n + weight). A query with
    several known tags has the mean over them, one without any the overall mean.
    """

    name: ClassVar[str] = "tagged"
    paper: ClassVar[str] = "arXiv:2403.12031"

    weight: float = Field(default=20.0, ge=0)

    def fit(self, labels: Labels, seed: int) -> State:
        """Keep the shrunk means of each tag [tags, m]."""
        del seed
        names, member = membership(labels.tags)
        overall = prior(labels.quality)
        means = shrunk(member, labels.quality, overall, self.weight)
        arrays = {"overall": overall, "means": means.astype(float)}
        return State(arrays, {"tags": list(names), "rows": np.asarray(member.sum(0)).tolist()})

    def predict(self, state: State, queries: Sequence[Asked]) -> Predictions:
        """Return the means over each query's tags."""
        places = {tag: at for at, tag in enumerate(state.facts["tags"])}
        means, overall = state.arrays["means"], state.arrays["overall"]
        out = np.empty((len(queries), len(overall)))
        for row, (_, tags) in enumerate(queries):
            positions = [places[tag] for tag in tags if tag in places]
            out[row] = means[positions].mean(0) if positions else overall
        return Predictions.of(out)


def prior(values: Floats) -> Floats:
    """Return the mean of each column [m]; one without values has the mean of all, else 1/2."""
    observed = ~np.isnan(values)
    count = observed.sum(0)
    everything = values[observed].mean() if observed.any() else _HALF
    total = np.where(observed, values, 0).sum(0)
    out: Floats = np.where(count > 0, total / np.maximum(count, 1), everything)
    return out


def dollars(labels: Labels) -> Floats:
    """Return each choice's mean cost [m] in dollars, NaN where none was recorded."""
    observed = ~np.isnan(labels.cost)
    count = observed.sum(0)
    total = np.where(observed, labels.cost, 0).sum(0)
    out: Floats = np.where(count > 0, total / np.maximum(count, 1), np.nan)
    return out


def error(values: Floats) -> Floats:
    """Return the standard error of each column's mean [m]; 1/2 where nothing is known."""
    observed = ~np.isnan(values)
    count = observed.sum(0)
    apart = np.where(observed, values - prior(values), 0)
    spread = np.sqrt((apart**2).sum(0) / np.maximum(count, 1) / np.maximum(count, 1))
    out: Floats = np.where(count > 0, spread, _HALF)
    return out


def membership(tags: Sequence[Sequence[str]]) -> tuple[tuple[str, ...], Floats]:
    """Return all tags in order of appearance, and which row has which [n, tags]."""
    places = {tag: at for at, tag in enumerate(dict.fromkeys(t for row in tags for t in row))}
    member = np.zeros((len(tags), len(places)))
    for row, each in enumerate(tags):
        member[row, [places[tag] for tag in each]] = 1
    return tuple(places), member


def shrunk(member: Floats, quality: Floats, overall: Floats, weight: float) -> Floats:
    """Return the mean outcome of each group of rows [groups, m], shrunk towards the overall mean.

    `member` [n, groups] says which row is in which group.
    """
    observed = ~np.isnan(quality)
    count = member.T @ observed
    total = member.T @ np.where(observed, quality, 0)
    some = count + weight
    out: Floats = np.where(
        some > 0, (total + weight * overall) / np.where(some > 0, some, 1), overall
    )
    return out
