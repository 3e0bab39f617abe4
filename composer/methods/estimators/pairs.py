"""Comparisons of two choices on one query: the battles that ratings are made of."""

from __future__ import annotations

from typing import TYPE_CHECKING

from composer.heavy import np

if TYPE_CHECKING:
    from composer.methods.estimators.values import Floats

ROUNDS = 50
_CLOSE = 1e-9


def wins(quality: Floats) -> Floats:
    """Return what each choice won against each other [n, m, m]; NaN where one is unknown.

    t = (1 + q_a - q_b) / 2: 1 where only a is right, 0 where only b is, 1/2 for a tie.
    """
    out: Floats = (1 + quality[:, :, None] - quality[:, None, :]) / 2
    return out


def strengths(won: Floats, rounds: int = ROUNDS) -> Floats:
    """Return Bradley-Terry strengths [q, m], natural logarithms with mean 0, of wins [q, m, m].

    Maximises sum won_ab log sigmoid(s_a - s_b) by the minorise-maximise update of Hunter (2004),
    s_a <- log(sum_b won_ab) - log(sum_b n_ab / (e^s_a + e^s_b)). Every pair begins with a tie of
    weight 1/2 each, so that a choice which never lost keeps a finite strength.
    """
    size = won.shape[1]
    prior = (1 - np.eye(size)) / 2
    total = won * (1 - np.eye(size)) + prior
    games = total + np.swapaxes(total, 1, 2)
    strength = np.ones(won.shape[:2])
    for _ in range(rounds):
        shared = games / (strength[:, :, None] + strength[:, None, :])
        fresh = total.sum(2) / np.maximum(shared.sum(2), _CLOSE)
        fresh /= np.exp(np.log(fresh).mean(1, keepdims=True))
        done = np.allclose(fresh, strength, rtol=1e-7)
        strength = fresh
        if done:
            break
    logs: Floats = np.log(strength)
    return logs


def replay(scores: Floats, k: float, start: float = 1000.0) -> Floats:
    """Return ELO ratings [q, m] after battles in their order; `scores` is [q, n, m, m] of wins.

    E = 1 / (1 + 10^((R_b - R_a) / 400)) and R_a += k (S - E), R_b -= k (S - E) for each pair of
    each row; an unknown score (NaN) moves nothing.
    """
    many, rows, size, _ = scores.shape
    rating = np.full((many, size), start)
    for row in range(rows):
        for a in range(size):
            for b in range(a + 1, size):
                expected = 1 / (1 + 10 ** ((rating[:, b] - rating[:, a]) / 400))
                moved = k * np.nan_to_num(scores[:, row, a, b] - expected)
                rating[:, a] += moved
                rating[:, b] -= moved
    return rating
