"""At which tokens a fuse asks the members after its first. The arithmetic is the fusion core's."""

from typing import ClassVar

from pydantic import Field

from composer.methods.taught import TrainableTensorPart
from composer.specs.parts import Gate


class Unsure(Gate):
    """Open where the first member's likeliest token has a probability less than `below`."""

    name: ClassVar[str] = "unsure"
    paper: ClassVar[str] = "arXiv:2406.12585"
    where: ClassVar[str] = "composer.engine.gate:unsure"

    below: float = Field(default=0.5, gt=0, le=1)


class Critical(Gate, TrainableTensorPart):
    """Open where a classifier of the first member's distribution calls the token critical (CDS).

    There the likeliest token is taken; with `greedy = false` it is sampled as everywhere else.
    """

    name: ClassVar[str] = "critical"
    where: ClassVar[str] = "composer.engine.gate:critical"

    above: float = Field(default=0.5, gt=0, le=1)
    greedy: bool = True


class Routed(Gate, TrainableTensorPart):
    """Open where a network trusts the first member's token, by its hidden state, less than `below`.

    CITER: with `weights = [0, 1]` such a token is the second member's.
    """

    name: ClassVar[str] = "routed"
    paper: ClassVar[str] = "arXiv:2502.01976"
    where: ClassVar[str] = "composer.engine.gate:routed"
    hidden: ClassVar[bool] = True

    below: float = Field(default=0.95, gt=0, le=1)
