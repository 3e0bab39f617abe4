"""Votes weighted by how often each member is right: from labels, or from agreement alone."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Literal

from pydantic import Field

from composer.heavy import np, scipy
from composer.methods.mistakes import PartError
from composer.methods.reductions.learned import Weighing
from composer.methods.reductions.one_coin import (
    agreement_of,
    codes_of,
    leaders_of,
    log_odds,
    one_coin,
    votes_of,
)

if TYPE_CHECKING:
    from composer.methods.agreements.base import Comparison
    from composer.methods.answer_table import AnswerTable
    from composer.methods.estimators.values import Floats
    from composer.methods.reductions.one_coin import Codes
    from composer.values import State

Source = Literal["labels", "agreement", "surprising"]

_LEAST_MEMBERS = 3
_EDGE = 1e-3


class LogOdds(Weighing):
    """Optimal weights: each member's vote counts ln((K - 1) x / (1 - x)), x how often it is right.

    `source` is where x comes from: `labels`; `agreement` alone (OW-L: x under which members would
    agree as often as they do); or agreement with the picks of `surprising` (OW-I). `choices` is K,
    the number of possible answers; without it, K is estimated from the answers: 1 / (K - 1) is the
    chance that two wrong answers are the same. No weight is negative.
    """

    name: ClassVar[str] = "log_odds"
    paper: ClassVar[str] = "arXiv:2510.01499"

    source: Source = "labels"
    choices: int | None = Field(default=None, ge=2)

    @property
    def labelled(self) -> bool:
        """Whether x comes from labels."""
        return self.source == "labels"

    def fit(self, table: AnswerTable, comparisons: tuple[Comparison, ...], seed: int) -> State:
        """Find x and K, and from them the weights."""
        del seed
        codes = codes_of(table, comparisons)
        choices = choices_of(codes, self.choices)
        if self.source == "labels":
            accuracy = labelled_accuracy(table, codes)
        else:
            demand_three(self.name, codes)
            estimate = by_agreement if self.source == "agreement" else by_picks
            accuracy = estimate(codes, choices)
        arrays = {"accuracy": accuracy, "weights": log_odds(accuracy, choices)}
        return self.fitted_state(table, arrays, choices=choices, source=self.source)


class Surprising(Weighing):
    """Inverse surprising popularity: who agrees with the others more than by chance counts more.

    A member's weight is 1 + k m, m the mean over the others of (K c - 1) / (K - 1), c how often the
    two agree. `k` = -1 is surprising popularity itself. `choices` is K, estimated from the answers
    where it is not set. No labels are used, and no weight is negative. The paper does not say how
    weights are normalized; k = 1 is an assumption.
    """

    name: ClassVar[str] = "surprising"
    paper: ClassVar[str] = "arXiv:2510.01499"

    k: float = 1.0
    choices: int | None = Field(default=None, ge=2)

    @property
    def labelled(self) -> bool:
        """Never: it learns from agreement alone."""
        return False

    def fit(self, table: AnswerTable, comparisons: tuple[Comparison, ...], seed: int) -> State:
        """Find how much each member agrees with the others, and from that the weights."""
        del seed
        codes = codes_of(table, comparisons)
        demand_three(self.name, codes)
        choices = choices_of(codes, self.choices)
        popular = popularity(codes, choices)
        weights = np.maximum(1 + self.k * popular, 0.0)
        arrays = {"agreement": popular, "weights": weights}
        return self.fitted_state(table, arrays, choices=choices)


def choices_of(codes: Codes, choices: int | None) -> float:
    """Return the number of choices, estimated from the answers if it is not set."""
    return float(choices) if choices is not None else one_coin(codes).choices


def demand_three(part: str, codes: Codes) -> None:
    """Refuse a pool whose agreement says nothing of who is right; raises PartError (E509)."""
    if codes.shape[1] < _LEAST_MEMBERS:
        text = f"`{part}` learns from agreement, and two members agree equally with each other"
        raise PartError("E509", text, "give it three members or more, or learn from labels")


def labelled_accuracy(table: AnswerTable, codes: Codes) -> Floats:
    """Return how often each member is right where it answers, with one row of each kind added."""
    quality = np.where(codes >= 0, table.quality, np.nan)
    accuracy: Floats = (np.nansum(quality, 0) + 1) / (np.isfinite(quality).sum(0) + 2)
    return accuracy


def by_agreement(codes: Codes, choices: float) -> Floats:
    """Return x under which the members' agreement is closest to what it is (OW-L).

    Two members agree with chance x_i x_j + (1 - x_i)(1 - x_j) / (K - 1). Each x is at least 1 / K:
    without labels, all members could as well be worse than chance.
    """
    agreement = agreement_of(codes)
    first, second = np.triu_indices(len(agreement), 1)
    pairs = np.isfinite(agreement[first, second])
    first, second = first[pairs], second[pairs]
    actual = agreement[first, second]

    def gaps(x: Floats) -> Floats:
        expected: Floats = x[first] * x[second] + (1 - x[first]) * (1 - x[second]) / (choices - 1)
        return expected - actual

    def slopes(x: Floats) -> Floats:
        matrix = np.zeros((len(first), len(x)))
        pairs_at = np.arange(len(first))
        matrix[pairs_at, first] = x[second] - (1 - x[second]) / (choices - 1)
        matrix[pairs_at, second] = x[first] - (1 - x[first]) / (choices - 1)
        return matrix

    least, most = 1 / choices, 1 - _EDGE
    mean = np.sqrt(
        np.clip(np.nanmean(np.where(np.eye(len(agreement)), np.nan, agreement), 1), 0, 1)
    )
    start = np.clip(np.nan_to_num(mean, nan=0.5), least + _EDGE / 2, most - _EDGE / 2)
    accuracy: Floats = scipy.optimize.least_squares(gaps, start, slopes, bounds=(least, most)).x
    return accuracy


def by_picks(codes: Codes, choices: float) -> Floats:
    """Return how often each member agrees with the picks of `surprising`, k = 1 (OW-I).

    Where several answers lead, each counts in part.
    """
    weights = np.maximum(1 + popularity(codes, choices), 0.0)
    part = leaders_of(votes_of(codes, weights))
    agreed = np.where(codes >= 0, np.take_along_axis(part, np.maximum(codes, 0), 1), 0.0).sum(0)
    accuracy: Floats = (agreed + 1) / ((codes >= 0).sum(0) + 2)
    return accuracy


def popularity(codes: Codes, choices: float) -> Floats:
    """Return the mean over the others of (K c - 1) / (K - 1): 1 always agrees, 0 as by chance."""
    agreement = agreement_of(codes)
    np.fill_diagonal(agreement, np.nan)
    counts = np.isfinite(agreement).sum(1)
    mean = np.nansum(agreement, 1) / np.maximum(counts, 1)
    popular: Floats = np.where(counts, (choices * mean - 1) / (choices - 1), 0.0)
    return popular
