"""How weights follow from what members say at a token. The arithmetic is the fusion core's."""

from typing import ClassVar

from pydantic import Field

from composer.parts.tensor import Tensorial
from composer.ports import Typed


class Weigh(Typed, Tensorial):
    """How the members' weights change from token to token."""


class Entropy(Weigh):
    """Who is surer weighs more: w_m / H(p_m)^power, H the entropy in nats."""

    name: ClassVar[str] = "entropy"
    where: ClassVar[str] = "composer.fusion.weigh:entropy"

    power: float = Field(default=1.0, ge=0)
