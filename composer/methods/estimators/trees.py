"""Regression trees as arrays: kept from a trained forest, and followed for many rows at once."""

from __future__ import annotations

from typing import TYPE_CHECKING

from composer.heavy import np
from composer.values import State

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray
    from sklearn.tree import DecisionTreeRegressor

    from composer.methods.estimators.values import Floats

_LEAF = -1


def leaves(trees: State, vectors: Floats) -> Floats:
    """Return the values [n, trees, m] of the leaves that rows reach."""
    values: Floats = trees.arrays["value"][_fallen(trees, vectors)]
    return values


def tree_state(grown: Sequence[DecisionTreeRegressor], *, exact: bool = False) -> State:
    """Return trees as arrays over all their nodes; a leaf's children are itself.

    Thresholds and values are rounded to float32, unless they have to be `exact`.
    """
    number = np.float64 if exact else np.float32
    sizes = [each.tree_.node_count for each in grown]
    starts = np.concatenate([[0], np.cumsum(sizes)[:-1]]).astype(np.int32)
    left, right, feature, threshold, value = [], [], [], [], []
    for start, each in zip(starts, grown, strict=True):
        tree = each.tree_
        own = np.arange(tree.node_count)
        leaf = tree.children_left == _LEAF
        left.append(np.where(leaf, own, tree.children_left) + start)
        right.append(np.where(leaf, own, tree.children_right) + start)
        feature.append(np.where(leaf, 0, tree.feature))
        threshold.append(tree.threshold)
        value.append(tree.value[:, :, 0])
    return State(
        {
            "starts": starts,
            "left": np.concatenate(left).astype(np.int32),
            "right": np.concatenate(right).astype(np.int32),
            "feature": np.concatenate(feature).astype(np.int32),
            "threshold": np.concatenate(threshold).astype(number),
            "value": np.concatenate(value).astype(number),
        }
    )


def _fallen(trees: State, vectors: Floats) -> NDArray[np.intp]:
    """Return the leaf [n, trees] that each row reaches in each tree."""
    arrays = trees.arrays
    at = np.broadcast_to(arrays["starts"], (len(vectors), len(arrays["starts"])))
    rows = np.arange(len(vectors))[:, None]
    while True:
        goes_left = vectors[rows, arrays["feature"][at]] <= arrays["threshold"][at]
        below = np.where(goes_left, arrays["left"][at], arrays["right"][at])
        if (below == at).all():
            return at
        at = below
