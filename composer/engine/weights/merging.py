"""Merging checkpoints: what each tensor of a merge is made of."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from composer.engine.weights.tensors import FLOATS
from composer.engine.weights.writing import Construction
from composer.specs.derived import recast
from composer.specs.merges import BLOCK
from composer.specs.parts import tensor_places
from composer.values.errors import ModelError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from torch import Tensor

    from composer.engine.weights.tensors import Tensors
    from composer.specs import Merge
    from composer.specs.headers import TensorHeader
    from composer.specs.parts import Edit, TensorPlace

__all__ = ["merging"]


def merging(model: Merge, donors: Sequence[Tensors]) -> Construction:
    """Return the checkpoint that a merge of open donors is."""
    headers = recast(donors[0].headers, model.dtype)
    places = tensor_places(headers)
    edit = model.searched_edit.surveyed(_survey(places, donors))

    def make(name: str) -> Iterator[Tensor]:
        for start, stop in _blocks(headers[name], whole=not edit.elementwise):
            tensors = [donor.read(name, start, stop) for donor in donors]
            yield _merged(model, edit, places[name], tensors)

    return Construction(donors[0].folder, headers, make)


def _survey(
    places: Mapping[str, TensorPlace], donors: Sequence[Tensors]
) -> Iterator[tuple[TensorPlace, Sequence[Tensor]]]:
    """Yield the tensors of all members, for an edit that looks at them before it merges."""
    for name, place in places.items():
        numbers = _numbers([donor.read(name) for donor in donors])
        if numbers:
            yield place, numbers


def _blocks(header: TensorHeader, *, whole: bool) -> Iterator[tuple[int, int | None]]:
    """Yield the rows from where up to where a tensor is merged at once."""
    rows = header.shape[0] if header.shape else 1
    step = rows if whole else max(1, BLOCK * rows // max(header.count, 1))
    if step >= rows:
        yield 0, None
        return
    yield from ((start, start + step) for start in range(0, rows, step))


def _merged(model: Merge, edit: Edit, place: TensorPlace, tensors: list[Tensor]) -> Tensor:
    """Return what tensors of one name become; what is not a number type of weights is kept."""
    numbers = _numbers(tensors)
    if numbers:
        return edit.merged(numbers, model.coefficients_at(place), place)
    first, *others = tensors
    if all(torch.equal(first, tensor) for tensor in others):
        return first
    text = f"{model.name}: `{place.name}` is {first.dtype} and differs between the members"
    raise ModelError("E505", text, "merge models whose weights are floating-point numbers")


def _numbers(tensors: Sequence[Tensor]) -> list[Tensor]:
    """Return tensors in float32, or float64 if one is; none where not all are weights."""
    kinds = {tensor.dtype for tensor in tensors}
    if not kinds <= {*FLOATS.values()}:
        return []
    return [
        tensor.to(torch.float64 if torch.float64 in kinds else torch.float32) for tensor in tensors
    ]
