"""What a model can do, as flags that are checked before anything is loaded."""

from __future__ import annotations

import enum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["Capability"]


class Capability(enum.Flag):
    """Abilities of a model, combined by `|`."""

    TEXT = enum.auto()
    LOGPROBS = enum.auto()
    LOGITS = enum.auto()
    SCORE = enum.auto()
    CONTINUE = enum.auto()
    HIDDEN = enum.auto()
    WEIGHTS = enum.auto()
    EMBED = enum.auto()
    REWARD = enum.auto()
    CROP = enum.auto()
    NEXT = enum.auto()

    @classmethod
    def named(cls, names: Iterable[str]) -> Capability:
        """The abilities of these names, as parts write them: `score`, `logprobs`."""
        flags = cls(0)
        for name in names:
            flags |= cls[name.upper()]
        return flags

    @property
    def words(self) -> str:
        """The abilities in plain words, as a message names them."""
        words = [_WORDS[flag] for flag in self]
        return " and ".join(words) if words else "nothing"

    def missing(self, needed: Capability) -> tuple[Capability, ...]:
        """Return the needed abilities that are not here, one by one; logits are all of NEXT."""
        has = self | Capability.NEXT if Capability.LOGITS in self else self
        return tuple(needed & ~has)


_WORDS = {
    Capability.TEXT: "answers in text",
    Capability.LOGPROBS: "log-probabilities of its tokens",
    Capability.LOGITS: "next-token logits",
    Capability.SCORE: "scores of a given text",
    Capability.CONTINUE: "continuing a partial answer",
    Capability.HIDDEN: "hidden states",
    Capability.WEIGHTS: "weights on this machine",
    Capability.EMBED: "embeddings of a text",
    Capability.REWARD: "a reward for an answer",
    Capability.CROP: "a cache that can be shortened",
    Capability.NEXT: "log-probabilities of the likeliest next tokens",
}
