"""Queries as short dense vectors: the strongest terms of the features, reduced by an SVD."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pydantic import Field

from composer.heavy import np, sklearn
from composer.methods.estimators.learned import Featured
from composer.values import State

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from composer.methods.estimators.features import Vectors
    from composer.methods.estimators.values import Asked, Floats

    Numbers = NDArray[np.float32 | np.int32]

_SMALL = 1e-8


class Dense(Featured):
    """An estimator that sees queries as dense vectors of at most `dims` numbers.

    Of the features' columns the `terms` heaviest are kept and projected on their leading right
    singular vectors (latent semantic analysis), then scaled so that a row has mean square 1.
    Features of no more than `dims` columns are only scaled.
    """

    dims: int = Field(default=128, ge=1)
    terms: int = Field(default=16384, ge=1)

    def reduce(self, queries: Sequence[Asked], seed: int) -> tuple[State, Floats]:
        """Fit the features and the projection. Return their state and the vectors [n, d]."""
        features, sparse = self.embed(queries)
        columns = _heaviest(sparse, self.terms)
        arrays: dict[str, Numbers] = {"columns": columns}
        if len(columns) > self.dims:
            arrays["axes"] = _axes(sparse[:, columns], self.dims, seed)
        dense = _project(arrays, sparse)
        size = float(np.sqrt((dense**2).mean())) if dense.size else 1.0
        arrays["scale"] = np.array([1 / max(size, _SMALL)], np.float32)
        return State.join(terms=features, space=State(arrays)), dense * arrays["scale"]

    def reduced(self, state: State, queries: Sequence[Asked]) -> Floats:
        """Return the vectors [n, d] of queries, by the state that `reduce` gave."""
        arrays = state.part("space").arrays
        dense = _project(arrays, self.vectors(state.part("terms"), queries))
        out: Floats = dense * arrays["scale"]
        return out


def _heaviest(vectors: Vectors, keep: int) -> NDArray[np.int32]:
    """Return the columns with the greatest sums of absolute values, in their order."""
    if vectors.shape[1] <= keep:
        return np.arange(vectors.shape[1], dtype=np.int32)
    weight = np.asarray(abs(vectors).sum(axis=0)).ravel()
    return np.sort(np.argsort(-weight, kind="stable")[:keep]).astype(np.int32)


def _axes(vectors: Vectors, dims: int, seed: int) -> Floats:
    """Return the leading right singular vectors [terms, dims], by randomized subspace iteration."""
    rank = min(dims, *vectors.shape)
    _, _, axes = sklearn.utils.extmath.randomized_svd(vectors, rank, n_iter=4, random_state=seed)
    return np.ascontiguousarray(axes.T, dtype=np.float32)


def _project(arrays: Mapping[str, Numbers], vectors: Vectors) -> Floats:
    some = vectors[:, arrays["columns"]]
    dense = some @ arrays["axes"] if "axes" in arrays else some.toarray()
    return np.asarray(dense, dtype=np.float32)
