"""What an evaluation asks of a recipe; `composer.recipe` gives it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from contextlib import AbstractContextManager

    from composer.models import Declaration

__all__ = ["Answered", "Ensemble", "Recipe"]


class Answered(Protocol):
    """What a recipe gives for a row."""

    id: str
    answer: str | None
    members: Mapping[str, Mapping[str, Any]]
    error: Any


class Ensemble(Protocol):
    """A recipe whose models are loaded."""

    def map(self, rows: Iterable[Mapping[str, Any]]) -> Iterator[Answered]:
        """Answer rows, in any order."""
        ...


class Recipe(Protocol):
    """What is evaluated."""

    name: str
    models: Mapping[str, Declaration]

    def ready(self) -> AbstractContextManager[Ensemble]:
        """Load the models."""
        ...

    def alone(self, model: str) -> Recipe:
        """Make the recipe that only asks one of the models."""
        ...
