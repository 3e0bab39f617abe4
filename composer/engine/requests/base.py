"""What a request is: what it reads, after which tokens it wants logits, and how it is answered."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, ClassVar, Generic, Self, TypeAlias, TypeVar

from composer.engine.requests.reading import Reading

if TYPE_CHECKING:
    from collections.abc import Generator

    from composer.engine.group import Group
    from composer.engine.phase import Phase
    from composer.engine.requests.reading import MemberLogits
    from composer.engine.sequence import MemberState, SequenceState
    from composer.values.processing import Processing

__all__ = ["END", "AnyRequest", "Batch", "Outcomes", "Replies", "StepRequest"]

END = -1  # among tokens whose log-probabilities are wanted: the end, whichever token says it

R = TypeVar("R")
AnyRequest: TypeAlias = "StepRequest[Any]"
"""A request among others, whatever its reply."""
Batch: TypeAlias = Sequence[AnyRequest]
"""What a session awaits in one engine step."""
Outcomes: TypeAlias = Sequence[Any]
"""The replies to a batch in its order, to which each request gives its own type."""


class StepRequest(ABC, Generic[R]):
    """What is asked at a cursor, as plain data; the reply is of its type parameter.

    A family are the requests of the class that says how they are answered, and of classes made
    from it: all of one family at one group are answered together, once an engine step.
    """

    __slots__ = ()
    sequence: SequenceState
    phase: Phase | None = None
    family: ClassVar[type[AnyRequest]]

    def __init_subclass__(cls) -> None:
        super().__init_subclass__()
        if "answer" in vars(cls):
            cls.family = cls

    def __await__(self) -> Generator[Batch, Outcomes, R]:
        reply: R
        (reply,) = yield (self,)
        return reply

    @property
    def processing(self) -> Processing | None:
        """What is done to the logits that are read, for those who write; None leaves them alone."""
        return None

    @property
    def hidden_slots(self) -> frozenset[int]:
        """Leaves whose last hidden states [mark, size] are wanted too, behind the logits."""
        return frozenset()

    def reads(self, slot: int) -> bool:  # noqa: ARG002  # others tell leaves apart
        """Whether a leaf reads for this request."""
        return True

    @abstractmethod
    def logit_positions(self, slot: int, state: MemberState) -> tuple[Sequence[int], int]:
        """After how many of a leaf's tokens logits are wanted, and up to where it reads."""

    @classmethod
    @abstractmethod
    def answer(cls, group: Group, asked: Sequence[tuple[Self, MemberLogits]]) -> Replies:
        """Answer requests of this family by their members' logits.

        A request that fails fails its own job only; one without a reply is asked again.
        """

    def readings(self) -> list[Reading]:
        """What the models of the cursor read."""
        hidden = self.hidden_slots
        return [
            Reading(slot, state, *self.logit_positions(slot, state), slot in hidden)
            for slot, state in self.sequence.states.items()
            if self.reads(slot)
        ]


class Replies:
    """What requests have come to: `values` are of the requests' own types."""

    def __init__(self) -> None:
        self.values: dict[AnyRequest, Any] = {}
        self.errors: dict[AnyRequest, Exception] = {}

    def give(self, request: StepRequest[R], value: R) -> None:
        """Reply to a request."""
        self.values[request] = value

    def fail(self, request: AnyRequest, error: Exception) -> None:
        """Let a request fail, whatever was replied to it before."""
        self.values.pop(request, None)
        self.errors[request] = error

    def add(self, other: Replies) -> None:
        """Take over what others have come to."""
        self.values |= other.values
        self.errors |= other.errors

    def __getitem__(self, request: StepRequest[R]) -> R:
        """Return the reply to a request, or raise what it failed with."""
        if request in self.errors:
            raise self.errors[request]
        reply: R = self.values[request]
        return reply
