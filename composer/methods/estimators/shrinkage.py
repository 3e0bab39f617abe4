"""Out-of-distribution queries: how far they lie from the training rows, and shrunk estimates.

A learned router can fall below chance on subjects that it never saw. So what it says of a query
counts only as much as the query resembles what it learnt from; the rest is a safe prior, a linear
model of the query's length and shape, which holds on foreign queries too.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from composer.heavy import np
from composer.methods.estimators.features import all_vectors
from composer.methods.estimators.linear import predicted
from composer.methods.estimators.shapes import Shape
from composer.methods.estimators.typicality import measure, ranks
from composer.methods.estimators.values import Predictions
from composer.values import TypicalityRank

if TYPE_CHECKING:
    from collections.abc import Sequence

    from composer.methods.estimators.values import Asked, Floats
    from composer.values import State

SEEN = (Shape(),)
"""What the safe prior sees: the shape of a query, none of its words."""


def shrunk(
    state: State, queries: Sequence[Asked], predictions: Predictions
) -> tuple[Predictions, list[TypicalityRank]]:
    """Return predictions shrunk towards the prior, and how typical each query is of the rows.

    mean = w m + (1 - w) prior, with w by the similarity on the curve that was fitted where whole
    tags were left out.
    """
    measures = measure(state.part("rows"), queries)
    curve = state.part("curve").arrays
    weight = np.interp(measures[:, 0], curve["similar"], curve["weight"])
    prior_state = state.part("prior")
    vectors = all_vectors(SEEN, prior_state.part("features"), queries)
    prior = predicted(prior_state.part("models"), vectors)
    held_out = state.part("held_out")
    rows = len(held_out.arrays["together"])
    typicality = [TypicalityRank(rank, rows) for rank in ranks(held_out, measures).tolist()]
    return blended(predictions, prior, weight), typicality


def blended(predictions: Predictions, prior: Predictions, weight: Floats) -> Predictions:
    """Return w m + (1 - w) prior for weights [n]; the spread grows by what the two differ."""
    share = weight[:, None]
    mean = share * predictions.mean + (1 - share) * prior.mean
    apart = share * (1 - share) * (predictions.mean - prior.mean) ** 2
    return Predictions(mean, np.sqrt(share * predictions.spread**2 + apart), predictions.cost)
