"""Who wrote a token, where one member of several writes alone: a span fuse, a handoff."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from composer.values.details import MemberChoice

if TYPE_CHECKING:
    from collections.abc import Sequence

    from composer.checkpoints.vocabulary import Vocabulary
    from composer.engine.group import Group
    from composer.values.details import LikelyToken, TokenChoice, TokenDetail

__all__ = ["Writers"]


@dataclass(frozen=True, eq=False, slots=True)
class Writers:
    """The members of which one writes at a time, and the tokenizer that ids are told by, if any."""

    names: Sequence[str]
    first: Vocabulary | None
    detail: TokenDetail | None

    @classmethod
    def of(cls, names: Sequence[str], first: Group, detail: TokenDetail | None) -> Writers:
        """Return the writers of an answer; `first` is the first member."""
        return cls(names, _vocabulary(first), detail)

    def sign(self, choice: TokenChoice, writer: str, group: Group | None = None) -> TokenChoice:
        """Return a choice of one member as that of all: the others have no weight in it.

        `group` is that member, where the engine runs it.
        """
        first = self.first
        if group is None or first is None or _vocabulary(group).fingerprint != first.fingerprint:
            choice = self._renumbered(choice)
        if self.detail is None or not self.detail.members:
            return choice
        top = choice.top[: min(self.detail.members, self.detail.top)]
        own = MemberChoice(writer, 1.0, choice.chosen.logprob, top, choice.members)
        members = [own if name == writer else MemberChoice(name, 0.0) for name in self.names]
        return replace(choice, members=tuple(members))

    def _renumbered(self, choice: TokenChoice) -> TokenChoice:
        """Return a choice with the ids that the first member's tokenizer has for its tokens."""
        top = tuple(map(self._token, choice.top))
        members = tuple(map(self._member, choice.members))
        return replace(choice, chosen=self._token(choice.chosen), top=top, members=members)

    def _member(self, member: MemberChoice) -> MemberChoice:
        top, members = tuple(map(self._token, member.top)), tuple(map(self._member, member.members))
        return replace(member, top=top, members=members)

    def _token(self, token: LikelyToken) -> LikelyToken:
        number = None if self.first is None else self.first.ids.get(token.piece)
        return token._replace(id=number)


def _vocabulary(group: Group) -> Vocabulary:
    return group.slots[0].runner.model.vocabulary
