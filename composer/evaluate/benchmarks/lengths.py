"""The length-controlled win rate of AlpacaEval 2 (arXiv:2404.04475): a logistic regression."""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING, Any

from composer.heavy import np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.floating]

__all__ = ["length_controlled"]

FOLDS = 5
STRENGTHS = 10
TINY, SEED = 1e-15, 123
"""As in AlpacaEval's code: five folds choose among ten strengths of the L1 penalty."""


def length_controlled(wins: Floats, longer: Floats, difficulty: Floats | None) -> float | None:
    """Return the mean preference that is expected if both answers were equally long.

    `wins` are preferences from 0 to 1, `longer` is by how many letters the baseline's answer is
    longer, `difficulty` the instruction's; all [n]. The regression has no intercept and the terms
    tanh(longer / std), difficulty and a constant. None where there are fewer rows than folds.
    """
    if len(wins) < FOLDS:
        return None
    if wins.min() == wins.max() in (0, 1):
        return float(wins[0])
    spread = longer.std(ddof=1)
    length = np.tanh(longer / spread) if spread > 0 else np.zeros(len(wins))
    terms = [length, *([] if difficulty is None else [difficulty]), np.ones(len(wins))]
    features = np.stack(terms, axis=1)
    strengths = np.logspace(-4, 4, STRENGTHS)
    losses = [_held_out_loss(features, wins, each) for each in strengths]
    model = _fitted(features, wins, float(strengths[int(np.argmin(losses))]))
    features[:, 0] = 0
    return float(model.predict_proba(features)[:, 1].mean())


def _held_out_loss(features: Floats, wins: Floats, strength: float) -> float:
    from sklearn.model_selection import KFold

    losses = []
    for train, test in KFold(FOLDS).split(features):
        if wins[train].min() == wins[train].max() in (0, 1):
            return float("inf")
        model = _fitted(features[train], wins[train], strength)
        lost, won = np.log(np.clip(model.predict_proba(features[test]), TINY, 1)).T
        losses.append(-np.mean(wins[test] * won + (1 - wins[test]) * lost))
    return float(np.mean(losses))


def _fitted(features: Floats, wins: Floats, strength: float) -> Any:  # noqa: ANN401 - no types
    """Fit preferences as weights: each row stands twice, once won and once lost."""
    from sklearn.linear_model import LogisticRegression

    old = inspect.signature(LogisticRegression).parameters["penalty"].default != "deprecated"
    penalty: dict[str, Any] = {"penalty": "l1"} if old else {"l1_ratio": 1}
    model = LogisticRegression(
        C=strength, solver="liblinear", fit_intercept=False, random_state=SEED, **penalty
    )
    labels = np.repeat([1, 0], len(wins))
    weights = np.concatenate([wins, 1 - wins])
    return model.fit(np.concatenate([features, features]), labels, sample_weight=weights)
