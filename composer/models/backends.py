"""The backends that `model A = ...` can name."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import cached_property

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
    def _own(self) -> dict[str, type[Declaration]]:
        return {backend.name: backend for backend in BUILT_IN}

    @cached_property
    def _all(self) -> dict[str, type[Declaration]]:
        from importlib.metadata import entry_points

        plugged = {point.name: point for point in entry_points(group=GROUP)}
        return {name: point.load() for name, point in plugged.items()} | self._own

    def __getitem__(self, name: str) -> type[Declaration]:
        """Return a backend; the installed packages are searched only for a foreign name."""
        return self._own.get(name) or self._all[name]

    def __contains__(self, name: object) -> bool:
        return name in self._own or name in self._all

    def __iter__(self) -> Iterator[str]:
        return iter(self._all)

    def __len__(self) -> int:
        return len(self._all)


BACKENDS: Mapping[str, type[Declaration]] = Backends()
"""Every backend by the name that recipes use; a built-in name cannot be taken over."""
