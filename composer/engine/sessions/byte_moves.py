"""Tokens that members may write next while they agree byte by byte (see `byte_fuse`).

A member whose own tokens do not yet write all of the text is behind: its next token must write a
part of that text, or all of it and more. Members that are ahead wait.
"""

from __future__ import annotations

import bisect
import math
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import product
from typing import TYPE_CHECKING, ClassVar, NamedTuple
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

__all__ = ["END", "Agreement", "ByteMember", "Continuation", "EntryIndex", "Move", "agreements"]

END = None
"""In place of bytes: the end of the answer."""
Continuation = bytes | None
"""The bytes that follow the text, which may be none, or `END`."""
_WIDER = 8  # times as many tokens are compared where fewer do not agree


class Move(NamedTuple):
    """A token that a member may write: its log-probability and its entry."""

    logprob: float
    entry: int


class Agreement(NamedTuple):
    """One way to go on: how the text continues, and the move of each member that is behind.

    `logprob` is the weighted mean of the moves' log-probabilities.
    """

    logprob: float
    continuation: Continuation
    moves: tuple[Move, ...]


@dataclass(eq=False)
class ByteMember:
    """One member of a byte fuse: its own tokens, and the bytes of the text that they lack.

    `logprob_sum` and `token_count` are those of its own tokens of the answer.
    """

    name: str
    weight: float
    sequence: SequenceState
    entry_index: EntryIndex
    unwritten: bytes = b""
    logprob_sum: float = 0.0
    token_count: int = 0

    def fork(self) -> ByteMember:
        """Return a copy at the same place, with cache rows of its own."""
        return replace(self, sequence=self.sequence.fork())

    def request(self, top: int, answer: GenerationState) -> Rank | None:
        """Request the `top` likeliest tokens that agree with the text; None if no token does."""
        self.sequence.answer_length = len(answer.tokens)
        candidates = self.entry_index.agreeing(self.unwritten)
        return Rank(self.sequence, candidates, top, answer.sampling) if len(candidates) else None

    def moves(self, ranked: Ranked) -> dict[Continuation, Move]:
        """Return the likeliest move for each continuation of the text."""
        moves: dict[Continuation, Move] = {}
        for entry, logprob in zip(ranked.entries, ranked.logprobs, strict=True):
            ends = entry in self.sequence.group.space.ends
            continuation = END if ends else self.sequence.group.piece(entry)[len(self.unwritten) :]
            if continuation not in moves and logprob > -math.inf:
                moves[continuation] = Move(logprob, entry)
        return moves

    def mean_logprob(self, move: Move | None = None) -> float:
        """Return the mean log-probability of its tokens so far, and of one more move."""
        total, count = self.logprob_sum, self.token_count
        if move is not None:
            total, count = total + move.logprob, count + 1
        return total / count if count else 0.0

    def accept(self, move: Move, continuation: Continuation) -> None:
        """Write a token, where the text goes on with `continuation`."""
        self.logprob_sum, self.token_count = self.logprob_sum + move.logprob, self.token_count + 1
        if continuation is END:
            return
        text = self.unwritten + continuation
        self.unwritten = text[len(self.sequence.group.piece(move.entry)) :]
        self.sequence.append(move.entry)


class EntryIndex:
    """A group's entries sorted by their bytes, to find those that agree with a text."""

    _by_group: ClassVar[WeakKeyDictionary[Group, EntryIndex]] = WeakKeyDictionary()

    def __init__(self, group: Group) -> None:
        self._space, self._device = group.space, group.device
        self._candidates: dict[bytes, Tensor] = {}

    @classmethod
    def of(cls, group: Group) -> EntryIndex:
        """Return the index of a group, which is made once."""
        return cls._by_group.setdefault(group, cls(group))

    @cached_property
    def _sorted(self) -> list[tuple[bytes, int]]:
        return sorted(self._space.ids.items())

    def agreeing(self, text: bytes) -> Tensor:
        """Entries [n] that begin with `text` or are a beginning of it; of no text, ends as well."""
        if text not in self._candidates:
            ids = self._space.ids
            shorter = [ids[text[:n]] for n in range(1, len(text)) if text[:n] in ids]
            ends = [] if text else sorted(self._space.ends)
            entries = [*shorter, *self._beginning_with(text), *ends]
            self._candidates[text] = torch.tensor(entries, dtype=torch.long, device=self._device)
        return self._candidates[text]

    def _beginning_with(self, text: bytes) -> list[int]:
        start = bisect.bisect_left(self._sorted, (text, -1))
        entries = []
        for piece, entry in self._sorted[start:]:
            if not piece.startswith(text):
                break
            entries.append(entry)
        return entries


def agreements(
    behind: Sequence[ByteMember], rankings: Sequence[Ranked], top: int, count: int
) -> list[Agreement]:
    """Return the ways in which members that are behind can go on together, likeliest first.

    Every continuation that they can write is among them, each in up to `count` ways. A member
    proposes its `top` tokens; if those of the members do not agree, it proposes more of them, up
    to all of its ranking, without another forward pass. Raises ModelError (E705) if none agree.
    """
    most = max(len(ranked.scores) for ranked in rankings)
    while True:
        moves = [m.moves(ranked.top(top)) for m, ranked in zip(behind, rankings, strict=True)]
        ways = sorted(
            _agreements(behind, moves, count),
            key=lambda way: (-way.logprob, way.continuation or b""),
        )
        if ways:
            return ways
        if top >= most:
            names = ", ".join(member.name for member in behind)
            message = f"{names} have no tokens that continue with the same bytes"
            raise ModelError("E705", message, "fuse them by spans: `span_fuse(...)`")
        top *= _WIDER


def _agreements(
    behind: Sequence[ByteMember], moves: Sequence[Mapping[Continuation, Move]], count: int
) -> Iterator[Agreement]:
    """For each continuation, the likeliest moves that write it or a beginning of it.

    At least one member writes all of it.
    """
    total = sum(member.weight for member in behind)
    for continuation in dict.fromkeys(text for own_moves in moves for text in own_moves):
        options = [_beginnings(own_moves, continuation)[:count] for own_moves in moves]
        for choice in product(*options):
            if any(text == continuation for text, _ in choice):
                pairs = zip(behind, choice, strict=True)
                value = sum(member.weight * move.logprob for member, (_, move) in pairs) / total
                yield Agreement(value, continuation, tuple(move for _, move in choice))


def _beginnings(
    moves: Mapping[Continuation, Move], continuation: Continuation
) -> list[tuple[Continuation, Move]]:
    """A member's moves that write a beginning of a continuation, likeliest first.

    Of equally likely ones, the longer comes first.
    """
    if continuation is END:
        return [(END, moves[END])] if END in moves else []
    starts = (continuation[:n] for n in range(len(continuation), -1, -1))
    matching = [(start, moves[start]) for start in starts if start in moves]
    return sorted(matching, key=lambda option: -option[1].logprob)
