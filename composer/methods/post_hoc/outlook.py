"""How good the best answer is expected to be once more stages have answered.

The log-odds of a stage change when more stages answer. By how much, and how alike these changes
are, was seen on held-out rows: a normal distribution with their covariance, one for each pair of a
set of stages and a larger one. The expected best is a mean over draws from it. On the scale of
log-odds a sure estimate hardly changes, and a doubtful one may (after arXiv:2410.10347, where the
changes are those of the qualities themselves).
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

from composer.heavy import np
from composer.methods.estimators.nets import sigmoid
from composer.methods.post_hoc.features import log_odds
from composer.methods.post_hoc.models import fit_models, members_of, predicted
from composer.values import State

if TYPE_CHECKING:
    from collections.abc import Sequence

    from composer.methods.estimators.folds import Split
    from composer.methods.estimators.values import Floats
    from composer.methods.post_hoc.features import Columns
    from composer.methods.post_hoc.models import Examples

DRAWS = 64
"""Draws of a normal distribution; each is taken with its mirror image."""

_STEADY = 1e-9


def held_out(columns: Columns, examples: Examples, splits: Sequence[Split], c: float) -> Floats:
    """Return the chance [n, 2^m, m] of each stage for each set, by models that lack the row."""
    stages = columns.stages
    chances = np.zeros((len(examples.vectors), 2**stages, stages))
    for training, rows in splits:
        models = fit_models(columns, examples.taken(training), c)
        for answered in range(2**stages):
            sets = np.full(len(rows), answered)
            chances[rows, answered] = predicted(models, sets, examples.vectors[rows])
    return chances


def changes(stages: int, chances: Floats, examples: Examples) -> State:
    """Return what expected bests are drawn by: a root of the covariance for each pair of sets.

    `spread` [2^m, m] is the deviation by which the chance of a stage changes until all stages have
    answered.
    """
    odds = log_odds(chances)
    roots = np.zeros((len(pairs_of(stages)), stages, stages))
    for at, (answered, more) in enumerate(pairs_of(stages)):
        members = members_of(more, stages)
        rows = examples.answers[:, members].all(1)
        if np.count_nonzero(rows) > 1:
            change = (odds[rows, more] - odds[rows, answered])[:, members]
            covariance = np.atleast_2d(np.cov(change.T)) + _STEADY * np.eye(len(members))
            roots[at][np.ix_(members, members)] = np.linalg.cholesky(covariance)
    spread = np.sqrt(((chances[:, -1:] - chances) ** 2).mean(0))
    return State({"roots": roots, "spread": spread})


@cache
def pairs_of(stages: int) -> tuple[tuple[int, int], ...]:
    """Return the pairs of a set of stages and a larger one that holds it, in order."""
    return tuple(
        (answered, more)
        for answered in range(2**stages)
        for more in range(answered + 1, 2**stages)
        if answered & more == answered
    )


def expected_best(changes: State, answered: int, chances: Floats) -> dict[int, Floats]:
    """Return how good the best answer of each larger set is expected to be [n].

    `chances` [n, m] are those after the stages of `answered`. It is never less than that of the
    best member now: more answers leave the choice of this one.
    """
    stages = chances.shape[1]
    draws = np.random.default_rng(0).normal(size=(DRAWS, stages))
    draws = np.concatenate([draws, -draws])
    odds = log_odds(chances)
    bests = {}
    for at, (before, more) in enumerate(pairs_of(stages)):
        if before != answered:
            continue
        members = members_of(more, stages)
        root = changes.arrays["roots"][at][np.ix_(members, members)]
        now = odds[:, members] * np.sqrt(1 + np.pi / 8 * (root**2).sum(1))
        later = sigmoid(now[:, None] + (draws[:, : len(members)] @ root.T)[None])
        bests[more] = np.maximum(later.max(2).mean(1), chances[:, members].max(1))
    return bests
