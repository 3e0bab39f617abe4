"""Estimators learned from recorded outcomes: nearest neighbours and linear models."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from pydantic import Field

from composer.heavy import np, scipy, sklearn
from composer.methods.estimators.base import Learned
from composer.methods.estimators.features import (
    Features,
    Tfidf,
    all_vectors,
    embed_all,
    listed,
    packed,
)
from composer.methods.estimators.linear import models_of, predicted
from composer.methods.estimators.values import Predictions
from composer.values import State

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from numpy.typing import NDArray

    from composer.methods.estimators.features import Vectors
    from composer.methods.estimators.values import Asked, Floats, Labels
    from composer.values import Fitted

_AT_ONCE = 512
"""Queries whose similarities to all rows are held at a time."""

FEW = 4
"""Queries that a linear model of quick features judges in a few milliseconds."""


class Featured(Learned):
    """An estimator that sees queries as vectors of features."""

    features: Features | tuple[Features, ...] = Tfidf()

    def embed(self, queries: Sequence[Asked]) -> tuple[State, Vectors]:
        """Fit the features. Return their state and the queries' own vectors."""
        return embed_all(self.features, queries)

    def vectors(self, state: State, queries: Sequence[Asked]) -> Vectors:
        """Return the vectors of queries, by the state that `embed` gave."""
        return all_vectors(self.features, state, queries)


class Compared(Featured):
    """An estimator that compares a query with all recorded ones."""

    def fit(self, labels: Labels, seed: int) -> State:
        """Keep the rows' vectors and outcomes."""
        del seed
        features, vectors = self.embed(labels.asked)
        index = unit(vectors).T.tocsr()
        index.sort_indices()
        arrays = {
            "data": index.data,
            "indices": index.indices.astype(np.int32),
            "indptr": index.indptr.astype(np.int32),
            "quality": labels.quality,
        }
        return State.join(features=features, rows=State(arrays))

    def similar(self, state: State, queries: Sequence[Asked]) -> Iterator[Floats]:
        """Yield the cosines [some queries, rows] of queries with the recorded ones, in order."""
        rows = state.part("rows")
        compare = rows.live.get("index", lambda: _index(rows))
        vectors = unit(self.vectors(state.part("features"), queries))
        for at in range(0, len(queries), _AT_ONCE):
            yield compare(vectors[at : at + _AT_ONCE])


class Knn(Compared):
    """Similarity-weighted mean of the outcomes of the k most similar recorded queries.

    quality = sum s_i y_i / sum s_i with s the cosine of the features. A query without a term in
    common with any row gets the mean of all rows. The standard deviation of that mean is sqrt(sum
    s_i^2 (y_i - q)^2) / sum s_i.
    """

    name: ClassVar[str] = "knn"
    paper: ClassVar[str] = "arXiv:2505.12601"

    k: int = Field(default=20, ge=1)

    def because(self, fitted: Fitted) -> str:
        """Say how many neighbours there were."""
        return f"the {min(self.k, fitted.rows)} nearest recorded queries"

    def predict(self, state: State, queries: Sequence[Asked]) -> Predictions:
        """Return the weighted means over the nearest rows that have an outcome."""
        rows = state.part("rows")
        quality = rows.arrays["quality"]
        whole = rows.live.get("whole", lambda: _summary(quality))
        similar = self.similar(state, queries)
        parts = [self._nearest(some, quality, whole) for some in similar]
        empty = np.zeros((0, quality.shape[1]))
        mean, spread = (np.vstack([empty, *each]) for each in zip(*parts, strict=True))
        return Predictions(mean, spread)

    def _nearest(
        self, similar: Floats, quality: Floats, whole: tuple[Floats, Floats] | None
    ) -> tuple[Floats, Floats]:
        if whole is not None:
            return _weighted(similar, quality, self.k, whole)
        each = []
        for column in quality.T:
            observed_rows = np.flatnonzero(~np.isnan(column))
            labels = column[observed_rows, None]
            whole = (labels.mean(0), labels.std(0)) if len(observed_rows) else None
            each.append(_weighted(similar[:, observed_rows], labels, self.k, whole))
        mean, spread = zip(*each, strict=True)
        return np.hstack(mean), np.hstack(spread)


def _index(rows: State) -> Callable[[Vectors], Floats]:
    """Return what compares queries with the rows: term by term, so that only theirs are read."""
    arrays = rows.arrays
    parts = (arrays["data"], arrays["indices"], arrays["indptr"])
    shape = (len(parts[2]) - 1, len(arrays["quality"]))
    index = packed(scipy.sparse.csr_matrix(parts, shape=shape))
    if isinstance(index, np.ndarray):
        return lambda vectors: vectors.toarray() @ index
    return lambda vectors: (vectors @ index).toarray()


def unit(vectors: Vectors) -> Vectors:
    """Return rows [n, f] scaled to length 1."""
    return sklearn.preprocessing.normalize(vectors)


def _summary(quality: Floats) -> tuple[Floats, Floats] | None:
    """Return means and deviations over all rows, None where some outcomes are not known."""
    return None if np.isnan(quality).any() else (quality.mean(0), quality.std(0))


def _weighted(
    similar: Floats, quality: Floats, k: int, whole: tuple[Floats, Floats] | None
) -> tuple[Floats, Floats]:
    """Return means [n, m] and their deviations over the k most similar of rows [rows, m].

    `whole` are those of all rows, for queries to which no row is similar.
    """
    if whole is None:
        nothing = np.full((len(similar), quality.shape[1]), np.nan)
        return nothing, nothing
    nearest = _largest(similar, min(k, len(quality)))
    weights = np.maximum(np.take_along_axis(similar, nearest, 1), 0).astype(float)[:, :, None]
    outcomes = quality[nearest]
    total = weights.sum(1)
    some = np.where(total > 0, total, 1)
    mean = np.where(total > 0, (weights * outcomes).sum(1) / some, whole[0])
    apart = weights * (outcomes - mean[:, None])
    spread = np.where(total > 0, np.sqrt((apart**2).sum(1)) / some, whole[1])
    return mean, spread


def _largest(values: Floats, k: int) -> NDArray[np.intp]:
    """Return for each row the indices of the k largest values, the earliest among equals."""
    size = values.shape[1]
    if k >= size:
        return np.broadcast_to(np.arange(size), values.shape)
    least = np.partition(values, size - k, 1)[:, size - k, None]
    reach = values >= least
    if (np.count_nonzero(reach, axis=1) == k).all():  # no ties at the edge
        return np.nonzero(reach)[1].reshape(len(values), k)
    above, equal = values > least, values == least
    room = k - above.sum(1, keepdims=True)
    chosen = above | (equal & (equal.cumsum(1) <= room))
    return np.nonzero(chosen)[1].reshape(len(values), k)


class Linear(Featured):
    """One linear model for each choice over the features: P(correct) = sigmoid(w . x + b).

    Logistic regression with inverse penalty `c` where outcomes are right or wrong; ridge
    regression with penalty 1 / c where they are scores. A choice whose outcomes were all the same
    has that outcome's smoothed share, (right + 1) / (rows + 2), for every query.
    """

    name: ClassVar[str] = "linear"
    paper: ClassVar[str] = "arXiv:2309.15789"

    c: float = Field(default=1.0, gt=0)

    def is_quick(self, count: int) -> bool:
        """Say whether these are few, of quick features, and what was learnt has been used."""
        checked = self._fitted is not None and "sound" in self._fitted.sound
        return checked and count <= FEW and all(each.quick for each in listed(self.features))

    def because(self, fitted: Fitted) -> str:
        """Say how much was learnt from."""
        return f"linear models of {fitted.rows} recorded queries"

    def fit(self, labels: Labels, seed: int) -> State:
        """Fit one model a choice to the rows that have its label."""
        del seed
        features, vectors = self.embed(labels.asked)
        return State.join(features=features, models=models_of(vectors, labels, self.c))

    def predict(self, state: State, queries: Sequence[Asked]) -> Predictions:
        """Return each choice's prediction."""
        return predicted(state.part("models"), self.vectors(state.part("features"), queries))
