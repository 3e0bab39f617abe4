"""At which tokens a fuse asks the members after its first. The arithmetic is the fusion core's."""

from typing import ClassVar

from pydantic import Field

from composer.parts.tensor import Tensorial
from composer.ports import Typed


class Gate(Typed, Tensorial):
    """When the members after the first are asked; else the first one's own token stands."""


class Unsure(Gate):
    """Where the first member's likeliest token has less than the probability `below`."""

    name: ClassVar[str] = "unsure"
    paper: ClassVar[str] = "arXiv:2406.12585"
    where: ClassVar[str] = "composer.fusion.gate:unsure"

    below: float = Field(default=0.5, gt=0, le=1)
