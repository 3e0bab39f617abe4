"""Who wins when several answers lead with the same share of the votes."""

import random
from abc import abstractmethod
from collections.abc import Sequence
from typing import ClassVar

from composer.methods.reductions.base import Shares
from composer.values import Text, Typed
from composer.values.finite import finite


class Ties(Typed):
    """Which answer wins among equals.

    `early` says that the first candidate is picked where only one answer leads, so that a vote may
    stop before all who gave that answer were asked.
    """

    early: ClassVar[bool] = False

    @abstractmethod
    def pick(self, texts: Sequence[Text], shares: Shares, rng: random.Random) -> int:
        """Return the index of the winner among the candidates that lead the count.

        Where only one answer leads there is no tie, and one candidate that gave it is picked.
        """

    def order(self, texts: Sequence[Text], rng: random.Random) -> list[int]:
        """Return the indices of equals in an order: each time, one of those left is picked."""
        waiting, order = list(range(len(texts))), list[int]()
        while waiting:
            equal = Shares.of_groups(
                len(waiting), tuple((at,) for at in range(len(waiting))), [1.0] * len(waiting)
            )
            order.append(waiting.pop(self.pick([texts[at] for at in waiting], equal, rng)))
        return order


class First(Ties):
    """The answer that was given first."""

    name: ClassVar[str] = "first"
    early: ClassVar[bool] = True

    def pick(self, texts: Sequence[Text], shares: Shares, rng: random.Random) -> int:
        """Return the first candidate of the first leading answer."""
        del texts, rng
        return shares.leaders()[0][0]


class Seeded(Ties):
    """A random one of the leading answers, the same in every run with the same seed."""

    name: ClassVar[str] = "seeded"
    early: ClassVar[bool] = True

    def pick(self, texts: Sequence[Text], shares: Shares, rng: random.Random) -> int:
        """Draw an answer, each as likely, and return the first candidate that gave it."""
        del texts
        leaders = shares.leaders()
        return rng.choice(leaders)[0] if len(leaders) > 1 else leaders[0][0]


class Surest(Ties):
    """The most confident one of the leading answers; an unknown confidence comes last."""

    name: ClassVar[str] = "confident"

    def pick(self, texts: Sequence[Text], shares: Shares, rng: random.Random) -> int:
        """Return the candidate with the greatest confidence, the earliest among equals."""
        del rng
        everyone = sorted(index for group in shares.leaders() for index in group)
        return max(everyone, key=lambda index: _confidence(texts[index]))


def _confidence(text: Text) -> float:
    confidence = finite(text.confidence)
    return -1.0 if confidence is None else confidence
