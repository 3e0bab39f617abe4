"""A query encoder and vectors of the choices, trained by two contrastive losses (RouterDC)."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from pydantic import Field

from composer.heavy import np, torch
from composer.methods.estimators.clusters import kmeans, nearest
from composer.methods.estimators.dense import Dense
from composer.methods.estimators.nets import forward, layers, softmax, train
from composer.methods.estimators.values import Predictions
from composer.values import State

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray
    from torch import Tensor

    from composer.methods.estimators.values import Array, Asked, Labels

_WRONG = 0.5
_FAR = -1e9


class Contrastive(Dense):
    """Dual contrastive learning: the cosine of a query's vector with each choice's vector.

    First loss: for each of the `best` choices with the highest outcomes above 0, -log softmax of
    its similarity against the `worst` choices with the lowest outcomes of at most 1/2. Second,
    weighed by `together`: a query's vector is nearer to another of its cluster than to
    `negatives` of other clusters. The estimates are softmax(cosine / temperature); the paper's
    temperature is 1.
    """

    name: ClassVar[str] = "contrastive"
    paper: ClassVar[str] = "arXiv:2409.19886"

    size: int = Field(default=64, ge=1)
    best: int = Field(default=3, ge=1)
    worst: int = Field(default=3, ge=1)
    together: float = Field(default=1.0, ge=0)
    clusters: int = Field(default=8, ge=1)
    negatives: int = Field(default=3, ge=1)
    temperature: float = Field(default=0.2, gt=0)
    steps: int = Field(default=400, ge=1)

    def fit(self, labels: Labels, seed: int) -> State:
        """Train the encoder and the choices' vectors on both losses."""
        space, x = self.reduce(labels.asked, seed)
        rng = np.random.default_rng(seed)
        weights = layers((x.shape[1], self.size), rng)
        weights["w0"] = (rng.normal(size=weights["w0"].shape) / x.shape[1] ** 0.5).astype(
            np.float32
        )
        size = (len(labels.names), self.size)
        weights["choices"] = (rng.normal(size=size) * 0.78).astype(np.float32)
        group = nearest(kmeans(x, self.clusters, seed), x)
        mates = torch.from_numpy(_mates(group, self.negatives, rng))
        inputs = torch.from_numpy(x)
        outcomes = torch.tensor(labels.quality, dtype=torch.float32)

        def of_batch(tensors: dict[str, Tensor], rows: Tensor) -> Tensor:
            encoded = _unit(_encode(tensors, inputs[rows]))
            choices = _unit(tensors["choices"])
            first = self._sorted(encoded @ choices.T, outcomes[rows])
            others = _unit(_encode(tensors, inputs[mates[rows].flatten()]))
            near = others.view(len(rows), -1, self.size) @ encoded[:, :, None]
            second = torch.nn.functional.log_softmax(near[:, :, 0] / self.temperature, dim=1)[:, 0]
            return first - self.together * second.mean()

        learnt = train(weights, of_batch, len(x), seed=seed, steps=self.steps)
        return State.join(space=space, net=State(learnt))

    def predict(self, state: State, queries: Sequence[Asked]) -> Predictions:
        """Return softmax of the cosines."""
        arrays = state.part("net").arrays
        encoded = _unit(_encode(arrays, self.reduced(state.part("space"), queries)))
        return Predictions.of(softmax(encoded @ _unit(arrays["choices"]).T, self.temperature))

    def _sorted(self, similar: Tensor, outcomes: Tensor) -> Tensor:
        """Return the first loss: the mean over the positives of a batch."""
        scores = similar / self.temperature
        observed = ~outcomes.isnan()
        filled = outcomes.nan_to_num()
        high = torch.where(observed, filled, _FAR).topk(min(self.best, scores.shape[1])).indices
        low = torch.where(observed, filled, -_FAR).topk(
            min(self.worst, scores.shape[1]), largest=False
        )
        is_low = observed.gather(1, low.indices) & (filled.gather(1, low.indices) <= _WRONG)
        against = torch.where(is_low, scores.gather(1, low.indices), _FAR)
        positive = scores.gather(1, high)
        is_high = observed.gather(1, high) & (filled.gather(1, high) > 0)
        twice = (high[:, :, None] == low.indices[:, None, :]) & is_low[:, None, :]
        counted = is_high & ~twice.any(dim=2)
        among = torch.logaddexp(positive, against.logsumexp(dim=1, keepdim=True))
        return ((among - positive) * counted).sum() / counted.sum().clip(min=1)


def _mates(group: NDArray[np.intp], negatives: int, rng: np.random.Generator) -> NDArray[np.intp]:
    """Return for each row one other of its group and some of other groups [n, 1 + negatives].

    A row alone in its group is its own mate; where there is one group only, so are the negatives.
    """
    everyone = np.arange(len(group))
    inside = {int(g): everyone[group == g] for g in np.unique(group)}
    outside = {g: everyone[group != g] for g in inside}
    out = np.tile(everyone[:, None], (1, 1 + negatives))
    for row, g in enumerate(map(int, group)):
        out[row, 0] = rng.choice(inside[g])
        if len(outside[g]):
            out[row, 1:] = rng.choice(outside[g], negatives)
    return out


def _encode(weights: Mapping[str, Array], x: Array) -> Array:
    return forward({name: weights[name] for name in ("w0", "b0")}, x)


def _unit(vectors: Array) -> Array:
    """Return vectors divided by their length; those of length 0 stay so."""
    unit: Array = vectors / ((vectors**2).sum(-1) + 1e-12)[..., None] ** 0.5
    return unit
