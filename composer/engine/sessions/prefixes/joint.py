"""Several members' views of the same texts, and a mean of their probabilities."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from composer.engine.sessions.base import together
from composer.heavy import np

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from composer.engine.sessions.prefixes.byte_trie import Floats
    from composer.engine.sessions.prefixes.view import Prefix, PrefixView

    Mean = Callable[[Floats, Sequence[float]], Floats]
    """Makes the logarithms [text] of those [member, text] of the members, by their weights."""

__all__ = ["JointPrefix", "JointView"]


@dataclass(frozen=True, eq=False, slots=True)
class JointPrefix:
    """A text as all members see it.

    `value` is the logarithm of the mean for it, `following` [257] are those for the text and one
    more byte, or the end.
    """

    text: bytes
    members: Sequence[Prefix]
    value: float
    following: Floats

    @property
    def is_full(self) -> bool:
        """Whether the context of a member has no room for the text."""
        return any(prefix.is_full for prefix in self.members)


class JointView:
    """The members' `views`, the mean of their probabilities and their `weights`, with the sum 1."""

    def __init__(self, views: Sequence[PrefixView], mean: Mean, weights: Sequence[float]) -> None:
        self.views = views
        self._mean, self._weights = mean, weights

    async def start(self) -> JointPrefix:
        """Return the empty text."""
        members = await together([view.start() for view in self.views])
        return self._joint(b"", members, float(self._logs(np.zeros((len(members), 1)))[0]))

    async def extended(self, moves: Sequence[tuple[JointPrefix, int]]) -> list[JointPrefix]:
        """Return each text with one more byte.

        Where nothing can follow a text then, all members look for other ways to write it.
        """
        by_member = await together(
            [
                view.extended([(prefix.members[n], byte) for prefix, byte in moves])
                for n, view in enumerate(self.views)
            ]
        )
        return [
            await self._alive(
                prefix.text + bytes([byte]),
                [own[n] for own in by_member],
                float(prefix.following[byte]),
            )
            for n, (prefix, byte) in enumerate(moves)
        ]

    def retain(self, prefixes: Iterable[JointPrefix]) -> None:
        """Free the cache rows that none of some texts needs."""
        texts = list(prefixes)
        for n, view in enumerate(self.views):
            view.retain(text.members[n] for text in texts)

    async def _alive(self, text: bytes, members: Sequence[Prefix], value: float) -> JointPrefix:
        joint = self._joint(text, members, value)
        if joint.is_full or joint.following.max() > -np.inf:
            return joint
        pairs = zip(self.views, members, strict=True)
        healed = await together([view.healed(prefix) for view, prefix in pairs])
        return self._joint(text, healed, value)

    def _joint(self, text: bytes, members: Sequence[Prefix], value: float) -> JointPrefix:
        table = np.stack([prefix.logprob + prefix.following for prefix in members])
        return JointPrefix(text, tuple(members), value, self._logs(table))

    def _logs(self, table: Floats) -> Floats:
        return self._mean(table, self._weights)
