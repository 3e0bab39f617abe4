"""Bandits: estimates that go on learning from the reward of each choice that was made.

A reward is whatever the feedback says, such as 1 for a right answer; fitted on recorded outcomes
it is quality - `cost` x dollars per thousand answers (MetaLLM, PickLLM; time is not recorded).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from pydantic import Field

from composer.heavy import np, sklearn
from composer.methods.estimators.base import Online
from composer.methods.estimators.costs import required_costs
from composer.methods.estimators.values import Predictions
from composer.values import State

if TYPE_CHECKING:
    from collections.abc import Sequence

    from composer.methods.estimators.values import Asked, Floats, Labels

_WORD = r"\b\w+\b"


def reward_of(labels: Labels, cost: float, part: str) -> Floats:
    """Return quality - cost x dollars per thousand answers [n, m]; costs are needed if `cost`."""
    if not cost:
        return labels.quality
    out: Floats = labels.quality - cost * 1000 * required_costs(labels, part)
    return out


class LinUcb(Online):
    """A linear bandit for each choice (LinUCB, MetaLLM): reward = theta . x, by ridge regression.

    A = ridge I + sum x x', b = sum r x, theta = A^-1 b; `optimistic(width = alpha)` adds alpha
    times the standard deviation sqrt(x' A^-1 x). x is the query's words hashed into `dims` numbers,
    of length 1, and a constant, so nothing needs to be fitted before the first query.
    """

    name: ClassVar[str] = "linucb"
    paper: ClassVar[str] = "arXiv:1003.0146"

    dims: int = Field(default=128, ge=1)
    ridge: float = Field(default=1.0, gt=0)
    cost: float = Field(default=0.0, ge=0)

    def start(self, names: tuple[str, ...], seed: int) -> State:
        """Return A^-1 = I / ridge and b = 0 for every choice."""
        del seed
        size = self.dims + 1
        inverse = np.broadcast_to(np.eye(size) / self.ridge, (len(names), size, size))
        return State({"inverse": inverse.copy(), "b": np.zeros((len(names), size))})

    def fit(self, labels: Labels, seed: int) -> State:
        """Learn from all recorded outcomes, as if every choice had been made."""
        del seed
        x, reward = self._see(labels.asked), reward_of(labels, self.cost, self.name)
        inverses, sums = [], []
        for column in range(len(labels.names)):
            observed = ~np.isnan(reward[:, column])
            observed_x = x[observed]
            inverses.append(
                np.linalg.inv(self.ridge * np.eye(x.shape[1]) + observed_x.T @ observed_x)
            )
            sums.append(observed_x.T @ reward[observed, column])
        return State({"inverse": np.stack(inverses), "b": np.stack(sums)})

    def predict(self, state: State, queries: Sequence[Asked]) -> Predictions:
        """Return theta . x and sqrt(x' A^-1 x)."""
        inverse, b = state.arrays["inverse"], state.arrays["b"]
        theta = np.einsum("mde,me->md", inverse, b)
        x = self._see(queries)
        spread = [np.sqrt(np.maximum(((x @ each) * x).sum(1), 0)) for each in inverse]
        return Predictions(x @ theta.T, np.stack(spread, 1))

    def update(self, state: State, asked: Asked, choice: int, reward: float) -> State:
        """Add one reward by the Sherman-Morrison formula."""
        inverse, b = state.arrays["inverse"].copy(), state.arrays["b"].copy()
        x = self._see([asked])[0]
        moved = inverse[choice] @ x
        inverse[choice] -= moved[:, None] * moved / (1 + x @ moved)
        b[choice] += reward * x
        return State({"inverse": inverse, "b": b}, state.facts)

    def _see(self, queries: Sequence[Asked]) -> Floats:
        hashed = sklearn.feature_extraction.text.HashingVectorizer(
            n_features=self.dims, token_pattern=_WORD
        )
        vectors = hashed.transform([text for text, _ in queries]).toarray()
        return np.hstack([vectors, np.ones((len(queries), 1))])


class StatelessQ(Online):
    """One value for each choice, whatever the query: Q <- Q + rate x (reward - Q) (PickLLM).

    With the policy `explore(epsilon)` it converges to one choice for a session.
    """

    name: ClassVar[str] = "stateless_q"
    paper: ClassVar[str] = "arXiv:2412.12170"

    rate: float = Field(default=0.1, gt=0, le=1)
    cost: float = Field(default=0.0, ge=0)

    def start(self, names: tuple[str, ...], seed: int) -> State:
        """Return a value of 1/2 for every choice."""
        del seed
        return State({"value": np.full(len(names), 0.5)})

    def fit(self, labels: Labels, seed: int) -> State:
        """Learn from all recorded outcomes in their order, as if every choice had been made."""
        value = self.start(labels.names, seed).arrays["value"]
        for reward in reward_of(labels, self.cost, self.name):
            value = value + self.rate * np.nan_to_num(reward - value)
        return State({"value": value})

    def predict(self, state: State, queries: Sequence[Asked]) -> Predictions:
        """Return the values, the same for every query."""
        value = state.arrays["value"]
        return Predictions.of(np.tile(value, (len(queries), 1)))

    def update(self, state: State, asked: Asked, choice: int, reward: float) -> State:
        """Move one value towards its reward."""
        del asked
        value = state.arrays["value"].copy()
        value[choice] += self.rate * (reward - value[choice])
        return State({"value": value}, state.facts)


class Automaton(Online):
    """A learning automaton: odds of each choice, moved by linear reward-inaction (PickLLM).

    A choice a with reward r in [0, 1] gains: p_a += rate r (1 - p_a), the others p_j -= rate r
    p_j. The estimates are the odds, which `chance(odds = estimated)` draws by.
    """

    name: ClassVar[str] = "automaton"
    paper: ClassVar[str] = "arXiv:2412.12170"

    rate: float = Field(default=0.02, gt=0, le=1)
    cost: float = Field(default=0.0, ge=0)

    def start(self, names: tuple[str, ...], seed: int) -> State:
        """Return equal odds."""
        del seed
        return State({"odds": np.full(len(names), 1 / len(names))})

    def fit(self, labels: Labels, seed: int) -> State:
        """Draw a choice for every recorded query and learn from its outcome, if it has one."""
        rng = np.random.default_rng(seed)
        odds = self.start(labels.names, seed).arrays["odds"]
        for reward in reward_of(labels, self.cost, self.name):
            choice = int(rng.choice(len(odds), p=odds))
            odds = self._moved(odds, choice, float(np.nan_to_num(reward[choice])))
        return State({"odds": odds})

    def predict(self, state: State, queries: Sequence[Asked]) -> Predictions:
        """Return the odds, the same for every query."""
        return Predictions.of(np.tile(state.arrays["odds"], (len(queries), 1)))

    def update(self, state: State, asked: Asked, choice: int, reward: float) -> State:
        """Move the odds towards a choice by its reward."""
        del asked
        return State({"odds": self._moved(state.arrays["odds"], choice, reward)}, state.facts)

    def _moved(self, odds: Floats, choice: int, reward: float) -> Floats:
        """Return the odds after a reward, which counts as one in [0, 1]."""
        step = self.rate * min(max(reward, 0.0), 1.0)
        moved = odds * (1 - step)
        moved[choice] += step
        out: Floats = moved / moved.sum()
        return out
