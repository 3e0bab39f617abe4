"""How a token fuse lines up the vocabularies of its members. The tables are the fusion core's."""

from typing import ClassVar

from composer.parts.tensor import Tensorial
from composer.ports import Typed


class Align(Typed, Tensorial):
    """How next-token distributions over different vocabularies are brought together.

    `vanishes` says that over one vocabulary it changes nothing.
    """

    vanishes: ClassVar[bool] = False


class Shared(Align):
    """The members' tokenizers are the same: nothing is aligned."""

    name: ClassVar[str] = "shared"
    where: ClassVar[str] = "composer.fusion.align.shared:shared"


class Union(Align):
    """Every member's distribution is written over the union of the vocabularies."""

    name: ClassVar[str] = "union"
    paper: ClassVar[str] = "arXiv:2406.12585"
    where: ClassVar[str] = "composer.fusion.align.union:union"
    vanishes: ClassVar[bool] = True
