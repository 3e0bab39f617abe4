"""Win rates of one system over another, corrected for the mistakes of those that judge."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Literal

from composer.heavy import np
from composer.methods.mistakes import PartError
from composer.methods.reductions.base import Shares
from composer.methods.reductions.learned import LearnedReduction
from composer.metrics import exact

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray

    from composer.methods.agreements.base import Comparison
    from composer.methods.answer_table import AnswerTable
    from composer.methods.estimators.values import Floats
    from composer.methods.reductions.base import Ballot
    from composer.values import State

    Verdicts = NDArray[np.int8]

_DRAWS, _BURN = 1000, 200
_LEAST_SKILL = 0.05


class WinRate(LearnedReduction):
    """Judges say which of two systems wins; their votes count by how often each is mistaken.

    A judge says `win` or something else. It says so with chance q1 where that is true, and the
    other thing with chance q0 where the other is true. A win rate k that is counted is then
    p = (k - 1 + q0) / (q0 + q1 - 1) in truth. `bwrs` learns q0 and q1 of each judge from labels and
    draws p from their distribution; `bayesian` draws all by a Gibbs sampler of Dawid and Skene's
    model, without labels, each q with the prior Beta(2, 1). `compose fit` prints the win rate.
    """

    name: ClassVar[str] = "winrate"
    paper: ClassVar[str] = "arXiv:2411.04424"

    win: str = "A"
    form: Literal["bwrs", "bayesian"] = "bayesian"

    @property
    def labelled(self) -> bool:
        """Whether the judges' mistakes are counted on labels."""
        return self.form == "bwrs"

    def fit(self, table: AnswerTable, comparisons: tuple[Comparison, ...], seed: int) -> State:
        """Estimate the judges' mistakes and the win rate."""
        del comparisons
        says = verdicts(table, self.win)
        if not (says >= 0).any():
            text = f"`{self.name}` found no verdict: all judges abstain"
            raise PartError("E509", text, "check what `extract` reads")
        rng = np.random.default_rng(seed)
        draws = bwrs(table, says, rng) if self.form == "bwrs" else gibbs(says, rng)
        rate, q0, q1 = draws
        counted = float((says == 1).sum() / (says >= 0).sum())
        low, high = np.quantile(rate, (0.025, 0.975))
        facts = {"counted": counted, "win_rate": [float(rate.mean()), float(low), float(high)]}
        arrays = {"q0": q0.mean(0), "q1": q1.mean(0)}
        return self.fitted_state(table, arrays, **facts)

    def shares(self, ballots: Sequence[Ballot], comparison: Comparison) -> Shares:
        """Return how likely the one and the other verdict are, given who says what."""
        state = self.state()
        places = self.places(state, tuple(ballot.name for ballot in ballots))
        rate = min(max(state.facts["win_rate"][0], _LEAST_SKILL), 1 - _LEAST_SKILL)
        logit = float(np.log(rate / (1 - rate)))
        for at in comparison.voters:
            q0, q1 = (float(state.arrays[q][places[at]]) for q in ("q0", "q1"))
            odds = q1 / (1 - q0) if exact(str(ballots[at].answer), self.win) else (1 - q1) / q0
            logit += ballots[at].weight * float(np.log(odds))
        chance = float(1 / (1 + np.exp(-logit)))
        won = [exact(str(ballots[group[0]].answer), self.win) for group in comparison.groups]
        losses = max(won.count(False), 1)
        sums = [chance if each else (1 - chance) / losses for each in won]
        return Shares.of_groups(len(ballots), comparison.groups, sums, chance=chance)

    def notes(self, state: State) -> Iterator[str]:
        """Say what the win rate is."""
        rate, low, high = state.facts["win_rate"]
        yield (
            f"`{self.win}` wins {rate:.3f} [{low:.3f}, {high:.3f}] of the rows; the judges say "
            f"{state.facts['counted']:.3f}"
        )


def verdicts(table: AnswerTable, win: str) -> Verdicts:
    """Return 1 for a win, 0 for another verdict, -1 for none, rows by judges."""
    says = [
        [-1 if answer is None else int(exact(answer, win)) for answer in row]
        for row in table.answers
    ]
    return np.array(says, dtype=np.int8)


def bwrs(
    table: AnswerTable, says: Verdicts, rng: np.random.Generator
) -> tuple[Floats, Floats, Floats]:
    """Draw the win rate [draws] and the judges' q0 and q1 [draws, judges], by labels.

    q0, q1 and k have Beta posteriors with a flat prior. The rate of a draw is the mean over judges
    that are better than chance, each weighted by q0 + q1 - 1.
    """
    quality = np.where(says >= 0, table.quality, np.nan)
    truth = np.where(np.isfinite(quality), np.where(quality > 0.5, says, 1 - says), -1)  # noqa: PLR2004
    counts = {(t, s): ((truth == t) & (says == s)).sum(0) + 1 for t in (0, 1) for s in (0, 1)}
    size = (_DRAWS, says.shape[1])
    q0 = rng.beta(counts[0, 0], counts[0, 1], size)
    q1 = rng.beta(counts[1, 1], counts[1, 0], size)
    k = rng.beta((says == 1).sum(0) + 1, (says == 0).sum(0) + 1, size)
    skill = np.maximum(q0 + q1 - 1, _LEAST_SKILL)
    rates = np.clip((k - 1 + q0) / skill, 0, 1)
    return (rates * skill).sum(1) / skill.sum(1), q0, q1


def gibbs(says: Verdicts, rng: np.random.Generator) -> tuple[Floats, Floats, Floats]:
    """Draw the same without labels, from the posterior of Dawid and Skene's model."""
    counts = np.maximum((says >= 0).sum(1), 1)
    truth = ((says == 1).sum(1) / counts > 0.5).astype(int)  # noqa: PLR2004
    rates, zeros, ones = [], [], []
    for draw in range(_BURN + _DRAWS):
        true, false = truth == 1, truth == 0
        rate = rng.beta(true.sum() + 1, false.sum() + 1)
        q1 = rng.beta((says[true] == 1).sum(0) + 2, (says[true] == 0).sum(0) + 1)
        q0 = rng.beta((says[false] == 0).sum(0) + 2, (says[false] == 1).sum(0) + 1)
        logits = np.log(rate / (1 - rate)) + (
            (says == 1) * np.log(q1 / (1 - q0)) + (says == 0) * np.log((1 - q1) / q0)
        ).sum(1)
        truth = (rng.random(len(says)) < 1 / (1 + np.exp(-logits))).astype(int)
        if draw >= _BURN:
            rates.append(rate)
            zeros.append(q0)
            ones.append(q1)
    return np.array(rates), np.array(zeros), np.array(ones)
