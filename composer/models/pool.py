"""Which models are in memory, and where: the least recently used idle one makes room."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import torch

from composer.models.checkpoint import ModelError
from composer.models.headers import size_of
from composer.models.local import load
from composer.models.runner import Runner

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from composer.models.checkpoint import Checkpoint
    from composer.models.local import LocalModel

__all__ = ["Full", "Pool", "devices", "weight_bytes"]

Weights = tuple[str, str, str]

_BYTES = {"float32": 4, "float16": 2, "bfloat16": 2}
_HEADROOM = 0.9  # the rest is for rows and for what a forward pass needs in between


class Full(Exception):  # noqa: N818  # not a mistake: the job waits
    """A model does not fit now, but will when a busy one is idle."""


class Pool:
    """Runners by weights, within a number of bytes a device."""

    def __init__(
        self,
        room: Mapping[str, int] | None = None,
        loader: Callable[[Checkpoint, str], LocalModel] = load,
    ) -> None:
        self._room = dict(devices() if room is None else room)
        self._loader = loader
        self._held: dict[Weights, tuple[str, int, Runner]] = {}

    def get(self, checkpoints: Iterable[Checkpoint]) -> list[Runner]:
        """Runners that are in memory together, loaded if need be; raises Full, or ModelError."""
        wanted = list(checkpoints)
        pinned = {checkpoint.weights for checkpoint in wanted}
        return [self._get(checkpoint, pinned) for checkpoint in wanted]

    def runners(self) -> list[Runner]:
        """All runners in memory, least recently used first."""
        return [runner for _, _, runner in self._held.values()]

    def _get(self, checkpoint: Checkpoint, pinned: set[Weights]) -> Runner:
        found = self._held.pop(checkpoint.weights, None)
        if found is None:
            found = self._load(checkpoint, pinned)
        self._held[checkpoint.weights] = found  # the last in order is the last used
        return found[2]

    def _load(self, checkpoint: Checkpoint, pinned: set[Weights]) -> tuple[str, int, Runner]:
        options = self._devices(checkpoint)
        size = {device: weight_bytes(checkpoint, device) for device in options}
        device = self._place(checkpoint, size, pinned)
        runner = Runner(self._loader(checkpoint, device))
        return device, size[device], runner

    def _devices(self, checkpoint: Checkpoint) -> list[str]:
        """Where the model may go; the emptiest first."""
        if checkpoint.device == "auto":
            return sorted(self._room, key=lambda device: (device == "cpu", -self._free(device)))
        device = "cuda:0" if checkpoint.device == "cuda" else checkpoint.device
        if device not in self._room:
            raise ModelError(
                "E602",
                f"{checkpoint.name} is to run on {device}, which this machine does not have",
                f"it has: {', '.join(self._room)}",
            )
        return [device]

    def _place(self, checkpoint: Checkpoint, size: Mapping[str, int], pinned: set[Weights]) -> str:
        for device, need in size.items():
            if need <= self._free(device):
                return device
        for device, need in size.items():
            if self._make_room(device, need, pinned):
                return device
        if any(need <= self._room[device] for device, need in size.items()):
            raise Full
        device, need = next(iter(size.items()))
        raise ModelError(
            "E601",
            f"{checkpoint.name} needs {_size(need)}, {device} has {_size(self._room[device])}",
            "use a smaller dtype, or another device",
        )

    def _make_room(self, device: str, need: int, pinned: set[Weights]) -> bool:
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


def weight_bytes(checkpoint: Checkpoint, device: str) -> int:
    """What the weights take in memory, by the headers of their files; 0 if they are not here."""
    want = checkpoint.dtype
    if want == "auto":
        want = "float32" if device == "cpu" else "stored"
    if not checkpoint.local:
        return 0
    count, stored = size_of(Path(checkpoint.folder))
    return count * _BYTES[want] if want in _BYTES else stored


def _memory() -> int:
    """Bytes of memory, by what the system says."""
    import os

    if hasattr(os, "sysconf") and "SC_PHYS_PAGES" in os.sysconf_names:
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    return 1 << 34


def _size(count: int) -> str:
    return f"{count / 1e9:.2f} GB"
