"""What the engine asks of the parts of a fuse: how they are made for its members and called."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol, cast

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import torch

    from composer.engine.distribution import Aligned, Distributions, MemberWeight
    from composer.engine.space import Map, Space
    from composer.engine.weights.local import LocalModel
    from composer.specs.parts import Align

__all__ = ["Alignment", "Member", "Weigh", "opened"]


@dataclass(frozen=True, eq=False)
class Member:
    """A member as parts see it; `model` is None where the member is itself a fuse."""

    name: str
    space: Space
    model: LocalModel | None


class Alignment(Protocol):
    """A space for a fuse, made once for its members.

    `maps` says how members are fed: which of a member's entries writes an entry of the space, and
    what its own entries mean there; None where ids mean the same in all members. The maps go by
    bytes, whatever the distributions do. `leads` says that the first member is asked even where
    its weight is 0, because the others are brought into its space. `apart` says that what one
    member says changes how others are lined up, or that it has a way of its own when alone: then
    only rows that ask the same members are lined up together.
    """

    space: Space
    maps: tuple[Map, ...] | None
    leads: bool
    apart: bool

    def align(self, heard: Mapping[int, Distributions]) -> Aligned:
        """Bring what some members said, by their place, over the same columns."""


def opened(align: Align, sides: Sequence[Member], device: torch.device) -> Alignment:
    """Make the tables of a way to align; raises ModelError if these members cannot be aligned."""
    return cast("Alignment", align.load()(sides, device))


class Weigh(Protocol):
    """New weights for the members that are heard."""

    def __call__(self, lined: Aligned, shares: Sequence[MemberWeight]) -> list[MemberWeight]:
        """Multiply weights by what the distributions themselves say."""
