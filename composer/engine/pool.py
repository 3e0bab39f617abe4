"""Which models are in memory, and where: the least recently used idle one makes room."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import torch

from composer.engine.rows.runner import Runner
from composer.engine.weights.local import load
from composer.quiet import quiet
from composer.values.errors import ModelError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from composer.engine.weights.local import LocalModel
    from composer.specs.models import Checkpoint

__all__ = ["ModelPool", "PoolFull", "devices", "weight_bytes"]

Shared = tuple[str, str, str]

_BYTES = {"float32": 4, "float16": 2, "bfloat16": 2}
_HEADROOM = 0.9  # the rest is for rows and for what a forward pass needs in between


_FORKED: list[int] = []
"""Processes that were forked off after torch was imported: this one, if it is there."""

os.register_at_fork(after_in_child=lambda: _FORKED.append(os.getpid()))


class PoolFull(Exception):
    """A model does not fit now, but will when a busy one is idle."""


class ModelPool:
    """Runners by weights, within a number of bytes a device."""

    def __init__(
        self,
        room: Mapping[str, int] | None = None,
        loader: Callable[[Checkpoint, str], LocalModel] = load,
    ) -> None:
        if _FORKED:  # or the threads of OpenMP, which stayed behind, would be waited for
            torch.set_num_threads(1)
        self._room = dict(devices() if room is None else room)
        self._loader = loader
        self._held: dict[Shared, tuple[str, int, Runner]] = {}

    def get(self, models: Iterable[Checkpoint]) -> list[Runner]:
        """Runners in memory together, loaded if need be; raises PoolFull or ModelError."""
        wanted = list(models)
        pinned = {model.weights.shared for model in wanted}
        return [self._get(model, pinned) for model in wanted]

    def runners(self) -> list[Runner]:
        """All runners in memory, least recently used first."""
        return [runner for _, _, runner in self._held.values()]

    def _get(self, model: Checkpoint, pinned: set[Shared]) -> Runner:
        found = self._held.pop(model.weights.shared, None)
        if found is None:
            found = self._load(model, pinned)
        self._held[model.weights.shared] = found  # the last in order is the last used
        return found[2]

    def _load(self, model: Checkpoint, pinned: set[Shared]) -> tuple[str, int, Runner]:
        options = self._devices(model)
        size = {device: weight_bytes(model, device) for device in options}
        device = self._place(model, size, pinned)
        with quiet():
            runner = Runner(self._loader(model, device))
        return device, size[device], runner

    def _devices(self, model: Checkpoint) -> list[str]:
        """Where the model may go; the emptiest first."""
        if model.weights.device == "auto":
            return sorted(self._room, key=lambda device: (device == "cpu", -self._free(device)))
        device = "cuda:0" if model.weights.device == "cuda" else model.weights.device
        if device not in self._room:
            raise ModelError(
                "E602",
                f"{model.name} asks for the device {device}, which this machine does not have",
                f"use one of: {', '.join(self._room)}",
            )
        return [device]

    def _place(self, model: Checkpoint, size: Mapping[str, int], pinned: set[Shared]) -> str:
        for device, need in size.items():
            if need <= self._free(device):
                return device
        for device, need in size.items():
            if self._make_room(device, need, pinned):
                return device
        if any(need <= self._room[device] for device, need in size.items()):
            raise PoolFull
        device, need = next(iter(size.items()))
        raise ModelError(
            "E601",
            f"{model.name} needs {_size(need)}, but {device} has only {_size(self._room[device])}",
            "use a smaller `dtype`, or another device",
        )

    def _make_room(self, device: str, need: int, pinned: set[Shared]) -> bool:
        """Unload idle models of a device, longest unused first, if that is enough."""
        idle = [
            key
            for key, (where, _, runner) in self._held.items()
            if where == device and runner.idle and key not in pinned
        ]
        if need > self._free(device) + sum(self._held[key][1] for key in idle):
            return False
        for key in idle:
            if need <= self._free(device):
                break
            del self._held[key]
        if device.startswith("cuda"):
            torch.cuda.empty_cache()
        return True

    def _free(self, device: str) -> int:
        held = sum(size for where, size, _ in self._held.values() if where == device)
        return self._room[device] - held


def devices() -> dict[str, int]:
    """Devices of this machine, and the bytes that models may take there."""
    found = {
        f"cuda:{n}": int(_HEADROOM * torch.cuda.mem_get_info(n)[0])
        for n in range(torch.cuda.device_count())
    }
    return {**found, "cpu": int(_HEADROOM * _memory())}


def weight_bytes(model: Checkpoint, device: str) -> int:
    """What the weights take in memory, by the headers of files; 0 if these are not here."""
    want = model.weights.dtype
    if want == "auto":
        want = "float32" if device == "cpu" else "stored"
    tensors = model.tensors.values()
    if want in _BYTES:
        return _BYTES[want] * sum(each.count for each in tensors)
    return sum(each.bytes for each in tensors)


def _memory() -> int:
    """Bytes of memory, by what the system says."""
    if hasattr(os, "sysconf") and "SC_PHYS_PAGES" in os.sysconf_names:
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    return 1 << 34


def _size(count: int) -> str:
    return f"{count / 1e9:.2f} GB"
