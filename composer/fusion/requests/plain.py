"""The plain requests: draw one entry, rank some, read a given text."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from composer.fusion.requests.inquiry import Inquiry

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torch import Tensor

    from composer.fusion.beat import Beat
    from composer.fusion.cursor import Cursor
    from composer.fusion.spec import Sampling

__all__ = ["END", "Draw", "Drawn", "Rank", "Ranked", "Read", "Request"]

END = -1  # in a reading: the end of the answer, whichever entry says it


@dataclass(eq=False, slots=True)
class Draw:
    """Ask for one entry to be drawn at the cursor.

    Where the group has a gate, `opened` says that it opened here, and `held` keeps the logits
    [1, width] of the first member's leaves until the others have caught up.
    """

    cursor: Cursor
    how: Sampling
    luck: float
    opened: bool = False
    held: dict[int, Tensor] = field(default_factory=dict)
    beat: Beat | None = None


@dataclass(eq=False, slots=True)
class Drawn:
    """What was drawn, and its log-probability at temperature 1."""

    entry: int
    logprob: float


@dataclass(eq=False, slots=True)
class Rank:
    """Ask for the likeliest `count` of some entries [n] at the cursor."""

    cursor: Cursor
    entries: Tensor
    count: int


@dataclass(eq=False, slots=True)
class Ranked:
    """Entries, likeliest first, with their log-probabilities."""

    entries: list[int]
    logprobs: list[float]


class Read:
    """Ask for the log-probabilities of entries that come next; they are pushed.

    Without entries, all but the last token is read ahead.
    """

    __slots__ = ("cursor", "start", "targets")

    def __init__(self, cursor: Cursor, entries: Sequence[int]) -> None:
        self.cursor = cursor
        self.targets = list(entries)
        self.start = len(cursor.entries)
        for entry in entries:
            if entry != END:
                cursor.push(entry)


Request = Draw | Rank | Read | Inquiry
