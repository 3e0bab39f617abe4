"""A model that fits no single device: its layers lie on several, and a pass goes from one to next.

The hidden states move where the device changes, and back to the first one after the last layer.
What all layers read, such as positions and masks, is copied to each device once a pass. So a model
in `n` parts makes `n` small transfers of hidden states a pass. Nothing waits for them on the host:
copies between devices are queued like all other work.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any

import torch

from composer.values.errors import ModelError

if TYPE_CHECKING:
    from collections.abc import Callable

    from torch import nn
    from transformers import PreTrainedModel

    from composer.checkpoints.splits import Split

__all__ = ["spread"]


def spread(module: PreTrainedModel, split: Split) -> None:
    """Move the layers of a model to their devices, and all else to the first of them.

    Raises ModelError (E601) for a model whose layers are not one list, or share one state.
    """
    layers = _layers(module)
    devices = [torch.device(device) for device in split.layers]
    first = torch.device(split.first)
    carried = _Carried()
    for layer, device in zip(layers, devices, strict=True):
        layer.to(device)
        layer.register_forward_pre_hook(partial(carried.enter, device), with_kwargs=True)
    module.apply(partial(_settle, set(_within(layers)), first))
    layers[-1].register_forward_hook(partial(carried.leave, first))


def _layers(module: PreTrainedModel) -> nn.ModuleList:
    count = module.config.get_text_config().num_hidden_layers
    found = [
        part
        for part in module.modules()
        if isinstance(part, torch.nn.ModuleList) and len(part) == count
    ]
    one_state = getattr(module, "_is_stateful", False)
    if len(found) != 1 or one_state or module.config.is_encoder_decoder:
        raise ModelError(
            "E601",
            f"the layers of a {type(module).__name__} cannot be put on several devices",
            "use a smaller `dtype`, or one device that has room for it",
        )
    return found[0]


def _within(layers: nn.ModuleList) -> list[nn.Module]:
    return [part for layer in layers for part in layer.modules()]


def _settle(layered: set[nn.Module], device: torch.device, part: nn.Module) -> None:
    """Move the weights of one module itself, unless it is in a layer."""
    if part not in layered:
        move = partial(_copied, device)
        part._apply(move, recurse=False)  # type: ignore[no-untyped-call]  # noqa: SLF001


@dataclass(eq=False)
class _Carried:
    """Tensors that were copied to other devices in this pass, each with what it was copied from."""

    copies: dict[tuple[int, torch.device], tuple[torch.Tensor, torch.Tensor]] = field(
        default_factory=dict
    )

    def enter(
        self, device: torch.device, _: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> tuple[tuple[Any, ...], dict[str, Any]]:
        """Bring what a layer reads to its device."""
        args, kwargs = self._moved((args, kwargs), device)
        return args, kwargs

    def leave(self, device: torch.device, _: nn.Module, __: tuple[Any, ...], output: Any) -> Any:  # noqa: ANN401
        """Bring what the last layer gives to the first device; the pass is over."""
        self.copies.clear()
        return _each(partial(_copied, device), output)

    def _moved(self, value: Any, device: torch.device) -> Any:  # noqa: ANN401 - arguments
        def moved(tensor: torch.Tensor) -> torch.Tensor:
            if tensor.device == device:
                return tensor
            key = id(tensor), device
            if key not in self.copies:
                self.copies[key] = tensor, _copied(device, tensor)
            return self.copies[key][1]

        return _each(moved, value)


def _copied(device: torch.device, tensor: torch.Tensor) -> torch.Tensor:
    """Copy a tensor; nothing is waited for, unless it is read on the host at once."""
    return tensor.to(device, non_blocking=device.type != "cpu")


def _each(change: Callable[[torch.Tensor], torch.Tensor], value: Any) -> Any:  # noqa: ANN401
    """Change all tensors in a value that may be nested; what else there is stays as it is."""
    if isinstance(value, torch.Tensor):
        return change(value)
    if isinstance(value, dict):
        return {name: _each(change, item) for name, item in value.items()}
    if type(value) in (tuple, list):
        return type(value)(_each(change, item) for item in value)
    return value
