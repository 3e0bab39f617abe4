"""Two tokenizations of one text, laid beside each other by dynamic programming."""

from __future__ import annotations

from typing import TYPE_CHECKING

from composer.heavy import np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    Costs = NDArray[np.float64]

__all__ = ["align_pairs", "warp"]

DIAGONAL, UP, LEFT = 0, 1, 2
"""The step that leads to a cell: both tokens are new, or one goes on beside a new one."""


def warp(first: Sequence[bytes], second: Sequence[bytes]) -> list[list[int]]:
    """Dynamic time warping: for each token of the first, those of the second that go with it.

    Each token goes with at least one, in order, so that the sum of edit distances is least; of
    equal ways, the one with more pairs of new tokens.
    """
    costs = _distances(first, second)
    steps = _steps(costs, np.zeros(len(first)), np.zeros(len(second)), whole=True)
    partners: list[list[int]] = [[] for _ in first]
    for i, j, _ in _path(steps):
        partners[i].insert(0, j)
    return partners


def align_pairs(first: Sequence[bytes], second: Sequence[bytes]) -> list[int]:
    """Needleman and Wunsch's alignment: for each token of the first, one of the second, or -1.

    To leave a token out costs its length, to pair two their edit distance.
    """
    costs = _distances(first, second)
    gaps = [np.array([len(_bare(piece)) or 1.0 for piece in side]) for side in (first, second)]
    partners = [-1] * len(first)
    for i, j, step in _path(_steps(costs, *gaps, whole=False)):
        if step == DIAGONAL:
            partners[i] = j
    return partners


def _distances(first: Sequence[bytes], second: Sequence[bytes]) -> Costs:
    """Edit distances [token, token] of the pieces, without the spaces before them."""
    from rapidfuzz.distance import Levenshtein
    from rapidfuzz.process import cdist

    sides = [[_bare(piece) for piece in side] for side in (first, second)]
    return np.asarray(cdist(*sides, scorer=Levenshtein.distance), dtype=np.float64)


def _bare(piece: bytes) -> bytes:
    return piece.lstrip(b" ") or piece


def _steps(costs: Costs, gaps: Costs, others: Costs, *, whole: bool) -> NDArray[np.int8]:
    """The best step to each cell [token, token], by diagonals, all cells of one at once.

    When `whole`, a token that goes on beside new ones costs its distance to each; else a token
    that is left out costs its gap.
    """
    rows, columns = costs.shape
    total = np.full((rows + 1, columns + 1), np.inf)
    total[0, 0] = 0.0
    if not whole:
        total[1:, 0], total[0, 1:] = gaps.cumsum(), others.cumsum()
    steps = np.zeros((rows, columns), dtype=np.int8)
    for number in range(rows + columns - 1):
        i = np.arange(max(0, number - columns + 1), min(rows, number + 1))
        j = number - i
        own = costs[i, j]
        ways = np.stack(
            [
                total[i, j] + own,
                total[i, j + 1] + (own if whole else gaps[i]),
                total[i + 1, j] + (own if whole else others[j]),
            ]
        )
        steps[i, j] = ways.argmin(0)
        total[i + 1, j + 1] = ways.min(0)
    return steps


def _path(steps: NDArray[np.int8]) -> list[tuple[int, int, int]]:
    """The cells of the best path, from the last one back, each with its step."""
    i, j = steps.shape[0] - 1, steps.shape[1] - 1
    path: list[tuple[int, int, int]] = []
    while i >= 0 and j >= 0:
        step = int(steps[i, j])
        path.append((i, j, step))
        i, j = i - (step != LEFT), j - (step != UP)
    return path
