"""Placement: which devices there are, and which model goes to which.

Devices are found without torch, so that a plan is quick.
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, cast

from composer.checkpoints.demands import CPU, Demand, Device, Placement
from composer.checkpoints.layers import layer_bytes, token_bytes
from composer.checkpoints.placement import place
from composer.checkpoints.quantize import bytes_in_memory
from composer.compiler.graph.capabilities import card_of, checkpoint_of
from composer.compiler.graph.pooling import cluster_option
from composer.compiler.plan.sharing import group_bytes
from composer.diagnostics import Diagnostic, Mistakes
from composer.diagnostics.amounts import bytes_of
from composer.diagnostics.machine import ask_driver, main_memory
from composer.specs.shapes import shape_of
from composer.values.capability import Capability
from composer.values.errors import ModelError
from composer.values.timings import read_timings

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from composer.compiler.graph import Graph, Node
    from composer.diagnostics import Place
    from composer.specs import Checkpoint

__all__ = ["ROOM", "Device", "Placement", "demand_of", "devices", "place_models"]

ROOM = 1.2
"""Bytes that a model takes for each byte of its weights: caches and activations beside them."""


ROW_TOKENS = 4096
"""Room for one row of so many tokens is kept beside the weights, if the model reads so many."""


@cache
def devices() -> tuple[Device, ...]:
    """Return the GPUs with their free memory and the CPU with its own; or the CPU without a limit.

    Where there is only a CPU, there is nothing to choose, and the engine says what does not fit.
    """
    gpus = tuple(Device(f"cuda:{index}", free) for index, free in _gpus())
    return (*gpus, Device(CPU, main_memory())) if gpus else (Device(CPU),)


def _gpus() -> list[tuple[int, int]]:
    """Ask the driver for the GPUs and their free MiB."""
    rows = [line.split(",") for line in ask_driver("index,memory.free") if "," in line]
    return [(int(index), int(free) << 20) for index, free in rows if free.strip().isdigit()]


def place_models(
    demands: Sequence[Demand],
    devices: tuple[Device, ...],
    together: Iterable[frozenset[str]] = (),
    places: Mapping[str, Place] | None = None,
) -> dict[str, Placement]:
    """Return where each model goes (see `place`); raises Mistakes for those that go nowhere.

    `together` are the names of models that are asked at the same time. `places` says where each
    model was declared.
    """
    found = place(demands, devices, together)
    mistakes = [
        _mistake(each, (places or {}).get(name))
        for name, each in found.items()
        if isinstance(each, ModelError)
    ]
    if mistakes:
        raise Mistakes(mistakes)
    return {name: each for name, each in found.items() if isinstance(each, Placement)}


def _mistake(error: ModelError, at: Place | None) -> Diagnostic:
    label = "declared here" if at else ""
    return Diagnostic(error.code, error.message, help=error.help, place=at, label=label)


def demand_of(graph: Graph, name: str, group: Sequence[Node], devices: Sequence[Device]) -> Demand:
    """Return what models take that share their weights, by light files alone."""
    node, size = group[0], group_bytes(graph, group)
    model, card = checkpoint_of(node), card_of(graph, node)
    rows = 0 if model.folder is None else token_bytes(model.folder)
    rows *= min(card.context or ROW_TOKENS, ROW_TOKENS)
    return Demand(
        name,
        gpu=size,
        cpu=size + _widening(model),
        wanted=getattr(node.declaration, "device", "") or node.get("device"),
        spare=max(int(size * (ROOM - 1)), rows),
        most=_limits(node),
        layers=_layers(model, size) if Capability.CROP in card.capabilities else (),
        seconds=dict(_seconds(model, devices)),
    )


def _widening(model: Checkpoint) -> int:
    """Return how many bytes more the weights take on a CPU, where the usual numbers are float32."""
    if not model.in_engine or model.weights.dtype != "auto":
        return 0
    quantize, folder = model.weights.quantize, model.folder
    stored, wide = (
        bytes_in_memory(model.tensors, dtype, quantize, folder) for dtype in ("auto", "float32")
    )
    return wide - stored


def _limits(node: Node) -> dict[str, int]:
    """Return how many bytes of each device a model may take; empty without limits."""
    given = cast("tuple[tuple[str, str], ...]", cluster_option(node, "max_memory") or ())
    return {device: bytes_of(size) or 0 for device, size in given}


def _layers(model: Checkpoint, size: int) -> tuple[int, ...]:
    """Return the bytes of each layer in memory; those in files may be in other numbers."""
    stored = sum(each.bytes for each in model.tensors.values())
    return tuple(n * size // stored for n in layer_bytes(model.tensors))


def _seconds(model: Checkpoint, devices: Sequence[Device]) -> Iterable[tuple[str, float]]:
    """Yield the seconds of a step that were saved, by device, where there are several."""
    timings = read_timings().timings if len(devices) > 1 else None
    for device in devices if timings is not None else ():
        shape = shape_of(model, device.name)
        saved = timings.of(shape, device.name) if timings and shape else None
        if saved is not None and 1 in saved.decode:
            yield device.name, saved.decode[1]
