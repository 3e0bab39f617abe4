"""Logistic classifiers of numbers of unlike sizes, such as a margin and a count of words."""

from __future__ import annotations

from typing import TYPE_CHECKING

from composer.heavy import sklearn

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from composer.methods.estimators.values import Floats

__all__ = ["logistic"]


def logistic(
    inputs: Floats, labels: NDArray[np.bool_], *, balanced: bool = False
) -> tuple[Floats, float]:
    """Return the slopes [input] and the constant of a classifier, for inputs as they are.

    It is fitted on standardised inputs. With `balanced` both labels weigh alike.
    """
    scaler = sklearn.preprocessing.StandardScaler().fit(inputs)
    model = sklearn.linear_model.LogisticRegression(class_weight="balanced" if balanced else None)
    model.fit(scaler.transform(inputs), labels)
    slopes = model.coef_[0] / scaler.scale_
    return slopes, float(model.intercept_[0] - slopes @ scaler.mean_)
