"""Other features reduced to a few numbers: latent semantic analysis."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from pydantic import Field

from composer.heavy import np, scipy, sklearn
from composer.methods.estimators.features import Features, Tfidf
from composer.values import State

if TYPE_CHECKING:
    from collections.abc import Sequence

    from composer.methods.estimators.features import Vectors
    from composer.methods.estimators.values import Asked


class Latent(Features):
    """Latent semantic analysis: `of` projected on its `dims` leading singular vectors.

    The vector is V^T x with x the features and V the right singular vectors of the rows, found by
    randomized subspace iteration (arXiv:0909.4061) from a fixed seed.
    """

    name: ClassVar[str] = "latent"
    paper: ClassVar[str] = "arXiv:0909.4061"

    of: Features = Tfidf()
    dims: int = Field(default=64, ge=1)

    def fit(self, queries: Sequence[Asked]) -> State:
        """Keep the features' state and the axes [terms, dims]."""
        return self.embed(queries)[0]

    def vectors(self, state: State, queries: Sequence[Asked]) -> Vectors:
        """Return the projections."""
        return self._projected(state, self.of.vectors(state.part("of"), queries))

    def embed(self, queries: Sequence[Asked]) -> tuple[State, Vectors]:
        """Fit both on the same vectors."""
        inner, vectors = self.of.embed(queries)
        rank = min(self.dims, *vectors.shape)
        axes = np.zeros((vectors.shape[1], 0), np.float32)
        if rank:
            _, _, right = sklearn.utils.extmath.randomized_svd(
                vectors, rank, n_iter=2, random_state=0
            )
            axes = np.ascontiguousarray(right.T, dtype=np.float32)
        state = State.join(of=inner, space=State({"axes": axes}))
        return state, self._projected(state, vectors)

    def _projected(self, state: State, vectors: Vectors) -> Vectors:
        return scipy.sparse.csr_matrix(vectors @ state.part("space").arrays["axes"])
