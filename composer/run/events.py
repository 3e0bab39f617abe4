"""What happens for one query while it is answered, as events for whoever watches.

`at` are seconds since the query began. Events come from several threads, in the order in which
things happened; `call` numbers the calls of a step from 0.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Mapping

    from composer.values import Span, Usage
    from composer.values.details import TokenChoice
    from composer.values.results import Finish

__all__ = [
    "CallBegan",
    "CallEnded",
    "CallText",
    "CallToken",
    "Event",
    "OnEvent",
    "StepBegan",
    "StepEnded",
]


@dataclass(frozen=True, slots=True)
class StepBegan:
    """A step begins: its id in the plan, and its name in the language."""

    step: str
    op: str
    at: float


@dataclass(frozen=True, slots=True)
class StepEnded:
    """A step has ended: what it gave, what it noted, or its error."""

    step: str
    at: float
    gave: str | None = None
    notes: Mapping[str, object] = field(default_factory=dict)
    error: str | None = None


@dataclass(frozen=True, slots=True)
class CallBegan:
    """A model or a fuse is asked: `what` says for what, as in traces (`asked`, `scored by`)."""

    step: str
    call: int
    model: str
    what: str
    at: float


@dataclass(frozen=True, slots=True)
class CallText:
    """A model has written a piece of text."""

    step: str
    call: int
    text: str
    at: float


@dataclass(frozen=True, slots=True)
class CallToken:
    """A model has written a token, whose details were wanted."""

    step: str
    call: int
    token: TokenChoice
    at: float


@dataclass(frozen=True, slots=True)
class CallEnded:
    """A model has answered: what it took, by declared model, and whether it was kept before.

    `spans` are the rounds of a span fuse: each has its text, and which member won it. `finish` is
    why an answer ended, where that is known.
    """

    step: str
    call: int
    text: str
    tokens: int
    at: float
    usage: Mapping[str, Usage] = field(default_factory=dict)
    cached: bool = False
    error: str | None = None
    spans: tuple[Span, ...] = ()
    finish: Finish | None = None


Event: TypeAlias = StepBegan | StepEnded | CallBegan | CallText | CallToken | CallEnded

OnEvent: TypeAlias = Callable[[Event], None]
"""Is called with each event, in the thread where it happens; it must not block or raise."""
