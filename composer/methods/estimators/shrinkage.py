"""Out-of-distribution queries: estimates that are shrunk towards a safe prior.

A learned router can fall below chance on subjects that it never saw. So what it says of a query
counts only as much as the query is typical of what it learnt from; the rest is a prior made of
length and shape, which was chosen on whole tags that were left out.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from composer.heavy import np
from composer.methods.estimators.prior import prior_quality
from composer.methods.estimators.typicality import measure, ranks
from composer.methods.estimators.values import Predictions
from composer.values import TypicalityRank

if TYPE_CHECKING:
    from collections.abc import Sequence

    from composer.methods.estimators.values import Asked, Floats
    from composer.values import State


def shrunk(
    state: State, queries: Sequence[Asked], predictions: Predictions
) -> tuple[Predictions, list[TypicalityRank]]:
    """Return predictions shrunk towards the prior, and how typical each query is of the rows.

    mean = w m + (1 - w) prior, with w by the query's p-value on the fitted curve of trust.
    """
    held_out = state.part("held_out")
    rows = len(held_out.arrays["together"])
    rank = ranks(held_out, measure(state.part("rows"), queries))
    p_values = (rank + 1) / (rows + 1)
    curve = state.part("curve").arrays
    weight = np.interp(p_values, curve["p_value"], curve["weight"])
    prior = Predictions.of(prior_quality(state.part("prior"), queries, p_values))
    typicality = [TypicalityRank(each, rows) for each in rank.tolist()]
    return blended(predictions, prior, weight), typicality


def blended(predictions: Predictions, prior: Predictions, weight: Floats) -> Predictions:
    """Return w m + (1 - w) prior for weights [n]; the spread grows by what the two differ."""
    share = weight[:, None]
    mean = share * predictions.mean + (1 - share) * prior.mean
    apart = share * (1 - share) * (predictions.mean - prior.mean) ** 2
    return Predictions(mean, np.sqrt(share * predictions.spread**2 + apart), predictions.cost)
