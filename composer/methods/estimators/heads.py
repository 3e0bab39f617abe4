"""Heads: one small network over a query's features with a score for each choice."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from pydantic import Field

from composer.heavy import np, torch
from composer.methods.estimators.dense import Dense
from composer.methods.estimators.losses import Goal, loss, rewards, targets
from composer.methods.estimators.nets import forward, layers, sigmoid, softmax, train
from composer.methods.estimators.values import Predictions
from composer.values import State

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torch import Tensor

    from composer.methods.estimators.nets import Weights
    from composer.methods.estimators.values import Asked, Floats, Labels


class Head(Dense):
    """A network over dense features with one score for each choice, trained towards a `goal`.

    `right`: binary cross-entropy on each outcome, a multi-label classifier (SelectLLM, Multiple
    Minds); the estimate is a probability. `score`: squared error (HomoRouter). `best`:
    cross-entropy to the choices that did best, shared among ties (Bench-CoE). `soft`: KL to
    softmax(r / temperature) (Zooter, TO-Router). For the last two the estimates are shares with the
    sum 1. r is the outcome minus `cost` x dollars per thousand answers; a fraction 1 - `own` of it
    is the mean over the query's tags. `hidden` = 0 gives a linear model. `balanced` weighs right
    outcomes by wrong / right of their choice.
    """

    name: ClassVar[str] = "head"
    paper: ClassVar[str] = "arXiv:2311.08692"

    goal: Goal = "right"
    own: float = Field(default=1.0, ge=0, le=1)
    temperature: float = Field(default=1.0, gt=0)
    cost: float = Field(default=0.0, ge=0)
    balanced: bool = False
    hidden: int = Field(default=0, ge=0)
    steps: int = Field(default=400, ge=1)

    def fit(self, labels: Labels, seed: int) -> State:
        """Train the network on all rows."""
        space, x = self.reduce(labels.asked, seed)
        wanted = targets(self.goal, rewards(labels, self.own, self.cost), self.temperature)
        sizes = (x.shape[1], *([self.hidden] if self.hidden else []), len(labels.names))
        weights = layers(sizes, np.random.default_rng(seed))
        learnt = fit_scores(self, weights, x, wanted, seed)
        return State.join(space=space, net=State(learnt))

    def predict(self, state: State, queries: Sequence[Asked]) -> Predictions:
        """Return probabilities, values or shares, as the goal has it."""
        scores = forward(state.part("net").arrays, self.reduced(state.part("space"), queries))
        return Predictions.of(estimates(self.goal, scores))


def estimates(goal: Goal, scores: Floats) -> Floats:
    """Return what scores mean under a goal [n, m]."""
    if goal == "score":
        return scores.astype(float)
    chances: Floats = sigmoid(scores) if goal == "right" else softmax(scores)
    return chances


def fit_scores(
    head: Head,
    weights: Weights,
    x: Floats,
    wanted: Floats,
    seed: int,
) -> Weights:
    """Train a perceptron on vectors [n, d] towards targets [n, m]."""
    inputs, outputs = torch.from_numpy(x), torch.tensor(wanted, dtype=torch.float32)
    weight = positives(outputs) if head.balanced else None

    def of_batch(tensors: dict[str, Tensor], rows: Tensor) -> Tensor:
        return loss(head.goal, forward(tensors, inputs[rows]), outputs[rows], weight)

    return train(weights, of_batch, len(x), seed=seed, steps=head.steps)


def positives(outcomes: Tensor) -> Tensor:
    """Return wrong / right of each column [m], 1 where either is missing."""
    observed = ~outcomes.isnan()
    right = outcomes.nan_to_num().sum(0)
    wrong = observed.sum(0) - right
    ratio = wrong / right.clip(min=1)
    ratio[(right < 1) | (wrong < 1)] = 1
    return ratio
