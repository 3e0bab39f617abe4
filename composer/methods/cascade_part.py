"""What is fitted on the answers of a cascade: acceptances, signals, and estimators."""

from __future__ import annotations

from abc import abstractmethod
from typing import TYPE_CHECKING

from composer.methods.fitted import FittedPart

if TYPE_CHECKING:
    from collections.abc import Iterator

    from composer.methods.cascade_table import CascadeTable
    from composer.values import State

__all__ = ["CascadePart"]


class CascadePart(FittedPart):
    """A part that `compose fit` fits on what every stage of a cascade answers."""

    @abstractmethod
    def fit(self, table: CascadeTable, seed: int) -> State:
        """Learn from what every stage answered; the same for the same seed.

        The state's facts name the part (`"part": self.name`) and the stages (`"names"`). Raises
        PartError (E509) where the rows do not say enough.
        """

    def notes(self, state: State) -> Iterator[str]:
        """Yield what a person should read of what was learnt."""
        del state
        yield from ()
