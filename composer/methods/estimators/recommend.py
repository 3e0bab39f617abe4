"""Choosing a model as recommending an item: collaborative filtering with a cold start."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from pydantic import Field

from composer.heavy import np
from composer.methods.estimators.dense import Dense
from composer.methods.estimators.values import Predictions
from composer.values import State

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from composer.methods.estimators.values import Asked, Floats, Labels


class Recommend(Dense):
    """Latent factors of a table of outcomes: r_xm = mean + b_m + b_x + u_x . v_m.

    Queries are the users and choices the items. The biases and factors are fitted to the known
    outcomes by `rounds` of alternating least squares with penalty `ridge` (Koren 2009). A new
    query has no outcomes, so its bias and factors are predicted from its features by a ridge
    regression with penalty `cold`, as recommenders do for new users.
    """

    name: ClassVar[str] = "recommend"
    paper: ClassVar[str] = "10.1109/MC.2009.263"

    rank: int = Field(default=4, ge=1)
    ridge: float = Field(default=1.0, gt=0)
    cold: float = Field(default=100.0, gt=0)
    rounds: int = Field(default=10, ge=1)

    def fit(self, labels: Labels, seed: int) -> State:
        """Factorise the table, then learn a query's side from its features."""
        space, x = self.reduce(labels.asked, seed)
        observed = ~np.isnan(labels.quality)
        mean = float(labels.quality[observed].mean()) if observed.any() else 0.5
        rest = np.where(observed, labels.quality - mean, 0)
        users, items = factorise(rest, observed, self.rank, self.ridge, self.rounds, seed)
        wide = np.hstack([x, np.ones((len(x), 1))]).astype(float)
        penalty = np.diag([self.cold] * x.shape[1] + [1e-6])
        start = np.linalg.solve(wide.T @ wide + penalty, wide.T @ users)
        arrays = {"start": start, "items": items, "mean": np.array([mean])}
        return State.join(space=space, table=State(arrays))

    def predict(self, state: State, queries: Sequence[Asked]) -> Predictions:
        """Return the predicted outcomes of queries that have none yet."""
        arrays = state.part("table").arrays
        x = self.reduced(state.part("space"), queries)
        users = np.hstack([x, np.ones((len(x), 1))]) @ arrays["start"]
        return Predictions.of(arrays["mean"] + _product(users, arrays["items"]))


def factorise(  # noqa: PLR0913 - the table, and how it is factorised
    rest: Floats,
    observed: NDArray[np.bool_],
    rank: int,
    ridge: float,
    rounds: int,
    seed: int,
) -> tuple[Floats, Floats]:
    """Return the queries' [n, 1 + rank] and the choices' [m, 1 + rank] bias and factors.

    `rest` [n, m] are outcomes less their mean, 0 where not `known`. The product is
    b_x + b_m + u_x . v_m.
    """
    count, size = rest.shape
    rng = np.random.default_rng(seed)
    items: Floats = np.hstack([np.zeros((size, 1)), rng.normal(size=(size, rank)) * 0.1])
    users: Floats = np.zeros((count, 1 + rank))
    for _ in range(rounds):
        users = _solve(rest - items[:, 0], observed, items[:, 1:], ridge)
        items = _solve((rest - users[:, :1]).T, observed.T, users[:, 1:], ridge)
    return users, items


def _solve(rest: Floats, observed: NDArray[np.bool_], factors: Floats, ridge: float) -> Floats:
    """Return each row's bias and factors by ridge regression on the other side's factors."""
    wide = np.hstack([np.ones((len(factors), 1)), factors])
    outer = (wide[:, :, None] * wide[:, None, :]).reshape(len(wide), -1)
    size = wide.shape[1]
    normal = (observed.astype(float) @ outer).reshape(-1, size, size) + ridge * np.eye(size)
    right = np.where(observed, rest, 0) @ wide
    solution: Floats = np.linalg.solve(normal, right[:, :, None])[:, :, 0]
    return solution


def _product(users: Floats, items: Floats) -> Floats:
    out: Floats = users[:, :1] + items[:, 0] + users[:, 1:] @ items[:, 1:].T
    return out
