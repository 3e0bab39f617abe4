"""Estimators learned from recorded outcomes: nearest neighbours and linear models.

Both are fitted once per process and file, in a thread, when the first query comes.
"""

from abc import abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from pydantic import Field

from composer.parts.estimators.base import Choice, Estimates, Estimator
from composer.parts.estimators.features import Features, Tfidf, Vectors
from composer.parts.estimators.once import Once
from composer.parts.estimators.rows import Table, table
from composer.ports import Asker, FilePath, Query

_HALF = 0.5


@dataclass(frozen=True, eq=False)
class Space:
    """The rows' queries as vectors, and the function that puts another text among them.

    `index` holds the rows term by term, so that comparing a query reads only its own terms.
    """

    vectors: Callable[[Sequence[str]], Vectors]
    rows: Vectors
    index: Vectors


_SPACES: Once[Space] = Once()
_ARRAYS: Once[Any] = Once()
_MODELS: Once[Callable[[Vectors], float]] = Once()


class Learned(Estimator):
    """An estimator of P(correct), or of a score, from a file of recorded outcomes."""

    async def estimate(self, query: Query, choices: tuple[Choice, ...], ask: Asker) -> Estimates:
        """Fit if nobody has yet, then estimate the question that the recipe was given."""
        text = query.root.text
        return await ask.compute(lambda: self.predict(text, choices))

    @abstractmethod
    def predict(self, text: str, choices: tuple[Choice, ...]) -> Estimates:
        """Estimate for a text, at once."""


class Knn(Learned):
    """Similarity-weighted mean of the outcomes of the k most similar recorded queries.

    quality = sum s_i y_i / sum s_i with s the cosine of the features. A query that shares no term
    with any row has the mean of all rows.
    """

    name: ClassVar[str] = "knn"
    paper: ClassVar[str] = "arXiv:2505.12601"

    data: FilePath
    k: int = Field(default=20, ge=1)
    features: Features = Tfidf()

    def predict(self, text: str, choices: tuple[Choice, ...]) -> Estimates:
        """Return the weighted means over the nearest rows that have an outcome."""
        rows = table(self.data)
        columns = [rows.column(choice) for choice in choices]
        space = _space(rows, self.features)
        similar = _cosines(space, text)
        quality = tuple(_weighted(similar, _labels(rows, column), self.k) for column in columns)
        if not similar.any():
            return Estimates(quality, "no recorded query is similar: the mean of all")
        return Estimates(quality, f"the {min(self.k, len(rows.queries))} nearest recorded queries")


class Linear(Learned):
    """One linear model for each choice over the features: P(correct) = sigmoid(w . x + b).

    Logistic regression with inverse penalty `c` where outcomes are right or wrong; ridge
    regression with penalty 1 / c where they are scores. A choice whose outcomes were all the same
    has that outcome's smoothed share, (right + 1) / (rows + 2), for every query.
    """

    name: ClassVar[str] = "linear"
    paper: ClassVar[str] = "arXiv:2309.15789"

    data: FilePath
    features: Features = Tfidf()
    c: float = Field(default=1.0, gt=0)

    def predict(self, text: str, choices: tuple[Choice, ...]) -> Estimates:
        """Return each choice's prediction."""
        rows = table(self.data)
        columns = [rows.column(choice) for choice in choices]
        space = _space(rows, self.features)
        vector = space.vectors([text])
        quality = tuple(self._model(rows, space, column)(vector) for column in columns)
        return Estimates(quality, f"linear models of {len(rows.queries)} recorded queries")

    def _model(self, rows: Table, space: Space, column: str) -> Callable[[Vectors], float]:
        key = (rows.digest, self.features, self.c, column)
        return _MODELS.get(key, lambda: _fit(rows, space, column, self.c))


def _space(rows: Table, features: Features) -> Space:
    def fit() -> Space:
        vectors, matrix = features.fit(rows.queries)
        return Space(vectors, matrix, matrix.T.tocsr())

    return _SPACES.get((rows.digest, features), fit)


def _labels(rows: Table, column: str) -> Any:  # noqa: ANN401 - numpy is imported late
    """Return a model's labels as an array, not a number where it has none."""
    import numpy as np

    return _ARRAYS.get((rows.digest, column), lambda: np.array(rows.labels[column], dtype=float))


def _cosines(space: Space, text: str) -> Any:  # noqa: ANN401 - numpy is imported late
    """Return the similarity of each row with a text; both have length 1."""
    return (space.vectors([text]) @ space.index).toarray()[0]


def _weighted(similar: Any, labels: Any, k: int) -> float:  # noqa: ANN401 - numpy is imported late
    import numpy as np

    known = np.flatnonzero(~np.isnan(labels))
    nearest = known[_largest(similar[known], k)]
    weights = similar[nearest]
    total = float(weights.sum())
    return float(weights @ labels[nearest]) / total if total > 0 else float(labels[known].mean())


def _largest(values: Any, k: int) -> Any:  # noqa: ANN401 - numpy is imported late
    """Return the indices of the k largest values, the earliest among equals."""
    import numpy as np

    if k >= len(values):
        return np.arange(len(values))
    least = np.partition(values, len(values) - k)[len(values) - k]
    above = np.flatnonzero(values > least)
    return np.concatenate([above, np.flatnonzero(values == least)[: k - len(above)]])


def _fit(rows: Table, space: Space, column: str, c: float) -> Callable[[Vectors], float]:
    import numpy as np

    labels = _labels(rows, column)
    known = np.flatnonzero(~np.isnan(labels))
    outcomes, vectors = labels[known], space.rows[known]
    if column in rows.graded:
        return _ridge(vectors, outcomes, c)
    if outcomes.min() == outcomes.max():
        share = float((outcomes.sum() + 1) / (len(outcomes) + 2))
        return lambda _: share
    return _logistic(vectors, outcomes, c)


def _ridge(vectors: Vectors, outcomes: Any, c: float) -> Callable[[Vectors], float]:  # noqa: ANN401
    from sklearn.linear_model import Ridge

    model = Ridge(alpha=1 / c, solver="sparse_cg").fit(vectors, outcomes)
    weights, bias = model.coef_, float(model.intercept_)
    return lambda vector: float((vector @ weights)[0]) + bias


def _logistic(vectors: Vectors, outcomes: Any, c: float) -> Callable[[Vectors], float]:  # noqa: ANN401
    import math

    from sklearn.linear_model import LogisticRegression

    model = LogisticRegression(C=c, max_iter=1000).fit(vectors, outcomes > _HALF)
    weights, bias = model.coef_[0], float(model.intercept_[0])
    return lambda vector: 1 / (1 + math.exp(-float((vector @ weights)[0]) - bias))
