"""What models take of devices: bytes of weights, of rows, of layers; seconds of a step."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from composer.checkpoints.splits import Split

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["CPU", "Demand", "Device", "Placement"]

CPU = "cpu"

BANDWIDTH = {True: 1e12, False: 2e10}
"""Bytes of weights that a GPU and a CPU read in a second, where no timings are saved. Only their
ratio matters, and that GPUs are alike."""


@dataclass(frozen=True, slots=True)
class Device:
    """A place for weights: its name as torch knows it, and its free bytes (None: not limited)."""

    name: str
    free: int | None = None

    @property
    def room(self) -> float:
        """Its free bytes as a number."""
        return float("inf") if self.free is None else self.free


@dataclass(frozen=True)
class Demand:
    """What one set of weights takes, and where it wants to go.

    `gpu` and `cpu` are the bytes of its weights there, `spare` those that rows take beside them.
    `layers` are the bytes of each layer; none, where it cannot be split. With `most`, it takes at
    most so many bytes of these devices, and nothing of others. `seconds` are those of a step by
    device, where they were measured.
    """

    name: str
    gpu: int
    cpu: int
    wanted: str = "auto"
    spare: int = 0
    layers: tuple[int, ...] = ()
    most: Mapping[str, int] = field(default_factory=dict)
    seconds: Mapping[str, float] = field(default_factory=dict)

    def weights(self, device: str) -> int:
        """The bytes of its weights on a device."""
        return self.cpu if device == CPU else self.gpu

    def need(self, device: str) -> int:
        """The bytes that it takes of a device."""
        return self.weights(device) + self.spare

    def time(self, device: str) -> float:
        """The seconds of a step."""
        guess = self.weights(device) / BANDWIDTH[device != CPU]
        return self.seconds.get(device, guess)

    def shares(self, place: str) -> dict[str, int]:
        """The bytes that it takes of each device of a place: one device, or a split."""
        split = Split.of(place)
        if split is None:
            return {place: self.need(place)}
        parts, taken = self.parts(split.first), dict[str, int]()
        ends = iter(zip(split.layers, parts[1:], strict=True))
        taken[split.first] = parts[0]
        for device, size in ends:
            taken[device] = taken.get(device, 0) + size
        return taken

    def parts(self, device: str) -> list[int]:
        """The bytes of what is no layer, then of each layer, with the rows of each."""
        stored, whole = sum(self.layers), self.weights(device)
        scale = whole / max(self.gpu, 1)
        rows = self.spare // max(len(self.layers), 1)
        return [int(scale * (self.gpu - stored)), *(int(scale * n) + rows for n in self.layers)]


@dataclass(frozen=True, slots=True)
class Placement:
    """Where a model goes, and why there, where that is not plain.

    `devices` are the bytes that it takes of each device. `timed` says that saved timings of its
    steps were weighed.
    """

    place: str
    devices: Mapping[str, int]
    why: str = ""
    timed: bool = False
