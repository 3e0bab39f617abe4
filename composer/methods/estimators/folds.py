"""Cross-validation: predictions for rows that the estimator did not learn from."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, TypeAlias

from composer.heavy import np, sklearn
from composer.methods.estimators.values import Predictions

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from composer.methods.estimators.base import Learned
    from composer.methods.estimators.values import Labels

Split: TypeAlias = "tuple[NDArray[np.intp], NDArray[np.intp]]"
"""The rows to learn from, and those left out."""


def shuffled(queries: Sequence[str], folds: int, seed: int) -> list[Split]:
    """Return folds drawn by the seed: pairs of the rows to learn from and those left out.

    Rows with equal queries are in one fold. There must be as many different queries as folds.
    """
    numbers = _numbers(queries)
    drawn = sklearn.model_selection.KFold(folds, shuffle=True, random_state=seed)
    left_out = [
        np.isin(numbers, held_out) for _, held_out in drawn.split(np.zeros(numbers.max() + 1))
    ]
    return [(np.flatnonzero(~rows), np.flatnonzero(rows)) for rows in left_out]


def halves(queries: Sequence[str], seed: int) -> list[NDArray[np.intp]]:
    """Return the rows of two halves drawn by the seed; those with equal queries are in one half."""
    numbers = _numbers(queries)
    count = int(numbers.max()) + 1
    places = np.argsort(np.random.default_rng(seed).permutation(count))[numbers]
    order = np.argsort(places, kind="stable")
    return np.split(order, [int((places < (count + 1) // 2).sum())])


def _numbers(queries: Sequence[str]) -> NDArray[np.intp]:
    """Number the different queries in the order in which they come first; one number a row."""
    first = {query: at for at, query in enumerate(dict.fromkeys(queries))}
    return np.array([first[query] for query in queries], dtype=np.intp)


def kinds_of(tags: Sequence[tuple[str, ...]]) -> list[str]:
    """Return the rarest tag of each row, the last among equals, empty where it has none."""
    count = Counter(tag for row_tags in tags for tag in row_tags)
    return [min(reversed(row_tags), key=count.__getitem__, default="") for row_tags in tags]


def by_tag(tags: Sequence[tuple[str, ...]], folds: int) -> list[Split]:
    """Return folds that leave whole tags out, none where all rows have the same.

    A row belongs to the rarest of its tags, the last among equals.
    """
    groups = kinds_of(tags)
    kinds = len(set(groups))
    if kinds <= 1:  # one kind cannot be left out
        return []
    return list(
        sklearn.model_selection.GroupKFold(min(folds, kinds)).split(
            np.zeros(len(tags)), groups=groups
        )
    )


def out_of_fold(
    part: Learned,
    labels: Labels,
    splits: Sequence[Split],
    seed: int,
) -> Predictions:
    """Return the predictions of all rows, each by an estimator that did not see its fold."""
    mean = np.full(labels.quality.shape, np.nan)
    spread, cost = np.full_like(mean, np.nan), np.full_like(mean, np.nan)
    for training, held_out in splits:
        state = part.fit(labels.take(training), seed)
        predictions = part.predict(state, labels.take(held_out).asked)
        mean[held_out], spread[held_out] = predictions.mean, predictions.spread
        if predictions.cost is not None:
            cost[held_out] = predictions.cost
    return Predictions(mean, spread, None if np.isnan(cost).all() else cost)
