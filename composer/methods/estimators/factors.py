"""Factors: queries and choices as vectors of one space, learnt from who did better."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from pydantic import Field

from composer.heavy import np, torch
from composer.methods.estimators.dense import Dense
from composer.methods.estimators.nets import sigmoid, softmax, train
from composer.methods.estimators.values import Predictions
from composer.values import State

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray
    from torch import Tensor

    from composer.methods.estimators.values import Array, Asked, Floats, Labels

_WIDTH = 8.0
"""8 / pi is nearly the square of the logistic's scale against the normal's: the probit rule."""


class Factors(Dense):
    """Matrix factorisation of preferences (RouteLLM's `mf`): delta = w . (v_m * P [e(x), 1]).

    v_m is a choice's vector of length 1 and P projects the query's features. Every pair of known
    outcomes is one comparison, -t log sigmoid(delta_a - delta_b) - (1 - t) log sigmoid(delta_b -
    delta_a) with t = (1 + q_a - q_b) / 2, so a tie counts half to each. The estimates are
    softmax(delta): of two choices, the chance of each to win.
    """

    name: ClassVar[str] = "factors"
    paper: ClassVar[str] = "arXiv:2406.18665"

    rank: int = Field(default=32, ge=1)
    steps: int = Field(default=400, ge=1)

    def fit(self, labels: Labels, seed: int) -> State:
        """Train the vectors and the projection on all comparisons."""
        space, x = self.reduce(labels.asked, seed)
        inputs = torch.from_numpy(_with_one(x))
        outcomes = torch.tensor(labels.quality, dtype=torch.float32)
        rng = np.random.default_rng(seed)
        weights = {
            "project": _random(rng, inputs.shape[1], self.rank) / inputs.shape[1] ** 0.5,
            "choices": _random(rng, len(labels.names), self.rank),
            "weigh": np.ones(self.rank, np.float32),
        }

        def of_batch(tensors: dict[str, Tensor], rows: Tensor) -> Tensor:
            return _compared(_deltas(tensors, inputs[rows]), outcomes[rows])

        learnt = train(weights, of_batch, len(x), seed=seed, steps=self.steps)
        return State.join(space=space, factors=State(learnt))

    def predict(self, state: State, queries: Sequence[Asked]) -> Predictions:
        """Return the choices' shares of the wins."""
        x = _with_one(self.reduced(state.part("space"), queries))
        return Predictions.of(softmax(_deltas(state.part("factors").arrays, x)))


class Irt(Dense):
    """Item response theory with identity vectors (LLM Bandit): sigmoid(a(x) . theta_m - b(x)).

    The query's discrimination a and difficulty b are linear in its features. The identity vector of
    a choice has the prior N(0, 1) and a variational posterior N(mu, sigma^2), fitted with the
    evidence lower bound. A new choice needs the labels of only 20 to 50 queries, because the
    parameters of queries are shared; until then its standard deviation is large. The estimate is
    sigmoid(z / sqrt(1 + pi v / 8)) with z and v the mean and variance of the logit.
    """

    name: ClassVar[str] = "irt"
    paper: ClassVar[str] = "arXiv:2502.02743"

    rank: int = Field(default=8, ge=1)
    steps: int = Field(default=400, ge=1)

    def fit(self, labels: Labels, seed: int) -> State:
        """Maximise the evidence lower bound over all known outcomes."""
        space, x = self.reduce(labels.asked, seed)
        inputs = torch.from_numpy(_with_one(x))
        outcomes = torch.tensor(labels.quality, dtype=torch.float32)
        count = max(int((~outcomes.isnan()).sum()), 1)
        rng = np.random.default_rng(seed)
        draws = torch.Generator().manual_seed(seed)
        size = (len(labels.names), self.rank)
        weights = {
            "ask": _random(rng, inputs.shape[1], self.rank) / inputs.shape[1] ** 0.5,
            "hard": np.zeros((inputs.shape[1], 1), np.float32),
            "mean": _random(rng, *size) * np.float32(0.1),
            "width": np.full(size, -2.0, np.float32),
        }

        def of_batch(tensors: dict[str, Tensor], rows: Tensor) -> Tensor:
            noise = torch.randn(size, generator=draws)
            identity = tensors["mean"] + noise * tensors["width"].exp()
            x, wanted = inputs[rows], outcomes[rows]
            scores = (x @ tensors["ask"]) @ identity.T - x @ tensors["hard"]
            return _likelihood(scores, wanted) + _divergence(tensors) / count

        learnt = train(weights, of_batch, len(x), seed=seed, steps=self.steps)
        return State.join(space=space, items=State(learnt))

    def predict(self, state: State, queries: Sequence[Asked]) -> Predictions:
        """Return P(correct) and its deviation, by the posterior of the identity vectors."""
        arrays = state.part("items").arrays
        x = _with_one(self.reduced(state.part("space"), queries))
        ask = (x @ arrays["ask"]).astype(float)
        logit = ask @ arrays["mean"].T - x @ arrays["hard"]
        variance = ask**2 @ np.exp(2.0 * arrays["width"]).T
        mean = sigmoid(logit / np.sqrt(1 + np.pi * variance / _WIDTH))
        return Predictions(mean, mean * (1 - mean) * np.sqrt(variance))


def _with_one(x: Floats) -> Floats:
    """Return vectors with a last column of 1, so that each choice has a strength of its own."""
    return np.hstack([x, np.ones((len(x), 1), np.float32)])


def _random(rng: np.random.Generator, *size: int) -> NDArray[np.float32]:
    return rng.normal(size=size).astype(np.float32)


def _deltas(weights: Mapping[str, Array], x: Array) -> Array:
    vectors = weights["choices"]
    unit = vectors / (vectors**2).sum(-1)[:, None] ** 0.5
    deltas: Array = (x @ weights["project"]) @ (unit * weights["weigh"]).T
    return deltas


def _compared(scores: Tensor, outcomes: Tensor) -> Tensor:
    """Return the mean loss of all comparisons of two known outcomes of a row."""
    first, second = torch.triu_indices(scores.shape[1], scores.shape[1], 1)
    wanted = (1 + outcomes[:, first] - outcomes[:, second]) / 2
    observed = ~wanted.isnan()
    each = torch.nn.functional.binary_cross_entropy_with_logits(
        scores[:, first] - scores[:, second], wanted.nan_to_num(), reduction="none"
    )
    return (each * observed).sum() / observed.sum().clip(min=1)


def _likelihood(scores: Tensor, outcomes: Tensor) -> Tensor:
    observed = ~outcomes.isnan()
    each = torch.nn.functional.binary_cross_entropy_with_logits(
        scores, outcomes.nan_to_num(), reduction="none"
    )
    return (each * observed).sum() / observed.sum().clip(min=1)


def _divergence(tensors: dict[str, Tensor]) -> Tensor:
    """Return KL(N(mu, sigma^2) || N(0, 1)), summed over all numbers."""
    mean, width = tensors["mean"], tensors["width"]
    return ((2 * width).exp() + mean**2 - 1 - 2 * width).sum() / 2
