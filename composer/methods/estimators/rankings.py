"""Ratings of choices from comparisons: weighted by similarity, global and local."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, ClassVar

from pydantic import Field

from composer.heavy import np
from composer.methods.estimators.learned import Compared
from composer.methods.estimators.nets import softmax
from composer.methods.estimators.pairs import replay, strengths, wins
from composer.methods.estimators.values import Predictions

if TYPE_CHECKING:
    from collections.abc import Sequence

    from composer.methods.estimators.values import Asked, Floats
    from composer.values import State

_NATURAL = math.log(10) / 400
"""What one point of ELO is in nats: 400 points are odds of ten to one."""


class _Rated(Compared):
    """An estimator of ratings by what happened to the queries that are like this one."""

    def predict(self, state: State, queries: Sequence[Asked]) -> Predictions:
        """Return each choice's share of the wins, softmax of its rating in nats."""
        rows = state.part("rows")
        parts = [self._rate(rows, some) for some in self.similar(state, queries)]
        empty = np.zeros((0, rows.arrays["quality"].shape[1]))
        return Predictions.of(softmax(np.vstack([empty, *parts])))

    def _rate(self, rows: State, similar: Floats) -> Floats:
        """Return ratings [q, m] in nats by similarities [q, n]."""
        raise NotImplementedError


class BradleyTerry(_Rated):
    """Similarity-weighted Bradley-Terry ratings (RouteLLM's `sw`), fitted anew for each query.

    Every recorded query is a set of comparisons with weight 10 x 10^(cos / max cos) of its
    similarity to the query; the weighted log-likelihood is maximised for the choices' strengths.
    """

    name: ClassVar[str] = "bradley_terry"
    paper: ClassVar[str] = "arXiv:2406.18665"

    def _rate(self, rows: State, similar: Floats) -> Floats:
        won = rows.live.get("wins", lambda: np.nan_to_num(wins(rows.arrays["quality"])))
        count, size, _ = won.shape
        top = similar.max(axis=1, keepdims=True)
        weights = 10 * 10 ** np.where(top > 0, similar / np.where(top > 0, top, 1), 0)
        return strengths((weights @ won.reshape(count, -1)).reshape(-1, size, size))


class Elo(_Rated):
    """ELO ratings, global and local (Eagle): `share` x global + (1 - share) x local.

    The global ratings come from all recorded comparisons in order, the local ones from those of the
    `nearest` most similar queries, the most similar last. `k` is the step size of ELO.
    """

    name: ClassVar[str] = "elo"
    paper: ClassVar[str] = "arXiv:2409.15518"

    share: float = Field(default=0.5, ge=0, le=1)
    nearest: int = Field(default=20, ge=1)
    k: float = Field(default=32.0, gt=0)

    def _rate(self, rows: State, similar: Floats) -> Floats:
        won = rows.live.get("wins", lambda: wins(rows.arrays["quality"]))
        overall = rows.live.get(("global", self.k), lambda: replay(won[None], self.k))
        least = max(similar.shape[1] - self.nearest, 0)
        near = np.sort(np.argpartition(similar, least, axis=1)[:, least:], axis=1)
        order = np.argsort(np.take_along_axis(similar, near, 1), axis=1, kind="stable")
        local = replay(won[np.take_along_axis(near, order, 1)], self.k)
        both: Floats = self.share * overall + (1 - self.share) * local
        return both * _NATURAL
