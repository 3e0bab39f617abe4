"""What a request to an engine step is: what it reads, where it wants logits, how it is answered."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Generic, Self, TypeAlias, TypeVar

from composer.engine.requests.reading import Reading
from composer.values.errors import ModelError

if TYPE_CHECKING:
    from collections.abc import Generator

    from torch import Tensor

    from composer.engine.group import Group
    from composer.engine.requests.reading import MemberLogits
    from composer.engine.sequence import MemberState, SequenceState
    from composer.values.processing import Processing

__all__ = [
    "END",
    "AnyRequest",
    "Batch",
    "Failed",
    "Phase",
    "Replies",
    "ReplyValues",
    "StepRequest",
    "drop_nan_member",
    "reply_value",
]

END = -1
"""Among tokens whose log-probabilities are wanted: the end of the answer, by any end token."""

R = TypeVar("R")
AnyRequest: TypeAlias = "StepRequest[Any]"
"""A request, whatever the type of its reply."""
Batch: TypeAlias = Sequence[AnyRequest]
"""What a session awaits in one engine step."""
ReplyValues: TypeAlias = Sequence[Any]
"""The replies to a batch in its order; each request says the type of its own, or has `Failed`."""


@dataclass(frozen=True, slots=True)
class Failed:
    """The reply to a request that failed: its error is raised where the request is awaited."""

    error: Exception


def reply_value(reply: R | Failed) -> R:
    """Return a reply, or raise the error of the request."""
    if isinstance(reply, Failed):
        raise reply.error
    return reply


@dataclass(frozen=True, slots=True)
class Phase:
    """Which step of a cycle a request belongs to.

    A model's pass costs little more for many rows than for one, so requests of one cycle wait for
    each other and are answered in the same engine step. For one sequence, phases increase within a
    cycle, then start again at 0.
    """

    cycle: Hashable
    step: int


class StepRequest(ABC, Generic[R]):
    """What a session asks of one engine step about one sequence; `R` is the type of the reply.

    `await request` gives the reply. With `ahead` above 1 a server may write so many tokens, since
    they may be asked for next. A family is the class that defines `answer`, with its
    subclasses: requests of one family and one group are answered together, once in a step.
    """

    __slots__ = ()
    sequence: SequenceState
    phase: Phase | None = None
    ahead: int = 1
    family: ClassVar[type[AnyRequest]]

    def __init_subclass__(cls) -> None:
        super().__init_subclass__()
        if "answer" in vars(cls):
            cls.family = cls

    def __await__(self) -> Generator[Batch, ReplyValues, R]:
        reply: R | Failed
        (reply,) = yield (self,)
        return reply_value(reply)

    @property
    def processing(self) -> Processing | None:
        """The logits processors to apply before the answer; None for raw logits."""
        return None

    def wanted_entries(self, position: int) -> Sequence[int]:  # noqa: ARG002  # others tell apart
        """The entries whose probability is wanted at one of the request's positions, however low.

        A server does not tell it unless it is asked.
        """
        return ()

    @property
    def hidden_slots(self) -> frozenset[int]:
        """The slots whose last hidden states [position, size] are wanted behind the logits."""
        return frozenset()

    def reads(self, slot: int) -> bool:  # noqa: ARG002  # others tell slots apart
        """Whether the model of a slot reads for this request."""
        return True

    @abstractmethod
    def logit_positions(self, slot: int, state: MemberState) -> tuple[Sequence[int], int]:
        """Where a slot's logits are wanted, and how many of its tokens are read.

        Position p means: after the first p tokens.
        """

    @classmethod
    @abstractmethod
    def answer(cls, group: Group, requests: Sequence[tuple[Self, MemberLogits]]) -> Replies:
        """Answer requests of this family, given their members' logits.

        A request that fails fails its own job only; one without a reply is asked again.
        """

    def readings(self) -> list[Reading]:
        """What each model of the sequence reads for this request."""
        hidden = self.hidden_slots
        return [
            Reading(slot, state, *self.logit_positions(slot, state), slot in hidden)
            for slot, state in self.sequence.states.items()
            if self.reads(slot)
        ]


class Replies:
    """The replies to some requests, and the errors of those that failed."""

    def __init__(self) -> None:
        self.values: dict[AnyRequest, Any] = {}
        self.errors: dict[AnyRequest, Exception] = {}

    def give(self, request: StepRequest[R], value: R) -> None:
        """Reply to a request."""
        self.values[request] = value

    def fail(self, request: AnyRequest, error: Exception) -> None:
        """Let a request fail; a reply that it has already is removed."""
        self.values.pop(request, None)
        self.errors[request] = error

    def add(self, other: Replies) -> None:
        """Add the replies and errors of others."""
        self.values |= other.values
        self.errors |= other.errors

    def __getitem__(self, request: StepRequest[R]) -> R:
        """Return the reply to a request, or raise its error."""
        if request in self.errors:
            raise self.errors[request]
        reply: R = self.values[request]
        return reply


def drop_nan_member(
    sequence: SequenceState, logits: Sequence[Tensor | None], rows: slice
) -> ModelError:
    """Find the member that made a fused distribution NaN, and drop it if the fuse allows it.

    `logits[slot]` are [row, width] or None; `rows` are those of the failed request. Returns the
    error for the request: `MemberDropped` if the member was dropped, E704 if it must stay, E705 if
    all logits are numbers, but no token has a probability above zero under all members.
    """
    for state in sequence.states.values():
        state.counts.may_hold_nan = True
    for slot, member_logits in enumerate(logits):
        if slot not in sequence.states or member_logits is None:
            continue
        if (member_logits[rows].isnan() | member_logits[rows].isposinf()).any():
            name = sequence.group.slots[slot].name
            error = ModelError(
                "E704",
                f"{name} gave logits that are not numbers",
                "its number type may be too small: try `dtype = float32`",
            )
            return sequence.drop(slot, error)
    return ModelError(
        "E705",
        "no token has a probability above zero under all members",
        "write `combine = mean()`, or lower `plausible`",
    )
