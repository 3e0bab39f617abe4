"""Placement: which model goes to which device."""

from __future__ import annotations

from typing import TYPE_CHECKING

from composer.words import Diagnostic, Mistakes

if TYPE_CHECKING:
    from collections.abc import Mapping

    from composer.compiler.plan.devices import Device

ROOM = 1.2
"""Bytes that a model takes for each byte of its weights: caches and activations beside them."""


def place(
    sizes: Mapping[str, tuple[int | None, str]], devices: tuple[Device, ...]
) -> dict[str, str]:
    """Return the device of each model, from its size in bytes and the device it asks for.

    The largest go first, each to the device with most room left. Where all do not fit, they share
    the device with most memory and the least recently used is unloaded; one that fits nowhere
    alone is a mistake (E601), and so is a device that is not there (E602).
    """
    free = {device.name: device.free for device in devices}
    largest_first = sorted(sizes, key=lambda name: -(sizes[name][0] or 0))
    return {name: _place(name, *sizes[name], free, devices) for name in largest_first}


def _place(
    name: str,
    size: int | None,
    wanted: str,
    free: dict[str, int | None],
    devices: tuple[Device, ...],
) -> str:
    if wanted == "cpu":
        return "cpu"
    if wanted != "auto":
        return _named(name, wanted, devices)
    need = int((size or 0) * ROOM)
    roomiest = max(free, key=lambda each: _room(free[each]))
    if _room(free[roomiest]) >= need:
        left = free[roomiest]
        free[roomiest] = None if left is None else left - need
        return roomiest
    largest = max(devices, key=lambda device: _room(device.free))
    if _room(largest.free) < need:
        raise Mistakes([_too_large(name, need, largest)])
    return largest.name


def _room(free: int | None) -> float:
    return float("inf") if free is None else free


def _named(name: str, wanted: str, devices: tuple[Device, ...]) -> str:
    known = [device.name for device in devices]
    full = f"{wanted}:0" if wanted == "cuda" else wanted
    if full not in known:
        text = f"`{name}` asks for the device `{wanted}`, which is not here"
        help_ = f"devices: {', '.join(dict.fromkeys([*known, 'cpu']))}"
        raise Mistakes([Diagnostic("E602", text, help=help_)])
    return full


def _too_large(name: str, need: int, largest: Device) -> Diagnostic:
    return Diagnostic(
        "E601",
        f"`{name}` needs {need / 2**30:.1f} GiB, more than any device has",
        help=f"the largest, {largest.name}, has {(largest.free or 0) / 2**30:.1f} GiB free; "
        "use a smaller `dtype`, or `device = cpu`",
    )
