"""Merging checkpoints: what each tensor of a merge is made of."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import torch

from composer.engine.weights.tensors import FLOATS
from composer.engine.weights.writing import Construction
from composer.specs.derived import recast
from composer.specs.merges import BLOCK, of_rows
from composer.specs.parts import tensor_places
from composer.specs.shared_tokens import BY_TOKEN
from composer.values.errors import ModelError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from torch import Tensor

    from composer.engine.weights.tensors import Tensors
    from composer.specs import Merge
    from composer.specs.headers import TensorHeader
    from composer.specs.parts import Edit, TensorPlace
    from composer.specs.shared_tokens import SharedTokens

__all__ = ["construct_merge"]


def construct_merge(model: Merge, donors: Sequence[Tensors]) -> Construction:
    """Return the checkpoint that a merge of open donors is."""
    shared = model.shared([donor.folder for donor in donors], [donor.headers for donor in donors])
    headers = recast(donors[0].headers, model.dtype)
    if shared is not None:
        headers = of_rows(headers, shared.size)
    places = tensor_places(headers)

    def read(name: str, start: int = 0, stop: int | None = None) -> list[Tensor]:
        if shared is None or not BY_TOKEN.search(name):
            return [donor.read(name, start, stop) for donor in donors]
        return _by_token(shared, _numbers([donor.read(name) for donor in donors]))

    edit = model.searched_edit.surveyed(_survey(places, read))

    def make(name: str) -> Iterator[Tensor]:
        whole = not edit.elementwise or (shared is not None and bool(BY_TOKEN.search(name)))
        for start, stop in _blocks(headers[name], whole=whole):
            yield _merged(model, edit, places[name], read(name, start, stop))

    changed = None if shared is None else shared.content
    texts = {} if changed is None else {"tokenizer.json": json.dumps(changed, ensure_ascii=False)}
    config = {} if changed is None or shared is None else {"vocab_size": shared.size}
    return Construction(donors[0].folder, headers, make, config, texts=texts)


def _by_token(shared: SharedTokens, tensors: Sequence[Tensor]) -> list[Tensor]:
    """Return tensors with a row for each token of a shared vocabulary.

    A model that lacks a token gets the vector of the first model that has it; rows of no token are
    the first model's.
    """
    made = []
    for rows in shared.rows:
        spare = ((0, min(row, len(tensors[0]) - 1)) for row in range(shared.size))
        places = torch.tensor([rows.get(row, default) for row, default in enumerate(spare)])
        own = torch.empty(shared.size, *tensors[0].shape[1:], dtype=tensors[0].dtype)
        for owner, tensor in enumerate(tensors):
            mask = places[:, 0] == owner
            own[mask] = tensor[places[mask, 1]]
        made.append(own)
    return made


def _survey(
    places: Mapping[str, TensorPlace], read: Callable[[str], Sequence[Tensor]]
) -> Iterator[tuple[TensorPlace, Sequence[Tensor]]]:
    """Yield the tensors of all members, for an edit that looks at them before it merges."""
    for name, place in places.items():
        numbers = _numbers(read(name))
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
