"""Placement: which devices there are, and which model goes to which.

Devices are found without torch, so that a plan is quick.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cache
from typing import TYPE_CHECKING

from composer.diagnostics import Diagnostic, Mistakes
from composer.diagnostics.machine import ask_driver

if TYPE_CHECKING:
    from collections.abc import Mapping

    from composer.diagnostics import Place

ROOM = 1.2
"""Bytes that a model takes for each byte of its weights: caches and activations beside them."""


@dataclass(frozen=True, slots=True)
class Device:
    """A place for weights: its name as torch knows it, and its free bytes (None: not limited)."""

    name: str
    free: int | None = None


@cache
def devices() -> tuple[Device, ...]:
    """Return the GPUs with their free memory, else the CPU."""
    gpus = tuple(Device(f"cuda:{index}", free) for index, free in _gpus())
    return gpus or (Device("cpu"),)


def _gpus() -> list[tuple[int, int]]:
    """Ask the driver for the GPUs and their free MiB."""
    rows = [line.split(",") for line in ask_driver("index,memory.free") if "," in line]
    return [(int(index), int(free) << 20) for index, free in rows if free.strip().isdigit()]


def place_models(
    sizes: Mapping[str, tuple[int | None, str]],
    devices: tuple[Device, ...],
    places: Mapping[str, Place] | None = None,
) -> dict[str, str]:
    """Return the device of each model, from its size in bytes and the device it asks for.

    Those that ask for one go first, then the largest, each to the device with most room left.
    Where all do not fit, they share the device with most memory and the least recently used is
    unloaded; one that fits nowhere alone is a mistake (E601), and so is a device that is not there
    (E602). `places` says where each model was declared.
    """
    free = {device.name: device.free for device in devices}
    order = sorted(sizes, key=lambda name: (sizes[name][1] == "auto", -(sizes[name][0] or 0)))
    placement: dict[str, str] = {}
    mistakes: list[Diagnostic] = []
    for name in order:
        device = _place(name, *sizes[name], free, devices)
        if isinstance(device, str):
            placement[name] = device
        else:
            at = (places or {}).get(name)
            mistakes.append(replace(device, place=at, label="declared here" if at else ""))
    if mistakes:
        raise Mistakes(mistakes)
    return placement


def _place(
    name: str,
    size: int | None,
    device_name: str,
    free: dict[str, int | None],
    devices: tuple[Device, ...],
) -> str | Diagnostic:
    if device_name == "cpu":
        return "cpu"
    full = "cuda:0" if device_name == "cuda" else device_name
    allowed = [device for device in devices if device_name == "auto" or device.name == full]
    if not allowed:
        return _absent(name, device_name, devices)
    need = int((size or 0) * ROOM)
    largest = max(allowed, key=lambda device: _room(device.free))
    if _room(largest.free) < need:
        return _too_large(name, need, largest)
    roomiest = max((device.name for device in allowed), key=lambda each: _room(free[each]))
    chosen = roomiest if _room(free[roomiest]) >= need else largest.name
    remaining = free[chosen]
    free[chosen] = None if remaining is None else max(remaining - need, 0)
    return chosen


def _room(free: int | None) -> float:
    return float("inf") if free is None else free


def _absent(name: str, device_name: str, devices: tuple[Device, ...]) -> Diagnostic:
    names = dict.fromkeys([*(device.name for device in devices), "cpu"])
    text = f"`{name}` asks for the device `{device_name}`, which this machine does not have"
    return Diagnostic("E602", text, help=f"use one of: {', '.join(names)}, or `device = auto`")


def _too_large(name: str, need: int, largest: Device) -> Diagnostic:
    return Diagnostic(
        "E601",
        f"`{name}` needs {need / 2**30:.1f} GiB, more than any device has free",
        help=f"{largest.name} has {(largest.free or 0) / 2**30:.1f} GiB free; "
        "use a smaller `dtype`, or `device = cpu`",
    )
