"""What is kept of each byte of a text: its log-probability, and details where they are wanted."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from composer.engine.sessions.prefixes.view import END
from composer.heavy import np
from composer.values.details import LikelyToken, MemberChoice, TokenChoice

if TYPE_CHECKING:
    from collections.abc import Sequence

    from composer.engine.sessions.prefixes.byte_trie import Floats
    from composer.engine.sessions.prefixes.joint import JointPrefix
    from composer.values.details import TokenDetail

__all__ = ["ByteStep", "ByteSteps"]


class ByteStep(NamedTuple):
    """A byte of a text, or its end: its log-probability, and its details where wanted."""

    logprob: float
    choice: TokenChoice | None = None


@dataclass(frozen=True, eq=False, slots=True)
class ByteSteps:
    """Makes the steps of texts that members of some `names` and `weights` write."""

    names: Sequence[str]
    weights: Sequence[float]
    detail: TokenDetail | None

    def step(self, place: JointPrefix, logprobs: Floats, byte: int) -> ByteStep:
        """Return the step from a text to a byte; `logprobs` [257] are those of what may follow."""
        logprob = float(logprobs[byte])
        if self.detail is None:
            return ByteStep(logprob)
        members = tuple(self._members(place, byte)) if self.detail.members else ()
        top = _likeliest(logprobs, self.detail.top)
        return ByteStep(logprob, TokenChoice(LikelyToken(_piece(byte), logprob), top, members))

    def _members(self, place: JointPrefix, byte: int) -> list[MemberChoice]:
        assert self.detail is not None
        return [
            MemberChoice(
                name,
                weight,
                float(prefix.following[byte]),
                _likeliest(prefix.following, min(self.detail.members, self.detail.top)),
            )
            for name, weight, prefix in zip(self.names, self.weights, place.members, strict=True)
        ]


def _likeliest(logprobs: Floats, count: int) -> tuple[LikelyToken, ...]:
    order = np.argsort(-logprobs, kind="stable")[:count].tolist()
    pairs = ((byte, float(logprobs[byte])) for byte in order)
    return tuple(LikelyToken(_piece(byte), value) for byte, value in pairs if value > -math.inf)


def _piece(byte: int) -> bytes:
    return b"" if byte == END else bytes([byte])
