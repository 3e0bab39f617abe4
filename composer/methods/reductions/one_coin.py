"""The one-coin model: a member is right with chance x, else it gives some other of K answers.

Nothing here looks at a label. Answers are numbers: those that are the same in a row share one, -1
abstains or is missing.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from composer.heavy import np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from composer.methods.agreements.base import Comparison
    from composer.methods.answer_table import AnswerTable
    from composer.methods.estimators.values import Floats

    Codes = NDArray[np.intp]

_ROUNDS, _CLOSE = 500, 1e-7
_EQUAL = 1e-12
_START_CHOICES = 10.0
MOST_CHOICES = 1e6
"""Where no two wrong answers were ever the same, there are as many choices as this."""


def codes_of(table: AnswerTable, comparisons: Sequence[Comparison]) -> Codes:
    """Return the number of each answer among those of its row, rows by names."""
    codes = np.full((len(table.rows), len(table.names)), -1, dtype=np.intp)
    columns = {name: at for at, name in enumerate(table.names)}
    for at, (row, comparison) in enumerate(zip(table.rows, comparisons, strict=True)):
        for code, group in enumerate(comparison.groups):
            for place in group:
                codes[at, columns[row.candidates.names[place]]] = code
    return codes


def log_odds(accuracy: Floats, choices: float) -> Floats:
    """Return ln((K - 1) x / (1 - x)), at least 0: no vote counts against its answer."""
    odds: Floats = np.maximum(np.log((choices - 1) * accuracy / (1 - accuracy)), 0.0)
    return odds


@dataclass(frozen=True, eq=False)
class OneCoin:
    """Each member's accuracy, and the number of choices."""

    accuracy: Floats
    choices: float


def one_coin(codes: Codes, choices: float | None = None) -> OneCoin:
    """Fit the model by expectation maximisation (Dawid and Skene), starting from the plurality.

    Where `choices` is None, K is estimated too: 1 / (K - 1) is the chance that two wrong answers
    are the same. It is counted over all pairs of members, weighted by how likely both are wrong. So
    K is no count of the answers that happen to be seen: one row with forty different wrong answers
    does not make K forty, and a row on which all agree does not make it one. For a question with
    K options whose wrong ones are equally tempting, it is K; where some wrong answers are more
    tempting than others, it is smaller.
    """
    sizes = votes_of(codes, np.ones(codes.shape[1]))
    rows, members = np.nonzero(codes >= 0)
    votes = (members, rows * (sizes.shape[1] + 1) + codes[rows, members])
    current = choices or _START_CHOICES
    accuracy = np.full(codes.shape[1], np.nan)
    posterior = np.hstack([leaders_of(sizes), np.zeros((len(sizes), 1))])
    for _ in range(_ROUNDS):
        before, accuracy = accuracy, _accuracy(votes, codes.shape[1], posterior)
        if choices is None:
            current = _choices(sizes, posterior)
        posterior = _posterior(votes, sizes, accuracy, current)
        if np.abs(accuracy - before).max() < _CLOSE:
            break
    return OneCoin(accuracy, current)


def agreement_of(codes: Codes) -> Floats:
    """Return how often each pair of members agrees; NaN where it never answers together."""
    members = codes.shape[1]
    both, same = np.zeros((members, members)), np.zeros((members, members))
    for at in range(members):
        answered = (codes[:, [at]] >= 0) & (codes >= 0)
        both[at], same[at] = answered.sum(0), (answered & (codes[:, [at]] == codes)).sum(0)
    agreement: Floats = same / np.where(both, both, np.nan)
    return agreement


def votes_of(codes: Codes, weights: Floats) -> Floats:
    """Return the weight of the members that gave each answer, rows by answers."""
    sums = np.zeros((len(codes), int(codes.max(initial=0)) + 1))
    for weight, column in zip(weights, codes.T, strict=True):
        rows = np.flatnonzero(column >= 0)
        sums[rows, column[rows]] += weight
    return sums


def leaders_of(sums: Floats) -> Floats:
    """Return the part of each answer among those that lead its row; 0 for the others."""
    leads = (sums >= sums.max(1, keepdims=True) - _EQUAL) & (sums > 0)
    part: Floats = leads / np.maximum(leads.sum(1, keepdims=True), 1)
    return part


def _accuracy(votes: tuple[Codes, Codes], count: int, posterior: Floats) -> Floats:
    """Return the share of each member's answers that are right, with one of each kind added.

    `votes` are the member of each answer, and its place in the posterior.
    """
    members, places = votes
    right = np.bincount(members, posterior.ravel()[places], count)
    shares: Floats = (right + 1) / (np.bincount(members, minlength=count) + 2)
    return shares


def _choices(sizes: Floats, posterior: Floats) -> float:
    """Return 1 + the pairs of wrong answers / those that are the same, at least 2."""
    voters = sizes.sum(1, keepdims=True)
    alike = sizes * (sizes - 1) / 2
    wrong = np.hstack([voters - sizes, voters])
    same = np.hstack([alike.sum(1, keepdims=True) - alike, alike.sum(1, keepdims=True)])
    pairs = float((posterior * wrong * (wrong - 1) / 2).sum())
    equal = float((posterior * same).sum())
    return min(max(1 + pairs / equal, 2.0), MOST_CHOICES) if equal > 0 else MOST_CHOICES


def _posterior(
    votes: tuple[Codes, Codes], sizes: Floats, accuracy: Floats, choices: float
) -> Floats:
    """Return how likely each answer is right: the product of its members' odds, normalized.

    The last column is the chance that nobody gave the right one.
    """
    odds = np.log((choices - 1) * accuracy / (1 - accuracy))
    members, places = votes
    width = sizes.shape[1] + 1
    logs = np.bincount(places, odds[members], len(sizes) * width).reshape(-1, width)[:, :-1]
    logs[sizes == 0] = -np.inf
    unseen = np.maximum(choices - (sizes > 0).sum(1, keepdims=True), 0.0)
    with np.errstate(divide="ignore"):
        logs = np.hstack([logs, np.log(unseen)])
    logs[~np.isfinite(logs).any(1)] = 0.0
    chances = np.exp(logs - logs.max(1, keepdims=True))
    normalized: Floats = chances / chances.sum(1, keepdims=True)
    return normalized
