"""What a span fuse asks of its members, and what they propose."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar, Protocol, TypeVar

from composer.engine.sessions.span_parts import Boundary

if TYPE_CHECKING:
    from collections.abc import Awaitable, Coroutine, Mapping, Sequence

    from composer.engine.sessions.span_parts import Branching, SpanText, Splitter
    from composer.values.details import TokenChoice
    from composer.values.results import Usage

__all__ = ["Candidate", "SpanMember", "SpanRequest", "Together", "WholeAnswer"]

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Candidate:
    """A span that a member proposes: its bytes, and whether the answer ends after it.

    `tokens` are the texts of the proposer's tokens; that of an end token is empty. `choices` has
    one for each of them, where details are wanted.
    """

    text: bytes
    ended: bool
    tokens: tuple[str, ...] = field(compare=False)
    choices: tuple[TokenChoice, ...] = field(default=(), compare=False)


@dataclass(frozen=True, slots=True)
class SpanRequest:
    """What is asked of a member that proposes: where its span ends, and how it may branch.

    `before` is the answer so far. A span has at most `max_tokens` of the member's own tokens.
    `tokenizers` are those of all members, where the boundary reads them.
    """

    boundary: Boundary
    branching: Branching | None
    max_tokens: int
    before: str
    tokenizers: Sequence[Splitter] = ()

    @property
    def most_tokens(self) -> int:
        """How many tokens are enough to see the end of the span."""
        return min(self.max_tokens, self.boundary.most_tokens or self.max_tokens)

    @property
    def top(self) -> int:
        """How many of the likeliest tokens are read at each place."""
        margin = 2 if self.boundary.reads_margins else 0
        return max(margin, 0 if self.branching is None else self.branching.top)

    def others(self, own: Sequence[Splitter]) -> list[Splitter]:
        """Return the tokenizers but that which splits what a member with `own` ones writes."""
        return [each for each in self.tokenizers if each.fingerprint != own[0].fingerprint]


class WholeAnswer(Boundary):
    """A span that goes on to the end of the answer, or to the first stop string."""

    name: ClassVar[str] = "whole_answer"

    stop: tuple[str, ...] = ()

    def end(self, span: SpanText) -> int | None:
        """Return where the first stop string ends."""
        found = [(at, at + len(each)) for each in self.stop if (at := span.text.find(each)) >= 0]
        return min(found)[1] if found else None


class SpanMember(Protocol):
    """One member of a span fuse, at the place in the text that all members have reached."""

    name: str
    weight: float

    @property
    def dropped(self) -> Mapping[str, str]:
        """The models that were dropped, each with the reason."""

    @property
    def tokenizers(self) -> Sequence[Splitter]:
        """The tokenizers of its models."""

    def anew(self) -> SpanMember:
        """Return the same member before its answer has begun."""

    async def open(self) -> None:
        """Begin where the answer begins; called once, before all else but `close` and `usage`."""

    def has_room(self) -> bool:
        """Drop models whose context is full, if they may be dropped; return whether a span fits."""

    async def propose(self, request: SpanRequest) -> Sequence[Candidate]:
        """Propose at least one span."""

    async def score(self, candidates: Sequence[Candidate]) -> Sequence[Sequence[float]]:
        """Return the log-probabilities of each candidate's tokens, in the member's own tokens.

        None of them where the member cannot read it. Its own proposals may be among them.
        """

    def accept(self, candidate: Candidate) -> None:
        """Go on from the end of a candidate, which this member may not have scored."""

    def usage(self) -> Mapping[str, Usage]:
        """Return the usage so far by model name."""

    def close(self) -> None:
        """Free what the member holds; may be called at any time."""


class Together(Protocol):
    """Awaits several coroutines side by side; an error of one is raised."""

    def __call__(self, work: Sequence[Coroutine[Any, Any, T]], /) -> Awaitable[list[T]]:
        """Return their results in order."""
