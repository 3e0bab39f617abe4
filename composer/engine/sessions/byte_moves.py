"""What members that agree byte by byte may write next: their tokens whose bytes fit together.

Who is ahead of the others waits; who is behind may only write what the text already says, or more.
"""

from __future__ import annotations

import bisect
import math
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import product
from typing import TYPE_CHECKING, ClassVar
from weakref import WeakKeyDictionary

import torch

from composer.engine.requests.rank import Rank
from composer.values.errors import ModelError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from torch import Tensor

    from composer.engine.generation import GenerationState
    from composer.engine.group import Group
    from composer.engine.requests.rank import Ranked
    from composer.engine.sequence import SequenceState

__all__ = ["END", "Agreement", "ByteMember", "Bytes", "EntryIndex", "Move", "agreements"]

END = None  # in place of bytes: the end of the answer
Bytes = bytes | None
Move = tuple[float, int]
"""A log-probability, and the entry that it is of."""
Agreement = tuple[float, Bytes, tuple[Move, ...]]
"""A weighted mean log-probability, what the text goes on with, and what each one writes for it."""
_WIDER = 8  # times as many tokens are weighed up where no fewer agree


@dataclass(eq=False)
class ByteMember:
    """One member: where it is in its own tokens, and the bytes of the text it has yet to write."""

    name: str
    weight: float
    sequence: SequenceState
    entry_index: EntryIndex
    unwritten: bytes = b""
    logprob_sum: float = 0.0
    token_count: int = 0

    def fork(self) -> ByteMember:
        """A second one at the same place."""
        return replace(self, sequence=self.sequence.fork())

    def request(self, top: int, answer: GenerationState) -> Rank | None:
        """Ask for its likeliest tokens that agree with the answer so far, if there are any."""
        self.sequence.answer_length = len(answer.tokens)
        allowed = self.entry_index.agreeing(self.unwritten)
        return Rank(self.sequence, allowed, top, answer.sampling) if len(allowed) else None

    def moves(self, found: Ranked) -> dict[Bytes, Move]:
        """What it would add to the text: by those bytes, the likeliest token and how likely."""
        moves: dict[Bytes, Move] = {}
        for entry, logprob in zip(found.entries, found.logprobs, strict=True):
            ends = entry in self.sequence.group.space.ends
            more = END if ends else self.sequence.group.piece(entry)[len(self.unwritten) :]
            if more not in moves and logprob > -math.inf:
                moves[more] = logprob, entry
        return moves

    def mean_logprob(self, move: Move | None = None) -> float:
        """The mean log-probability of its own tokens so far, and of one more."""
        total, count = self.logprob_sum, self.token_count
        if move is not None:
            total, count = total + move[0], count + 1
        return total / count if count else 0.0

    def accept(self, move: Move, more: Bytes) -> None:
        """Write one's own token of what the text now goes on with."""
        logprob, entry = move
        self.logprob_sum, self.token_count = self.logprob_sum + logprob, self.token_count + 1
        if more is END:
            return
        said = self.unwritten + more
        self.unwritten = said[len(self.sequence.group.piece(entry)) :]
        self.sequence.append(entry)


class EntryIndex:
    """A group's entries in the order of their bytes, to find those that agree with a text."""

    _made: ClassVar[WeakKeyDictionary[Group, EntryIndex]] = WeakKeyDictionary()

    def __init__(self, group: Group) -> None:
        self._space, self._device = group.space, group.device
        self._known: dict[bytes, Tensor] = {}

    @classmethod
    def of(cls, group: Group) -> EntryIndex:
        """Those of a group, which are put in order once."""
        return cls._made.setdefault(group, cls(group))

    @cached_property
    def _sorted(self) -> list[tuple[bytes, int]]:
        return sorted(self._space.ids.items())

    def agreeing(self, behind: bytes) -> Tensor:
        """Entries [n] that begin with some bytes, or are a beginning of them; ends, without any."""
        if behind not in self._known:
            ids = self._space.ids
            within = [ids[behind[:n]] for n in range(1, len(behind)) if behind[:n] in ids]
            ends = [] if behind else sorted(self._space.ends)
            found = [*within, *self._beginning(behind), *ends]
            self._known[behind] = torch.tensor(found, dtype=torch.long, device=self._device)
        return self._known[behind]

    def _beginning(self, behind: bytes) -> list[int]:
        start = bisect.bisect_left(self._sorted, (behind, -1))
        found = []
        for piece, entry in self._sorted[start:]:
            if not piece.startswith(behind):
                break
            found.append(entry)
        return found


def agreements(
    late: Sequence[ByteMember], found: Sequence[Ranked], top: int, count: int
) -> list[Agreement]:
    """The ways in which members that are behind can go on together, likeliest first.

    All texts that they can write next are among them, each in up to `count` ways of writing it.
    Each member proposes its `top` tokens; more of them, up to all that agree with the text, where
    those of one fit none of another's: their log-probabilities are here already, so that looking
    at more of them is no forward pass. Raises ModelError where nothing fits.
    """
    most = max(len(each.scores) for each in found)
    while True:
        moves = [m.moves(ranked.top(top)) for m, ranked in zip(late, found, strict=True)]
        ways = sorted(_ways(late, moves, count), key=lambda way: (-way[0], way[1] or b""))
        if ways:
            return ways
        if top >= most:
            names = ", ".join(member.name for member in late)
            said = f"{names} have no tokens that continue with the same bytes"
            raise ModelError("E705", said, "fuse them by spans: `span_fuse(...)`")
        top *= _WIDER


def _ways(
    late: Sequence[ByteMember], moves: Sequence[Mapping[Bytes, Move]], count: int
) -> Iterator[Agreement]:
    """For all that the text may go on with, the likeliest tokens that write it or begin it."""
    total = sum(member.weight for member in late)
    for more in dict.fromkeys(each for own in moves for each in own):
        options = [_beginnings(own, more)[:count] for own in moves]
        for each in product(*options):
            if any(said == more for said, _ in each):
                pairs = zip(late, each, strict=True)
                value = sum(member.weight * move[0] for member, (_, move) in pairs) / total
                yield value, more, tuple(move for _, move in each)


def _beginnings(own: Mapping[Bytes, Move], more: Bytes) -> list[tuple[Bytes, Move]]:
    """One's moves that are a beginning of `more`, likeliest first, those that say more first."""
    if more is END:
        return [(END, own[END])] if END in own else []
    starts = (more[:n] for n in range(len(more), -1, -1))
    found = [(start, own[start]) for start in starts if start in own]
    return sorted(found, key=lambda each: -each[1][0])
