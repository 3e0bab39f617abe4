"""Writing what members agree on byte by byte, each in tokens of its own.

Agreement-based ensembling, arXiv:2502.21265: members move together as long as what one of them
writes is a prefix of what the others do. Who is ahead waits, and who is behind may only write
what the text already says, or more. Nobody's tokens are ever cut anew.
"""

from __future__ import annotations

import bisect
import math
import random
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING
from weakref import WeakKeyDictionary

import torch

from composer.fusion.answer import Answer
from composer.fusion.requests.entries import Rank
from composer.fusion.said import Said
from composer.fusion.sample import draw
from composer.fusion.sessions.base import all_of, given, left
from composer.fusion.sessions.settle import settle
from composer.fusion.sessions.write import begin
from composer.ports.errors import ModelError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from torch import Tensor

    from composer.fusion.cursor import Cursor
    from composer.fusion.group import Group
    from composer.fusion.requests.entries import Ranked
    from composer.ports.requests import Completion, Generate
    from composer.specs import ByteFuse

__all__ = ["agree"]

END = None  # in place of bytes: the end of the answer
Bytes = bytes | None


@dataclass(eq=False)
class Member:
    """One member: where it is in its own tokens, and the bytes of the text it has yet to write."""

    name: str
    weight: float
    cursor: Cursor
    words: Words
    behind: bytes = b""

    def ask(self, top: int, answer: Answer) -> Rank:
        """Ask for its likeliest tokens that agree with the text, which is the answer so far."""
        self.cursor.written = len(answer.tokens)
        allowed = self.words.agreeing(self.behind)
        if not len(allowed):
            raise ModelError(
                "E305", f"{self.name} has no token that begins like {self.behind!r}", "leave it out"
            )
        return Rank(self.cursor, allowed, top, answer.how)

    def moves(self, found: Ranked) -> dict[Bytes, tuple[float, int]]:
        """What it would add to the text: by those bytes, the likeliest token and how likely."""
        moves: dict[Bytes, tuple[float, int]] = {}
        for entry, logprob in zip(found.entries, found.logprobs, strict=True):
            ends = entry in self.cursor.group.space.ends
            more = END if ends else self.cursor.group.piece(entry)[len(self.behind) :]
            if more not in moves:
                moves[more] = logprob, entry
        return moves

    def take(self, entry: int, more: bytes) -> None:
        """Write one's own token of what the text now goes on with."""
        said = self.behind + more
        self.behind = said[len(self.cursor.group.piece(entry)) :]
        self.cursor.push(entry)


class Words:
    """A group's entries in the order of their bytes, to find those that agree with a text."""

    def __init__(self, group: Group) -> None:
        self._space, self._device = group.space, group.device
        self._known: dict[bytes, Tensor] = {}

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
            self._known[behind] = torch.tensor(found, device=self._device)
        return self._known[behind]

    def _beginning(self, behind: bytes) -> list[int]:
        start = bisect.bisect_left(self._sorted, (behind, -1))
        found = []
        for piece, entry in self._sorted[start:]:
            if not piece.startswith(behind):
                break
            found.append(entry)
        return found


_WORDS: WeakKeyDictionary[Group, Words] = WeakKeyDictionary()


async def agree(
    fuse: ByteFuse, groups: Sequence[Group], job: Generate, on_text: Callable[[str], None] | None
) -> Completion:
    """Write what the members agree on until all of them end."""
    weights = fuse.shares()
    answer = Answer(job.sampling, on_text)
    luck = random.Random(job.sampling.seed)  # noqa: S311  # not for secrets
    members: list[Member] = []
    try:
        for name, weight, group, part in zip(
            fuse.names, weights, groups, fuse.members, strict=True
        ):
            if weight:
                cursor = begin(group, job, group.weights(part))
                words = _WORDS.setdefault(group, Words(group))
                members.append(Member(name, weight, cursor, words))
                await settle(cursor, job.query)
        await _write(members, answer, luck, fuse.top)
        usage = given((m.name, m.cursor.group, m.cursor.usage()) for m in members)
        return replace(answer.close(usage), left=left(m.cursor for m in members))
    finally:
        for member in members:
            member.cursor.close()


async def _write(members: Sequence[Member], answer: Answer, luck: random.Random, top: int) -> None:
    logprob = 0.0
    while answer.finish is None:
        if not all(member.cursor.make_room() for member in members):
            answer.finish = "context"
            return
        late = [member for member in members if member.behind] or list(members)
        found = await all_of([member.ask(top, answer) for member in late])
        moves = [m.moves(r) for m, r in zip(late, found, strict=True)]
        more, score = _choose(late, moves, answer, luck.random())
        logprob += score
        if more is END:
            answer.add(b"", logprob, ends=True)
            return
        _move(members, late, moves, more)
        if more:
            answer.add(more, logprob)
            logprob = 0.0


def _choose(
    late: Sequence[Member],
    moves: Sequence[Mapping[Bytes, tuple[float, int]]],
    answer: Answer,
    luck: float,
) -> tuple[Bytes, float]:
    """What the text goes on with, and the weighted log-probability of those who wrote it."""
    total = sum(member.weight for member in late)
    scored: dict[Bytes, float] = {}
    for more in dict.fromkeys(each for own in moves for each in own):
        heard = [_best(own, more) for own in moves]
        if None not in heard:
            pairs = zip(late, heard, strict=True)
            longest = END if more is END else max((own[1] for own in heard if own), key=_size)
            value = sum(m.weight * own[0] for m, own in pairs if own is not None) / total
            scored[longest] = max(value, scored.get(longest, -math.inf))
    if not scored:
        raise ModelError(
            "E705",
            f"{', '.join(m.name for m in late)} agree on no next token",
            "raise `top`, the number of tokens that each may propose",
        )
    names = sorted(scored, key=lambda more: (-scored[more], more or b""))
    ranked = torch.tensor([[scored[more] for more in names]], dtype=torch.float64)
    chosen = names[int(draw(Said(ranked), [0], [answer.how], [luck]))]
    return chosen, scored[chosen]


def _size(more: Bytes) -> int:
    return len(more or b"")


def _best(own: Mapping[Bytes, tuple[float, int]], more: Bytes) -> tuple[float, Bytes] | None:
    """One's likeliest move that is a beginning of `more`, and how likely."""
    if more is END:
        return (own[END][0], END) if END in own else None
    beginnings = (more[:n] for n in range(len(more) + 1))
    return max(((own[b][0], b) for b in beginnings if b in own), default=None)


def _move(
    members: Sequence[Member],
    late: Sequence[Member],
    moves: Sequence[Mapping[Bytes, tuple[float, int]]],
    more: bytes,
) -> None:
    """Let those who move write their token; all others have that much more to write."""
    for member, own in zip(late, moves, strict=True):
        best = _best(own, more)
        assert best is not None
        assert best[1] is not None
        member.take(own[best[1]][1], more)
    for member in members:
        if member not in late:
            member.behind += more
