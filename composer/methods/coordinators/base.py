"""What decides, turn by turn, which member is asked what; and the conversation that it leads."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from composer.values import Typed
from composer.values.flow import unique

if TYPE_CHECKING:
    from collections.abc import Sequence

    from composer.values import Asker, MissingAnswer, Model, Query, Text

__all__ = ["Conversation", "Coordinator", "Move", "Turn"]


@dataclass(frozen=True, slots=True)
class Move:
    """Whom to ask in a turn: the place of a member, its role, if it has one, and what it is asked.

    Without a member nobody is asked in this turn, for the reason that `why` gives.
    """

    member: int | None
    role: str = ""
    query: Query | None = None
    why: str = ""


@dataclass(frozen=True, slots=True)
class Turn:
    """A turn that is over: who was asked in which role, and the reply, or how it failed."""

    member: str
    role: str
    reply: Text | MissingAnswer


class Conversation(ABC):
    """The turns of one query."""

    @abstractmethod
    async def move(self, left: int, ask: Asker) -> Move | None:
        """Return whom to ask now, with so many turns left, this one counted; None ends it."""

    @abstractmethod
    def receive(self, turn: Turn) -> None:
        """Take the reply to the last move, or its failure."""

    @abstractmethod
    def latest(self) -> Text | None:
        """Return the answer so far, without asking anybody; None where there is none."""

    async def close(self, ask: Asker) -> Text | None:
        """Return the answer once the turns are over; None where there is none."""
        del ask
        return self.latest()


class Coordinator(Typed):
    """How a conversation among models is led.

    `extra_calls` is how many calls it makes itself beside those of the turns, and
    `calls_a_turn` how many each turn takes, that of the member with it.
    """

    calls_a_turn: ClassVar[int] = 1
    extra_calls: ClassVar[int] = 0

    def most_calls(self, turns: int) -> int:
        """Return how many calls a conversation of so many turns makes at most."""
        return turns * self.calls_a_turn + self.extra_calls

    def mistake(self, members: int) -> str:
        """Say what is wrong with its options for so many members; empty if nothing is."""
        del members
        return ""

    @abstractmethod
    def converse(self, query: Query, members: Sequence[Model]) -> Conversation:
        """Begin a conversation about a query."""


def names_of(members: Sequence[Model]) -> tuple[str, ...]:
    """Return the names by which members are told apart."""
    return unique(member.name for member in members)
