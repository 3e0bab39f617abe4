"""What is wanted of each token of an answer beside its text, and what comes of that."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import NamedTuple

__all__ = ["LikelyToken", "MemberChoice", "TokenChoice", "TokenDetail"]


@dataclass(frozen=True, slots=True)
class TokenDetail:
    """What is wanted of each token: its likely alternatives, and what each member would write.

    `top` is how many of the likeliest tokens are wanted, `ids` are chosen ones beside them, of the
    tokenizer of the first model, and `members` is how many of each member's likeliest tokens are
    wanted. An id that a fuse cannot write has a log-probability of minus infinity.
    """

    top: int = 0
    ids: tuple[int, ...] = ()
    members: int = 0

    def __or__(self, other: TokenDetail) -> TokenDetail:
        """Return what two want together."""
        ids = tuple(dict.fromkeys((*self.ids, *other.ids)))
        return TokenDetail(max(self.top, other.top), ids, max(self.members, other.members))

    def trimmed(self, choice: TokenChoice) -> TokenChoice:
        """Return a choice without the likely tokens that something else wanted besides."""
        top = choice.top[: self.top]
        there = {token.id for token in top}
        by_id = {token.id: token for token in choice.top[self.top :]}
        others = [by_id[number] for number in self.ids if number not in there and number in by_id]
        return replace(choice, top=(*top, *others))


class LikelyToken(NamedTuple):
    """A token that could stand in a place: its bytes, its log-probability (nats), and its id.

    The id is that of the tokenizer of the first model; it is None where that has no such token.
    The token that ends an answer has no bytes.
    """

    piece: bytes
    logprob: float
    id: int | None = None


@dataclass(frozen=True, slots=True)
class MemberChoice:
    """What one member of a fuse said of a place, in its own distribution.

    `weight` is its share in this place. `logprob` is that of the token that was chosen, of all its
    tokens for the same bytes, None where it needs several tokens for them or a server does not say.
    `top` are its likeliest tokens, the likeliest first. A member that was not asked there has the
    weight 0, and nothing else; where one member writes at a time, that one has the weight 1.
    `members` are those of a member that is a fuse itself; their weights are shares of it.
    """

    name: str
    weight: float
    logprob: float | None = None
    top: tuple[LikelyToken, ...] = ()
    members: tuple[MemberChoice, ...] = ()


@dataclass(frozen=True, slots=True)
class TokenChoice:
    """The token of one place of a text, with what else could stand there.

    `top` are the likeliest tokens of the model, or of the fused distribution, the likeliest first,
    and behind them the chosen ids that are not among them. `members` are those of a fuse.
    """

    chosen: LikelyToken
    top: tuple[LikelyToken, ...] = ()
    members: tuple[MemberChoice, ...] = ()

    @property
    def winner(self) -> MemberChoice | None:
        """The member that gave most to the chosen token, None where there are no members."""
        return max(self.members, key=_given, default=None)


def _given(member: MemberChoice) -> tuple[float, float]:
    """Return what a member gave to the chosen token: a probability by its weight."""
    likely = 0.0 if member.logprob is None else math.exp(min(member.logprob, 0.0))
    return member.weight * likely, member.weight
