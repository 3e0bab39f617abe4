"""One estimator chosen from several, with its features, by how it does on rows left out."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from pydantic import Field

from composer.heavy import np
from composer.methods.estimators.base import Learned
from composer.methods.estimators.embeddings import Static
from composer.methods.estimators.features import Tfidf
from composer.methods.estimators.folds import by_tag, out_of_fold, shuffled
from composer.methods.estimators.learned import Linear
from composer.methods.estimators.shapes import Shape
from composer.values import State

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from composer.methods.estimators.values import Asked, Floats, Labels, Predictions
    from composer.values import Fitted, Typed

SHAPE = Shape(weight=0.3)


class Selection(Learned):
    """The one of several estimators that does best on rows that it was not fitted to.

    Whole tags are left out in `folds` folds, or shuffled rows if all rows have the same tags. The
    score is the correlation of predicted with recorded differences between the choices; the first
    of equals is taken. Candidates may differ in their features, their options or their kind.
    """

    name: ClassVar[str] = "selection"
    paper: ClassVar[str] = "doi:10.1214/09-SS054"

    of: tuple[Learned, ...] = Field(
        default=(
            Linear(features=(Static(), SHAPE), c=0.05),
            Linear(features=(Tfidf(), SHAPE)),
            Linear(features=SHAPE, c=0.03),
        ),
        min_length=1,
    )
    folds: int = Field(default=3, ge=2)

    def because(self, fitted: Fitted) -> str:
        """Say where the estimates of the chosen one come from."""
        return self._chosen(fitted.state).because(fitted)

    def fit(self, labels: Labels, seed: int) -> State:
        """Score the candidates on rows left out, and fit the best one to all rows."""
        tag_splits = by_tag(labels.tags, self.folds)
        enough = len(set(labels.queries)) >= self.folds
        splits = tag_splits or (shuffled(labels.queries, self.folds, seed) if enough else [])
        scores = [
            correlation(out_of_fold(each, labels, splits, seed).mean, labels.quality)
            for each in self.of
        ]
        at = int(np.argmax(scores))
        facts = {"chosen": at, "scores": scores, "left_out": "tags" if tag_splits else "rows"}
        return State.join(chosen=self.of[at].fit(labels, seed), choice=State(facts=facts))

    def predict(self, state: State, queries: Sequence[Asked]) -> Predictions:
        """Return what the chosen one predicts."""
        return self._chosen(state).predict(state.part("chosen"), queries)

    def notes(self, state: State, write: Callable[[Typed], str]) -> Iterator[str]:
        """Say which one was chosen, and how all of them did."""
        facts = state.part("choice").facts
        scores = facts["scores"]
        best = facts["chosen"]
        listed = "; ".join(
            f"{write(each)} {score:.3f}" for each, score in zip(self.of, scores, strict=True)
        )
        yield (
            f"`{self.name}` took {write(self.of[best])}; correlation with the recorded differences "
            f"on held-out {facts['left_out']}: {listed}"
        )
        yield from self.of[best].notes(state.part("chosen"), write)

    def _chosen(self, state: State) -> Learned:
        at: int = state.part("choice").facts["chosen"]
        return self.of[at]


def correlation(predicted: Floats, quality: Floats) -> float:
    """Return how predicted differences between choices go with recorded ones, in [-1, 1].

    Both [n, m] are taken less each row's mean over the choices, then less each choice's mean; rows
    with an unknown value are left out. It is 0 where nothing varies.
    """
    complete = ~(np.isnan(quality) | np.isnan(predicted)).any(1)
    first, second = (_differences(values[complete]) for values in (predicted, quality))
    size = float(np.sqrt((first**2).sum() * (second**2).sum()))
    return float((first * second).sum() / size) if size > 0 else 0.0


def _differences(values: Floats) -> Floats:
    apart = values - values.mean(1, keepdims=True)
    out: Floats = apart - apart.mean(0) if len(apart) else apart
    return out
