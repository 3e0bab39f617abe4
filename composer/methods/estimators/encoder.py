"""A small text encoder trained with its head: hashed words, summed into a vector."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from pydantic import Field

from composer.heavy import np, sklearn, torch
from composer.methods.estimators.base import Learned
from composer.methods.estimators.heads import estimates
from composer.methods.estimators.losses import Goal, loss, rewards, targets
from composer.methods.estimators.nets import forward, layers, train
from composer.methods.estimators.values import Predictions
from composer.values import State

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from torch import Tensor

    from composer.methods.estimators.features import Vectors
    from composer.methods.estimators.values import Array, Asked, Labels

_FIRST = "table"
_WORD = r"\b\w+\b"


class Encoder(Learned):
    """A text encoder and a head trained together, towards one of the goals of `head`.

    Words and pairs of words are hashed into `buckets`; the sum of their vectors, weighted to
    length 1, goes through a hidden layer to a score for each choice. This bag of n-grams is
    fastText's (arXiv:1607.01759), in the place of RouteLLM's BERT, which classifies who wins too.
    A pretrained encoder is a feature instead: `head(features = pretrained(folder))`.
    """

    name: ClassVar[str] = "encoder"
    paper: ClassVar[str] = "arXiv:2406.18665"

    goal: Goal = "best"
    own: float = Field(default=1.0, ge=0, le=1)
    temperature: float = Field(default=1.0, gt=0)
    buckets: int = Field(default=16384, ge=2)
    dims: int = Field(default=32, ge=1)
    hidden: int = Field(default=32, ge=1)
    steps: int = Field(default=200, ge=1)

    def fit(self, labels: Labels, seed: int) -> State:
        """Train the table of vectors, the hidden layer and the head."""
        x = self._hashed(labels.asked)
        wanted = targets(self.goal, rewards(labels, self.own, 0.0), self.temperature)
        outputs = torch.tensor(wanted, dtype=torch.float32)
        rng = np.random.default_rng(seed)
        weights = layers((self.dims, self.hidden, len(labels.names)), rng)
        weights[_FIRST] = (rng.normal(size=(self.buckets, self.dims)) * 0.1).astype(np.float32)

        def of_batch(tensors: dict[str, Tensor], rows: Tensor) -> Tensor:
            bags = _bags(x[rows.numpy()], tensors[_FIRST])
            return loss(self.goal, forward(_rest(tensors), bags), outputs[rows])

        learnt = train(weights, of_batch, x.shape[0], seed=seed, steps=self.steps)
        return State(learnt)

    def predict(self, state: State, queries: Sequence[Asked]) -> Predictions:
        """Return probabilities, values or shares, as the goal has it."""
        bags = self._hashed(queries) @ state.arrays[_FIRST]
        return Predictions.of(estimates(self.goal, forward(_rest(state.arrays), bags)))

    def _hashed(self, queries: Sequence[Asked]) -> Vectors:
        vectorizer = sklearn.feature_extraction.text.HashingVectorizer(
            n_features=self.buckets,
            ngram_range=(1, 2),
            token_pattern=_WORD,
            alternate_sign=False,
            dtype=np.float32,
        )
        return vectorizer.transform([text for text, _ in queries])


def _bags(x: Vectors, table: Tensor) -> Tensor:
    """Return the weighted sums of the vectors of each row's terms."""
    indices, starts = (torch.from_numpy(each.astype("int64")) for each in (x.indices, x.indptr))
    return torch.nn.functional.embedding_bag(
        indices,
        table,
        starts,
        mode="sum",
        per_sample_weights=torch.from_numpy(x.data),
        include_last_offset=True,
    )


def _rest(weights: Mapping[str, Array]) -> dict[str, Array]:
    return {name: each for name, each in weights.items() if name != _FIRST}
