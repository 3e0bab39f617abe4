"""What else could follow in a byte fuse, and what each member wrote: bytes, and no token ids."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from composer.values.details import LikelyToken, MemberChoice, TokenChoice

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from composer.engine.requests.rank import Ranked
    from composer.engine.sessions.byte_moves import Agreement, ByteMember, Move
    from composer.values.details import TokenDetail

__all__ = ["Alternatives"]


@dataclass(frozen=True, eq=False, slots=True)
class Alternatives:
    """The `ways` in which an answer can go on, likeliest first, and the members' rankings."""

    ways: Sequence[Agreement]
    rankings: Mapping[ByteMember, Ranked]
    detail: TokenDetail

    def choice(self, members: Sequence[ByteMember], way: Agreement, logprob: float) -> TokenChoice:
        """Return the details of a way that was taken; `logprob` is that of its bytes.

        It is more than the way's own, where tokens that add no text went before it.
        """
        before = logprob - way.logprob
        chosen = LikelyToken(way.continuation or b"", logprob)
        top = {way.continuation: chosen}
        for other in self.ways:
            if other.continuation != b"":
                piece = other.continuation or b""
                top.setdefault(other.continuation, LikelyToken(piece, before + other.logprob))
        ranked = sorted(top.values(), key=lambda each: (-each.logprob, each is not chosen))
        by_member = tuple(self._members(members, way)) if self.detail.members else ()
        return TokenChoice(chosen, tuple(ranked[: self.detail.top]), by_member)

    def _members(self, members: Sequence[ByteMember], way: Agreement) -> list[MemberChoice]:
        """What each member wrote; one that waited for the others has no weight here."""
        moves = dict(zip((member.name for member in self.rankings), way.moves, strict=True))
        rankings = {member.name: ranked for member, ranked in self.rankings.items()}
        return [
            self._member(member, moves[member.name], rankings[member.name])
            if member.name in moves
            else MemberChoice(member.name, 0.0)
            for member in members
        ]

    def _member(self, member: ByteMember, move: Move, ranked: Ranked) -> MemberChoice:
        group = member.sequence.group
        pairs = zip(ranked.entries, ranked.logprobs, strict=True)
        top = [LikelyToken(group.piece(entry), logprob) for entry, logprob in pairs]
        return MemberChoice(
            member.name, member.weight, move.logprob, tuple(top[: self.detail.members])
        )
