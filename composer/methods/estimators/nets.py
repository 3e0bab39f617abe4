"""Small networks that estimators train: torch fits them, plain arrays run them.

`layers` makes a perceptron's weights, `forward` runs it on arrays and on tensors alike, `train`
minimises a loss. A network of two layers over 128 numbers predicts in microseconds a query, so
nothing but the fitting needs torch.
"""

from __future__ import annotations

from itertools import islice, pairwise
from typing import TYPE_CHECKING

from composer.heavy import np, scipy, torch

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from numpy.typing import NDArray
    from torch import Tensor

    from composer.methods.estimators.values import Array, Floats

    Weights = dict[str, NDArray[np.float32]]
    Loss = Callable[[dict[str, Tensor], Tensor], Tensor]

_BATCH = 256


def layers(sizes: tuple[int, ...], rng: np.random.Generator) -> Weights:
    """Return the weights `w0`, `b0`, `w1`... of a perceptron; the last layer begins at 0."""
    weights: Weights = {}
    pairs = list(pairwise(sizes))
    for at, (wide, narrow) in enumerate(pairs):
        scale = np.sqrt(2 / wide) if at < len(pairs) - 1 else 0.0
        weights[f"w{at}"] = (rng.normal(size=(wide, narrow)) * scale).astype(np.float32)
        weights[f"b{at}"] = np.zeros(narrow, np.float32)
    return weights


def forward(weights: Mapping[str, Array], x: Array) -> Array:
    """Run a perceptron with rectified hidden layers on arrays [n, d] or on tensors."""
    last = sum(name.startswith("w") for name in weights) - 1
    for at in range(last + 1):
        x = x @ weights[f"w{at}"] + weights[f"b{at}"]
        x = x.clip(min=0) if at < last else x
    return x


def train(  # noqa: PLR0913 - what is trained, on how much, and how
    weights: Weights,
    loss: Loss,
    rows: int,
    *,
    seed: int,
    steps: int,
    rate: float = 3e-3,
    decay: float = 1.0,
    batch: int = _BATCH,
) -> Weights:
    """Minimise `loss(weights, rows of a batch)` by AdamW with a cosine schedule.

    Matrices decay at `decay` x `rate` a step, biases do not (decoupled decay, arXiv:1711.05101).
    The time is bounded by `steps`, however many rows there are. Their order comes from `seed`, so
    that the same data give the same weights.
    """
    rng = np.random.default_rng(seed)
    tensors = {name: torch.tensor(each, requires_grad=True) for name, each in weights.items()}
    groups = [
        {"params": [t for t in tensors.values() if t.ndim > 1], "weight_decay": decay},
        {"params": [t for t in tensors.values() if t.ndim <= 1], "weight_decay": 0.0},
    ]
    optimizer = torch.optim.AdamW([each for each in groups if each["params"]], lr=rate)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, steps)
    for some in islice(_batches(rows, rng, batch), steps):
        optimizer.zero_grad()
        torch.autograd.backward(loss(tensors, torch.from_numpy(some)))
        optimizer.step()
        schedule.step()
    return {name: each.detach().numpy() for name, each in tensors.items()}


def _batches(rows: int, rng: np.random.Generator, size: int) -> Iterator[NDArray[np.intp]]:
    """Give all rows in a random order, piece by piece, again and again."""
    while True:
        order = rng.permutation(rows)
        yield from (order[at : at + size] for at in range(0, max(rows, 1), size))


def softmax(scores: Floats, temperature: float = 1.0) -> Floats:
    """Return exp(z / t) divided by the sum of its row, computed in float64."""
    shares: Floats = scipy.special.softmax(scores.astype(float) / temperature, axis=1)
    return shares


def sigmoid(scores: Floats) -> Floats:
    """Return 1 / (1 + exp(-z)), computed in float64."""
    chances: Floats = scipy.special.expit(scores.astype(float))
    return chances
