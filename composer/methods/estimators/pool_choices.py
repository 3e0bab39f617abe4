"""Which few choices make a pool for votes: by accuracy, by information, by focal diversity."""

from __future__ import annotations

from itertools import combinations
from math import comb, log2
from typing import TYPE_CHECKING

from composer.heavy import np, scipy

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from composer.methods.estimators.values import Floats

_LAPLACE = 0.5
_SMALL_POOLS = 5000
"""So many pools are all measured; of more, one is improved choice by choice."""
_HALF = 0.5


def accurate(quality: Floats, keep: int) -> list[int]:
    """Return the columns with the greatest means, the best first."""
    order = np.argsort(-np.nanmean(quality, axis=0), kind="stable")
    return [int(at) for at in order[:keep]]


def informative(quality: Floats, keep: int) -> list[int]:
    """Return a greedy pool: each next choice is the one that makes I(Y; X_S) greatest.

    Choices that are right no more than half of the time come last, by accuracy. With n rows, cells
    are too thin for more than log2(n) - 2 choices; the others join by the accuracy of the weighted
    vote of the pool.
    """
    right = right_or_wrong(quality)
    most = int(log2(max(len(right), 4))) - 2
    waiting = [at for at in accurate(quality, right.shape[1]) if right[:, at].mean() > _HALF]
    pool: list[int] = []
    while waiting and len(pool) < keep:
        measure = information if len(pool) < most else weighted_accuracy
        values = [measure(right[:, [*pool, at]]) for at in waiting]
        pool.append(waiting.pop(int(np.argmax(values))))
    rest = [at for at in accurate(quality, right.shape[1]) if at not in pool]
    return (pool + rest)[:keep]


def right_or_wrong(quality: Floats) -> Floats:
    """Return 1 for a quality above one half, else 0; what is unknown counts as wrong."""
    right: Floats = (np.nan_to_num(quality) > _HALF).astype(float)
    return right


def information(right: Floats) -> float:
    """Return I(Y; X_S) in bits of choices that answer yes or no, by who was right [n, s].

    Y is yes half of the time, whoever is right. The cells are counted with 0.5 added to each:
    I = H((p + p') / 2) - H(p), with p the distribution of who is right, and p' that of who is
    wrong.
    """
    size = 1 << right.shape[1]
    cells = (right > _HALF) @ (1 << np.arange(right.shape[1]))
    shares = np.bincount(cells, minlength=size) + _LAPLACE
    shares = shares / shares.sum()
    mixed = (shares + shares[::-1]) / 2
    return float(scipy.stats.entropy(mixed, base=2) - scipy.stats.entropy(shares, base=2))


def weighted_accuracy(right: Floats) -> float:
    """Return how often those that are right outweigh the others, by weights log(p / (1 - p)).

    Weights are at least 0, and equal sides count one half. It assumes that all who are wrong give
    the same answer.
    """
    chances = (right.sum(0) + _LAPLACE) / (len(right) + 2 * _LAPLACE)
    weights = np.maximum(np.log(chances / (1 - chances)), 0.0)
    lead = (2 * right - 1) @ weights
    return float(np.where(np.isclose(lead, 0), _HALF, lead > 0).mean())


def majority_accuracy(right: Floats) -> float:
    """Return how often more than half are right; exactly half counts one half."""
    share = right.mean(axis=1)
    return float(np.where(share == _HALF, _HALF, share > _HALF).mean())


def focal_diversity(right: Floats) -> float:
    """Return the mean over focal choices of 1 - P(2) / P(1), on the rows where the focal one fails.

    P(1) = sum_j j/s p_j and P(2) = sum_j j (j - 1) / (s (s - 1)) p_j, with p_j the share of rows on
    which j of the s choices fail together. It is 1 where no other fails with the focal one.
    """
    s = right.shape[1]
    values = []
    for focal in range(s):
        fails = (s - right[right[:, focal] <= _HALF].sum(1)).astype(float)
        one = fails.mean() / s if len(fails) else 0.0
        two = (fails * (fails - 1)).mean() / (s * (s - 1)) if len(fails) else 0.0
        values.append(1 - two / one if one else 1.0)
    return float(np.mean(values))


def diverse(quality: Floats, keep: int, accuracy: float) -> list[int]:
    """Return the pool of `keep` with the greatest mix of focal diversity and its vote's accuracy.

    `accuracy` is the part of the latter; the choices are in order of their own accuracy.
    """
    right = right_or_wrong(quality)
    ranked = accurate(quality, right.shape[1])
    if keep < 2 or keep >= len(ranked):  # noqa: PLR2004 - no pair, or nothing to choose
        return ranked[:keep]

    def fitness(pool: Iterable[int]) -> float:
        some = right[:, list(pool)]
        return (1 - accuracy) * focal_diversity(some) + accuracy * majority_accuracy(some)

    if comb(len(ranked), keep) <= _SMALL_POOLS:
        return list(max(combinations(ranked, keep), key=fitness))
    return _improved(ranked, ranked[:keep], fitness)


def _improved(
    ranked: Sequence[int], pool: list[int], fitness: Callable[[Iterable[int]], float]
) -> list[int]:
    """Exchange one choice for another as long as that helps."""
    best = fitness(pool)
    while True:
        others = [at for at in ranked if at not in pool]
        swaps = [[*pool[:at], new, *pool[at + 1 :]] for at in range(len(pool)) for new in others]
        challenger = max(swaps, key=fitness)
        if fitness(challenger) <= best:
            return sorted(pool, key=ranked.index)
        pool, best = challenger, fitness(challenger)
