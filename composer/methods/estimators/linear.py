"""Linear models over vectors, one for each choice: fitted to outcomes, and what they predict."""

from __future__ import annotations

from typing import TYPE_CHECKING

from composer.heavy import np, sklearn
from composer.methods.estimators.features import packed
from composer.methods.estimators.nets import sigmoid
from composer.methods.estimators.values import Predictions
from composer.values import State

if TYPE_CHECKING:
    from composer.methods.estimators.features import Vectors
    from composer.methods.estimators.values import Floats, Labels

_HALF = 0.5


def models_of(vectors: Vectors, labels: Labels, c: float) -> State:
    """Fit one model a choice to the rows that have its label; `c` is the inverse penalty."""
    rows = packed(vectors)
    models = [
        _fit(rows, labels.quality[:, at], c, graded=name in labels.graded)
        for at, name in enumerate(labels.names)
    ]
    weights, bias = zip(*models, strict=True)
    arrays = {"weights": np.stack(weights, 1), "bias": np.array(bias)}
    return State(arrays, {"graded": [name in labels.graded for name in labels.names]})


def predicted(models: State, vectors: Vectors) -> Predictions:
    """Return each choice's prediction for each row of `vectors`."""
    scores = vectors @ models.arrays["weights"] + models.arrays["bias"]
    return Predictions.of(np.where(models.facts["graded"], scores, sigmoid(scores)))


def _fit(
    vectors: Vectors | Floats, labels: Floats, c: float, *, graded: bool
) -> tuple[Floats, float]:
    """Return the weights [terms] and the bias of one choice's model."""
    observed_rows = np.flatnonzero(~np.isnan(labels))
    outcomes, observed_vectors = labels[observed_rows], vectors[observed_rows]
    if graded:
        return _ridge(observed_vectors, outcomes, c)
    if not len(observed_rows) or outcomes.min() == outcomes.max():
        share = (outcomes.sum() + 1) / (len(outcomes) + 2)
        return np.zeros(vectors.shape[1]), float(np.log(share / (1 - share)))
    return _logistic(observed_vectors, outcomes, c)


def _ridge(vectors: Vectors | Floats, outcomes: Floats, c: float) -> tuple[Floats, float]:
    model = sklearn.linear_model.Ridge(alpha=1 / c, solver="sparse_cg").fit(vectors, outcomes)
    return model.coef_.astype(float), float(model.intercept_)


def _logistic(vectors: Vectors | Floats, outcomes: Floats, c: float) -> tuple[Floats, float]:
    model = sklearn.linear_model.LogisticRegression(C=c, max_iter=1000).fit(
        vectors, outcomes > _HALF
    )
    return model.coef_[0].astype(float), float(model.intercept_[0])
