"""One model over queries and choices together: P(correct | query, choice), and its cost."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from pydantic import Field

from composer.heavy import np, torch
from composer.methods.estimators.dense import Dense
from composer.methods.estimators.means import dollars
from composer.methods.estimators.nets import layers, sigmoid, train
from composer.methods.estimators.values import Predictions
from composer.values import State

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from torch import Tensor

    from composer.methods.estimators.nets import Weights
    from composer.methods.estimators.values import Array, Asked, Floats, Labels

_AT_ONCE = 1024


class Meta(Dense):
    """A meta-model of P(correct | query, choice) and of the cost of the answer (FORC).

    One network reads the query's features and a fitted vector of the choice, and has two heads
    (Route to Reason): correctness, by cross-entropy, and the logarithm of the answer's tokens, by
    squared error. Tokens are converted to dollars with the average cost of a token of the choice. A
    choice without recorded tokens has its mean cost; without that, the cost is unknown.
    """

    name: ClassVar[str] = "meta"
    paper: ClassVar[str] = "arXiv:2308.06077"

    vector: int = Field(default=16, ge=1)
    hidden: int = Field(default=64, ge=1)
    steps: int = Field(default=400, ge=1)

    def fit(self, labels: Labels, seed: int) -> State:
        """Train the network on every known outcome, and keep the price of a token."""
        space, x = self.reduce(labels.asked, seed)
        inputs = torch.from_numpy(x)
        lengths = np.log(np.maximum(labels.tokens, 1))
        centre = np.nan_to_num(_mean(lengths, np.nan))
        right = torch.tensor(labels.quality, dtype=torch.float32)
        tokens = torch.tensor(lengths - centre, dtype=torch.float32)

        def of_batch(tensors: dict[str, Tensor], rows: Tensor) -> Tensor:
            return _both(_scores(tensors, inputs[rows]), right[rows], tokens[rows])

        weights = self._weights(x.shape[1], len(labels.names), seed)
        learnt = train(weights, of_batch, len(x), seed=seed, steps=self.steps)
        costs = {"centre": centre, "rate": _rate(labels), "dollars": dollars(labels)}
        return State.join(space=space, net=State(learnt), costs=State(costs))

    def predict(self, state: State, queries: Sequence[Asked]) -> Predictions:
        """Return P(correct), and dollars where they can be known."""
        x = self.reduced(state.part("space"), queries)
        net, costs = state.part("net").arrays, state.part("costs").arrays
        parts = [_scores(net, x[at : at + _AT_ONCE]) for at in range(0, len(x), _AT_ONCE)]
        predicted = np.concatenate([np.zeros((0, len(costs["rate"]), 2)), *parts])
        spent = np.exp(np.clip(predicted[:, :, 1] + costs["centre"], 0, 20)) * costs["rate"]
        cost = np.where(np.isnan(spent), costs["dollars"], spent)
        return Predictions.of(
            sigmoid(predicted[:, :, 0]), cost=None if np.isnan(cost).all() else cost
        )

    def _weights(self, dims: int, choices: int, seed: int) -> Weights:
        rng = np.random.default_rng(seed)
        both = layers((dims + self.vector, self.hidden, 2), rng)
        return {
            "query": both["w0"][:dims],
            "choice": both["w0"][dims:],
            "bias": both["b0"],
            "out": both["w1"],
            "end": both["b1"],
            "choices": rng.normal(size=(choices, self.vector)).astype(np.float32),
        }


def _scores(weights: Mapping[str, Array], x: Array) -> Array:
    """Return the two heads [n, m, 2] of the network over [query, choice]."""
    choices = weights["choices"] @ weights["choice"] + weights["bias"]
    hidden = ((x @ weights["query"])[:, None, :] + choices[None, :, :]).clip(min=0)
    return hidden @ weights["out"] + weights["end"]


def _both(scores: Tensor, right: Tensor, tokens: Tensor) -> Tensor:
    """Return the sum of both heads' mean losses over what is known."""
    known, counted = ~right.isnan(), ~tokens.isnan()
    wrong = torch.nn.functional.binary_cross_entropy_with_logits(
        scores[:, :, 0], right.nan_to_num(), reduction="none"
    )
    apart = (scores[:, :, 1] - tokens.nan_to_num()) ** 2
    quality = (wrong * known).sum() / known.sum().clip(min=1)
    return quality + (apart * counted).sum() / counted.sum().clip(min=1)


def _rate(labels: Labels) -> Floats:
    """Return the dollars that one token of each choice costs [m], NaN where unknown."""
    both = ~np.isnan(labels.cost) & ~np.isnan(labels.tokens)
    tokens = np.where(both, labels.tokens, 0).sum(0)
    paid = np.where(both, labels.cost, 0).sum(0)
    rate: Floats = np.where(tokens > 0, paid / np.maximum(tokens, 1), np.nan)
    return rate


def _mean(values: Floats, nothing: float) -> Floats:
    """Return the mean of each column [m], `nothing` where it has no values."""
    observed = ~np.isnan(values)
    total = np.where(observed, values, 0).sum(0)
    mean: Floats = np.where(observed.any(0), total / np.maximum(observed.sum(0), 1), nothing)
    return mean
