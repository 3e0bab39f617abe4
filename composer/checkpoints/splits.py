"""Layers of one model on several devices, as a plan spells them: `cuda:0*20+cuda:1*12`."""

from __future__ import annotations

import re
from dataclasses import dataclass
from itertools import accumulate

__all__ = ["Split"]

_PART = re.compile(r"(cpu|[a-z]+:\d+)\*(\d+)")


@dataclass(frozen=True)
class Split:
    """How many layers, in their order, lie on each device.

    The first device also has all that is no layer: embeddings, the last norm and the output layer.
    """

    parts: tuple[tuple[str, int], ...]

    @classmethod
    def of(cls, device: str) -> Split | None:
        """Read how a plan spells it; None for a device alone."""
        found = [_PART.fullmatch(part) for part in device.split("+")]
        pairs = tuple((each[1], int(each[2])) for each in found if each)
        return cls(pairs) if len(pairs) == len(found) else None

    @property
    def first(self) -> str:
        """The device that a pass begins and ends on."""
        return self.parts[0][0]

    @property
    def layers(self) -> list[str]:
        """The device of each layer."""
        return [device for device, count in self.parts for _ in range(count)]

    def device_of(self, name: str) -> str:
        """Return the device of a tensor inside a layer, whose number stands in its name."""
        number = next((int(part) for part in name.split(".") if part.isdecimal()), None)
        return self.first if number is None else self.layers[number]

    def __str__(self) -> str:
        return "+".join(f"{device}*{count}" for device, count in self.parts)

    def told(self) -> str:
        """Say it in words: `layers 0 to 19 on cuda:0, 20 to 31 on cuda:1`."""
        ends = list(accumulate(count for _, count in self.parts))
        spans = [
            (device, end - count, end - 1)
            for (device, count), end in zip(self.parts, ends, strict=True)
        ]
        return "layers " + ", ".join(
            f"{first} on {device}" if first == last else f"{first} to {last} on {device}"
            for device, first, last in spans
        )
