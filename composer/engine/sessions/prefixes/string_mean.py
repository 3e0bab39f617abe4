"""The kind of parts that make one value of the members' probabilities of a string."""

from __future__ import annotations

from abc import abstractmethod
from typing import TYPE_CHECKING

from composer.values.typed import Typed

if TYPE_CHECKING:
    from collections.abc import Sequence

    from composer.engine.sessions.prefixes.byte_trie import Floats

__all__ = ["StringMean"]


class StringMean(Typed):
    """How the members' probabilities of a string become one value; arXiv:2603.05432 calls it f."""

    @abstractmethod
    def logs(self, logprobs: Floats, weights: Sequence[float]) -> Floats:
        """Return the logarithms [string] of the values of some strings.

        `logprobs` are [member, string], minus infinity where a member does not write a string.
        `weights` [member] are above zero, with the sum 1.
        """
