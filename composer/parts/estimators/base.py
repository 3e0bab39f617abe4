"""What an estimator is asked and what it gives: the quality that each choice would have."""

from abc import abstractmethod
from dataclasses import dataclass
from typing import ClassVar

from composer.ports import Asker, Model, Query, Typed


@dataclass(frozen=True, slots=True)
class Choice:
    """One of the branches, or members, that a `route` decides among.

    `aliases` are the other names under which data files may know it. `model` is None where a
    branch is more than a model. `price` is in dollars per million tokens, the mean of prompt and
    completion, None where it is not known.
    """

    name: str
    aliases: tuple[str, ...] = ()
    model: Model | None = None
    price: float | None = None

    @property
    def known_as(self) -> tuple[str, ...]:
        """All names of the choice, its own first."""
        return (self.name, *self.aliases)


@dataclass(frozen=True, slots=True)
class Estimates:
    """A quality for each choice, greater is better, and in words how it was found."""

    quality: tuple[float, ...]
    because: str = ""


class Estimator(Typed):
    """How good each choice would be for a query.

    `needs` names what every choice's model must be able to do.
    """

    needs: ClassVar[frozenset[str]] = frozenset()

    @abstractmethod
    async def estimate(self, query: Query, choices: tuple[Choice, ...], ask: Asker) -> Estimates:
        """Estimate the quality of every choice for this query."""
