"""Models of one architecture and shape as one batched model: their weights are stacked.

Each tensor of the members becomes a part of one tensor [member, ...], so nothing is kept twice: a
member that is asked alone reads its part. The batched model is a copy of the first member's modules
over the stacked tensors. It reads [member, token], and each layer computes all members at once;
layers without weights, such as activations, are those of transformers.
"""

from __future__ import annotations

from copy import deepcopy
from functools import partial
from typing import TYPE_CHECKING

import torch
from torch.nn.functional import layer_norm

from composer.engine.rows.output_layer import head_of, project
from composer.engine.rows.weight_layout import joined, lies_by_columns
from composer.heavy import transformers

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from torch import Tensor, nn
    from transformers import PreTrainedModel

__all__ = ["NotStacked", "stacked_module"]

_OWN = frozenset({"_name_or_path", "transformers_version", "dtype", "torch_dtype"})
"""Settings in config.json that may differ: they do not say how the model computes."""

_LARGE = 12 << 20
"""Bytes of a member's weights up to which one batched product is faster than one a member."""


class NotStacked(Exception):  # no error: the members are read apart then
    """Why models cannot be one batched model."""


def stacked_module(modules: Sequence[PreTrainedModel]) -> PreTrainedModel:
    """Stack the weights of models, and return the batched model over them.

    It takes ids [member, token] and gives logits [member, token, vocabulary]. Raises NotStacked.
    """
    difference = next(_differences(modules), None)
    if difference is not None:
        raise NotStacked(difference)
    memo: dict[int, nn.Parameter] = {}
    tables = [dict(module.named_parameters()) for module in modules]
    for names in _joined_names(tables[0]):
        stacked = _stacked([[table[name] for name in names] for table in tables])
        memo |= {id(tables[0][name]): each for name, each in zip(names, stacked, strict=True)}
    batched: PreTrainedModel = deepcopy(modules[0], memo)
    head = head_of(modules[0])
    for single, layer in zip(modules[0].modules(), batched.modules(), strict=True):
        made = _forward_of(single, layer, is_head=single is head)
        if made is not None:
            layer.forward = made
    return batched


def _differences(modules: Sequence[PreTrainedModel]) -> Iterator[str]:
    """Yield why modules are not stacked."""
    first, *others = modules
    for other in others:
        if type(other) is not type(first):
            yield "they are of different architectures"
        if _settings(other) != _settings(first):
            yield "their configurations are different"
        if _tensors(other) != _tensors(first):
            yield "their weights have different shapes or types"
        if not all(map(torch.equal, first.buffers(), other.buffers())):
            yield "their tables beside the weights are different"
    for layer in first.modules():
        if _kind(layer) is None:
            yield f"it has layers of the kind {type(layer).__name__}"


def _settings(module: PreTrainedModel) -> dict[str, object]:
    facts: dict[str, object] = module.config.to_dict()
    return {name: value for name, value in facts.items() if name not in _OWN}


def _tensors(module: PreTrainedModel) -> list[tuple[object, ...]]:
    named = module.named_parameters()
    return [(name, type(each), each.shape, each.dtype, each.device) for name, each in named]


def _joined_names(table: Mapping[str, nn.Parameter]) -> Iterator[list[str]]:
    """Yield the names of tensors, those together that fill one matrix (`weight_layout.joined`)."""
    stored: dict[int, list[str]] = {}
    for name, each in table.items():
        stored.setdefault(each.untyped_storage().data_ptr(), []).append(name)
    for names in stored.values():
        parts = [table[name] for name in names]
        size = parts[0].untyped_storage().nbytes()
        fill = all(each.ndim == 2 for each in parts) and sum(each.nbytes for each in parts) == size  # noqa: PLR2004 - rows and columns
        yield from [names] if fill else ([name] for name in names)


def _stacked(members: Sequence[Sequence[nn.Parameter]]) -> list[nn.Parameter]:
    """Stack tensors of the members [member, ...]; each keeps its part, not its own.

    Several tensors of a member that are parts of one matrix are so afterwards, too.
    """
    first = members[0]
    with torch.inference_mode(mode=first[0].is_inference()), torch.no_grad():
        several = len(first) > 1
        data = [joined(parts) if several else parts[0].data for parts in members]
        by_columns = lies_by_columns(data[0])  # as it is read fastest (weight_layout.py)
        whole = torch.stack([each.t() for each in data]).mT if by_columns else torch.stack(data)
        tables = torch.split(whole, [len(each) for each in first], 1) if several else [whole]
        for parts, *own in zip(members, *tables, strict=True):
            for each, part in zip(parts, own, strict=True):
                each.data = part
        return [torch.nn.Parameter(each, requires_grad=False) for each in tables]


def _kind(layer: nn.Module) -> str | None:
    """How a layer with weights of its own is computed for all members; None for unknown kinds."""
    own = list(layer.parameters(recurse=False))
    if not own:
        return ""
    kinds = {
        torch.nn.Linear: "linear",
        transformers.pytorch_utils.Conv1D: "transposed",
        torch.nn.LayerNorm: "layer_norm",
    }
    if any(type(each) is not torch.nn.Parameter for each in own):  # quantized
        return None
    if isinstance(layer, torch.nn.Embedding):
        return "embedding"
    one_dimensional = all(each.ndim == 1 for each in own)
    return kinds.get(type(layer), "scaled" if one_dimensional else None)


def _forward_of(
    single: nn.Module, layer: nn.Module, *, is_head: bool
) -> Callable[[Tensor], Tensor] | None:
    """The function of a layer of the batched model, by a member's layer; None to leave it."""
    kind = _kind(single)
    if isinstance(layer, torch.nn.Linear) and _is_large(single):
        return partial(_one_by_one, list(_parts(layer)), _projected if is_head else _called)
    if kind in _WRAPPED:
        return _WRAPPED[kind](layer)
    plain: dict[str | None, Callable[..., Tensor]] = {
        "linear": _linear,
        "transposed": _transposed,
        "layer_norm": _layer_norm,
    }
    return partial(plain[kind], layer) if kind in plain else None


def _is_large(layer: nn.Module) -> bool:
    weight = layer.get_parameter("weight")
    return weight.device.type == "cpu" and weight.nbytes > _LARGE


def _called(layer: nn.Module, states: Tensor) -> Tensor:
    output: Tensor = layer(states)
    return output


def _projected(layer: nn.Module, states: Tensor) -> Tensor:
    assert isinstance(layer, torch.nn.Linear)
    return project(layer, states)


def _linear(layer: nn.Linear, states: Tensor) -> Tensor:
    return _product(states, layer.weight.mT, layer.bias)


def _transposed(layer: nn.Linear, states: Tensor) -> Tensor:
    return _product(states, layer.weight, layer.bias)


def _product(states: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
    """States [member, token, input] times weights [member, input, output], plus the bias."""
    if bias is None:
        return torch.bmm(states, weight)
    return torch.baddbmm(bias[:, None], states, weight)


def _one_by_one(
    parts: Sequence[nn.Module], call: Callable[[nn.Module, Tensor], Tensor], states: Tensor
) -> Tensor:
    """The members' own layers: tables, and weights for which a batched product is slower."""
    return torch.stack([call(part, each) for part, each in zip(parts, states, strict=True)])


def _parts(layer: nn.Module) -> Iterator[nn.Module]:
    """The layer of each member, whose tensors are parts of the stacked ones."""
    own = list(layer.parameters(recurse=False))
    for number in range(len(own[0])):
        parts = (torch.nn.Parameter(each[number], requires_grad=False) for each in own)
        yield deepcopy(layer, dict(zip(map(id, own), parts, strict=True)))


def _embedding(layer: nn.Module) -> Callable[[Tensor], Tensor]:
    """A layer that looks up ids [member, token], each in its member's table."""
    return partial(_one_by_one, list(_parts(layer)), _called)


def _layer_norm(layer: nn.LayerNorm, states: Tensor) -> Tensor:
    normed = layer_norm(states, list(layer.normalized_shape), eps=layer.eps)
    if layer.weight is None:
        return normed
    bias = 0 if layer.bias is None else layer.bias[:, None]
    return normed * layer.weight[:, None] + bias


def _scaled(layer: nn.Module) -> Callable[[Tensor], Tensor]:
    """A layer such as RMSNorm, whose vectors scale the states: they are given as [member, 1, size].

    States of several heads [member, token, head, size] become [member, token times head, size].
    """
    for name, vectors in list(layer.named_parameters(recurse=False)):
        setattr(layer, name, torch.nn.Parameter(vectors[:, None], requires_grad=False))
    own: Callable[[Tensor], Tensor] = layer.forward

    def forward(states: Tensor) -> Tensor:
        return own(states.flatten(1, -2)).view(states.shape)

    return forward


_WRAPPED = {"embedding": _embedding, "scaled": _scaled}
"""Kinds of layers that compute as ever, with tensors and inputs of other shapes."""
