"""Whether models descend from one ancestor, by a small sample of their weights.

What training adds to a weight is small beside the weight: models tuned from one base point almost
the same way, models trained from two random starts at right angles. Only a few pages of the files
are read, and torch is not imported.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from composer.heavy import np

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from composer.specs.headers import TensorHeader

__all__ = ["STRANGERS", "cosine"]

STRANGERS = 0.5
"""The cosine below which models are taken for strangers: tunes have 0.96 and more with their base
and with each other, also after long training; models from two random starts have less than 0.02."""

TENSORS, PIECES, NUMBERS = 8, 4, 1024
"""From how many tensors, at how many places and how many numbers a sample is read."""

TYPES = {"F64": "<f8", "F32": "<f4", "F16": "<f2", "BF16": "<u2"}


def cosine(first: Mapping[str, TensorHeader], second: Mapping[str, TensorHeader]) -> float | None:
    """Return the cosine of the weights of two models, the mean of a few matrices of both.

    A matrix counts as much as another. None where there is no matrix to compare.
    """
    names = _names(first, second)
    cosines = [_cosine(_sample(first[name]), _sample(second[name])) for name in names]
    known = [each for each in cosines if math.isfinite(each)]
    return sum(known) / len(known) if known else None


def _names(first: Mapping[str, TensorHeader], second: Mapping[str, TensorHeader]) -> list[str]:
    """Return the matrices of both, some of them from the first layer to the last."""
    names = [
        name
        for name, each in first.items()
        if len(each.shape) > 1
        and name in second
        and second[name].shape == each.shape
        and {each.dtype, second[name].dtype} <= TYPES.keys()
    ]
    step = max(1, len(names) // TENSORS)
    return names[::step][:TENSORS]


def _sample(header: TensorHeader) -> NDArray[Any]:
    """Read some numbers of a tensor in float64, at even distances."""
    assert header.file is not None
    size = header.bytes // max(header.count, 1)
    step = max(NUMBERS, header.count // PIECES)
    pieces = []
    with header.file.open("rb") as stream:
        for start in range(0, header.count, step):
            stream.seek(header.begin + start * size)
            count = min(NUMBERS, header.count - start)
            pieces.append(np.frombuffer(stream.read(count * size), TYPES[header.dtype]))
    numbers = np.concatenate(pieces)
    if header.dtype == "BF16":
        numbers = (numbers.astype("<u4") << 16).view("<f4")
    return numbers.astype("f8")


def _cosine(first: NDArray[Any], second: NDArray[Any]) -> float:
    lengths = np.linalg.norm(first) * np.linalg.norm(second)
    return float(first @ second / lengths) if lengths > 0 else math.nan
