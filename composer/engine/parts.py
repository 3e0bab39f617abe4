"""The kinds of parts that fuse distributions, and the methods that the engine calls on them.

A part is a frozen value with options. A new way is a subclass in `composer/methods`, one a file.
"""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Protocol, Self

from composer.values.capability import Capability
from composer.values.typed import Typed

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import torch
    from torch import Tensor

    from composer.engine.distribution import Aligned, Distributions, MemberWeight
    from composer.engine.space import Map, Space
    from composer.engine.weights.tokens import TokenModel

__all__ = ["Align", "Alignment", "Combine", "Gate", "Member", "Weigh"]


@dataclass(frozen=True, eq=False)
class Member:
    """A member as parts see it; `model` is None where the member is itself a fuse."""

    name: str
    space: Space
    model: TokenModel | None


class Alignment(Protocol):
    """A space for a fuse, made once for its members.

    `maps` says how members are fed: which of a member's entries writes an entry of the space, and
    what its own entries mean there; None where ids mean the same in all members. The maps go by
    bytes, whatever the distributions do. `leads` says that the first member is asked even where
    its weight is 0, because the others are brought into its space. `apart` says that one member's
    distribution changes how others are aligned, or that a member alone is aligned in another way:
    then only rows that ask the same members are aligned together.
    """

    @property
    def space(self) -> Space:
        """What the fused distribution ranges over."""

    @property
    def maps(self) -> tuple[Map, ...] | None:
        """How the space of each member lies in that of the fuse."""

    @property
    def leads(self) -> bool:
        """Whether the first member is always asked."""

    @property
    def apart(self) -> bool:
        """Whether rows that ask other members are aligned apart."""

    def align(self, distributions: Mapping[int, Distributions]) -> Aligned:
        """Bring the distributions of some members, by their place, over the same columns."""


class Align(Typed):
    """How next-token distributions over different vocabularies are brought together.

    `alike` says that it takes members of one vocabulary, `vanishes` that over one vocabulary it
    changes nothing, and `whole` that each member's distribution stays what it is, token by token.
    `static` says that its work depends on the shapes of its tensors alone: no number of theirs is
    waited for, so a CUDA graph can hold it. `needs` is what each member must be able to do.
    """

    needs: ClassVar[Capability] = Capability.NEXT

    alike: ClassVar[bool] = False
    vanishes: ClassVar[bool] = False
    whole: ClassVar[bool] = False
    static: ClassVar[bool] = False

    @abstractmethod
    def prepare(self, members: Sequence[Member], device: torch.device) -> Alignment:
        """Make the tables for these members, once for a fuse; raises ModelError."""


class Combine(Typed):
    """How the members' next-token distributions become one.

    `signed` says that a negative weight has a meaning, `pools` that combined distributions may be
    combined again (the weights multiply), `convex` that `-log` of the result is convex in the
    weights, `linear` that it is the weighted mean of the probabilities, and `monotone` that an
    entry's score, before it is normalized, grows with the probability that each member gives it,
    and depends on nothing else. `static` is as in `Align`. With `cascade` the members are the
    stages of a cascade, the first the cheapest. They have one vocabulary and no weights but 0, and
    temperatures and filters act on each of them before they are combined.
    """

    signed: ClassVar[bool] = False
    pools: ClassVar[bool] = False
    convex: ClassVar[bool] = False
    linear: ClassVar[bool] = False
    monotone: ClassVar[bool] = False
    static: ClassVar[bool] = False
    cascade: ClassVar[bool] = False

    @abstractmethod
    def combine(self, aligned: Aligned, weights: Sequence[MemberWeight]) -> Distributions:
        """Combine aligned distributions into one over the same columns.

        A member whose weight is 0 in a row has no part in it, whatever its numbers are.
        """


class Weigh(Typed):
    """How the members' weights follow from their distributions, at every token.

    `once` says that the weights are found once, from the prompt: see `PromptWeigh`. `needs` is what
    each member must be able to do: logits, to read all of a distribution. With `reads_hidden` the
    aligned distributions come with the first member's last hidden states. `static` is as in
    `Align`.
    """

    needs: ClassVar[Capability] = Capability.NEXT

    static: ClassVar[bool] = False
    once: ClassVar[bool] = False
    reads_hidden: ClassVar[bool] = False

    def prepare(self, members: Sequence[Member]) -> Self:
        """Return the part for these members, made once for a fuse; raises ModelError.

        By default this is the part itself.
        """
        del members
        return self

    @abstractmethod
    def weights(self, aligned: Aligned, weights: Sequence[MemberWeight]) -> list[MemberWeight]:
        """Return new weights for the members that have a distribution here."""


class Gate(Typed):
    """At which tokens the members after the first are asked.

    The first member leads: it reads every token. Where the gate stays shut the next token is drawn
    from its own distribution; where it opens, the others catch up in one pass and all are fused.
    `needs` is what the first member must be able to do.
    """

    needs: ClassVar[Capability] = Capability.NEXT

    @property
    def reads_hidden(self) -> bool:
        """Whether the gate reads the first member's last hidden states."""
        return False

    @property
    def takes_likeliest(self) -> bool:
        """Whether the likeliest entry is taken where the gate opens, also where others draw."""
        return False

    def prepare(self, members: Sequence[Member]) -> Self:
        """Return the part for these members, made once for a fuse; raises ModelError.

        By default this is the part itself.
        """
        del members
        return self

    @abstractmethod
    def opens(self, first: Distributions, hidden: Tensor | None) -> Tensor:
        """Say whether to open [row], by the first member's distributions and hidden states."""
