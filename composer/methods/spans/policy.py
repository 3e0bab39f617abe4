"""Weights for each span by a policy that is fitted by reinforcement."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from pydantic import Field

from composer.engine.sessions.span_parts import SpanWeigh
from composer.heavy import np
from composer.methods.estimators.features import Features, Tfidf, all_vectors
from composer.methods.fitted import TrainablePart, named, shaped
from composer.methods.spans.wins import win_rates

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from composer.engine.sessions.span_parts import ScoredRound, SpanWeights
    from composer.methods.estimators.values import Floats
    from composer.values import Query, State

__all__ = ["OBSERVATIONS", "Acting", "Policy"]

OBSERVATIONS = 5
"""How many numbers the state has of a member beside the text: see `Policy`."""

_LOWEST = -10.0


class Policy(SpanWeigh, TrainablePart):
    """A policy that is fitted by reinforcement: from the text so far to the members' weights.

    The weights are the softmax of log w_i + a_i, w being the given weights. The action a_i is
    linear in the `features` of question and answer so far, and in what was observed of the member:
    the mean log-probability that it gave the last span, whether its proposal was kept, its win
    rate, its share of kept proposals, and 1. `compose fit` draws actions around the policy's with
    the standard deviation `spread`, `draws` answers to each question, and `passes` times over all
    questions; actions become likelier whose answers are better than the question's others.
    """

    name: ClassVar[str] = "policy"
    paper: ClassVar[str] = "arXiv:2506.00439"

    features: Features | tuple[Features, ...] = Tfidf(words=1)
    draws: int = Field(default=8, ge=2)
    passes: int = Field(default=8, ge=1)
    spread: float = Field(default=1.0, gt=0)

    def start(self, weights: Mapping[str, float], query: Query) -> SpanWeights:
        """Start an answer; raises ModelError (E507, E508, E509) where the fit is not of these."""
        state = self.state()
        order = named(state, list(weights), self.name)
        count = len(state.facts["names"])
        coefficients = shaped(state, "policy.coefficients", count, None)[order]
        return self.acting(state, coefficients, weights, query)

    def acting(
        self, state: State, coefficients: Floats, weights: Mapping[str, float], query: Query
    ) -> Acting:
        """Return the policy with `coefficients` [member, feature] while one answer is written."""

        def vector(answer: str) -> Floats:
            texts = [(f"{query.text}\n{answer}", ())]
            row: Floats = all_vectors(self.features, state.part("features"), texts).toarray()[0]
            return row

        return Acting(coefficients, np.log(list(weights.values())), vector)


class Acting:
    """The policy while one answer is written.

    `steps` has the state [member, feature] and the noise [member] of each span, where `noise` draws
    actions around the policy's.
    """

    def __init__(
        self,
        coefficients: Floats,
        given: Floats,
        vector: Callable[[str], Floats],
        noise: Callable[[int], Floats] | None = None,
    ) -> None:
        self._coefficients, self._given = coefficients, given
        self._vector, self.noise = vector, noise
        self._observed, self._rounds = np.zeros((len(given), OBSERVATIONS)), 0
        self._observed[:, -1] = 1.0
        self.steps: list[tuple[Floats, Floats]] = []

    def weights(self, text: str) -> Sequence[float]:
        """Return the softmax of the actions."""
        words = np.tile(self._vector(text), (len(self._given), 1))
        state = np.concatenate([words, self._observed], 1)
        actions = self._given + (state * self._coefficients).sum(1)
        if self.noise is not None:
            noise = self.noise(len(actions))
            self.steps.append((state, noise))
            actions = actions + noise
        powers = np.exp(actions - actions.max())
        shares: list[float] = (powers / powers.sum()).tolist()
        return shares

    def learn(self, round_: ScoredRound) -> None:
        """Note what the round shows of the members that took part."""
        self._rounds += 1
        rates, kept = win_rates(round_), round_.proposers[round_.best]
        for place, readings in zip(round_.members, round_.readings, strict=True):
            read, own = readings[round_.best], self._observed[place]
            if read is not None:
                own[0] = max(_LOWEST, read.mean)
            own[1], own[2] = float(place in kept), rates.get(place, 0.5)
        shares = self._observed[:, 3]
        shares += (np.isin(np.arange(len(shares)), kept) - shares) / self._rounds
