"""The kinds of parts that act on a whole answer, and the methods that the engine calls on them."""

from __future__ import annotations

from abc import abstractmethod
from typing import TYPE_CHECKING, ClassVar, Self

from composer.engine.parts import Weigh
from composer.values.capability import Capability
from composer.values.typed import Typed

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from composer.engine.distribution import Aligned, MemberWeight
    from composer.engine.generation import GenerationState
    from composer.engine.group import Group
    from composer.engine.requests.draw import Drawn
    from composer.engine.sequence import SequenceState
    from composer.specs import TokenFuse
    from composer.values.flow import Query
    from composer.values.requests import Generate
    from composer.values.results import Completion

__all__ = ["Draft", "Handover", "PromptWeigh"]


class PromptWeigh(Weigh):
    """How the members' weights follow from the prompt, once for an answer."""

    once: ClassVar[bool] = True
    # an encoder-decoder model gives no probabilities to its prompt
    needs: ClassVar[Capability] = Capability.LOGITS | Capability.CONTINUE

    def weights(self, aligned: Aligned, weights: Sequence[MemberWeight]) -> list[MemberWeight]:
        """Return the weights as they are: they were found before the first token."""
        del aligned
        return list(weights)

    @abstractmethod
    async def prompt_weights(self, sequence: SequenceState, query: Query) -> tuple[float, ...]:
        """Return a factor for each member's weight; a member of factor 0 is not run."""


class Draft(Typed):
    """One member writes some tokens alone; the others read all of them in one pass.

    `alike` says that all members need one vocabulary, `lone` that each has to be one model.
    """

    alike: ClassVar[bool] = False
    lone: ClassVar[bool] = False

    def fuse(self, fuse: TokenFuse) -> TokenFuse:
        """Return the fuse that the answer is written with, by default the same one."""
        return fuse

    @abstractmethod
    async def write(
        self,
        group: Group,
        fuse: TokenFuse,
        job: Generate,
        on_text: Callable[[str], None] | None,
    ) -> Completion:
        """Write an answer by the members of a group."""


class Handover(Typed):
    """When the first member stops and which expert goes on."""

    @property
    @abstractmethod
    def experts(self) -> int:
        """How many experts it tells apart."""

    def prepare(self, group: Group) -> Self:
        """Return the part for a first member, made once for an answer; raises ModelError.

        By default this is the part itself.
        """
        del group
        return self

    @abstractmethod
    def expert(self, drawn: Drawn, answer: GenerationState) -> int | None:
        """Return the expert that goes on, by its place, or None for the first member.

        The drawn entry is not written where an expert goes on.
        """
