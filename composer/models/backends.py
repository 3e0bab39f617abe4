"""The backends that `model A = ...` can name."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import cached_property
from importlib.metadata import entry_points

from composer.models.declaration import Declaration
from composer.models.fake import Fake
from composer.models.hf import HF
from composer.models.recorded import Recorded
from composer.models.zoo import Zoo

__all__ = ["BACKENDS"]

BUILT_IN: tuple[type[Declaration], ...] = (HF, Zoo, Recorded, Fake)
GROUP = "composer.models"


class Backends(Mapping[str, type[Declaration]]):
    """Backends by name: the built-in ones, then those that other packages register."""

    @cached_property
    def _all(self) -> dict[str, type[Declaration]]:
        plugged = {point.name: point for point in entry_points(group=GROUP)}
        own = {backend.name: backend for backend in BUILT_IN}
        return {name: point.load() for name, point in plugged.items()} | own

    def __getitem__(self, name: str) -> type[Declaration]:
        return self._all[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._all)

    def __len__(self) -> int:
        return len(self._all)


BACKENDS: Mapping[str, type[Declaration]] = Backends()
"""Every backend by the name that recipes use; a built-in name cannot be taken over."""
