"""The backends that `model A = ...` can name."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import cached_property
from importlib import import_module
from typing import TYPE_CHECKING

from composer.diagnostics.plugins import leave_out, load_plugin

if TYPE_CHECKING:
    from importlib.metadata import EntryPoint

    from composer.specs.declaration import Declaration

__all__ = ["BACKENDS"]

BUILT_IN = {
    "hf": "HF",
    "zoo": "Zoo",
    "recorded": "Recorded",
    "fake": "Fake",
    "endpoint": "Endpoint",
    "seq2seq": "Seq2Seq",
    "reward_model": "RewardModel",
    "zoo_reward": "ZooReward",
    "zoo_seq2seq": "ZooSeq2Seq",
}
"""The built-in backends: each has a module of its name in this package, imported on use."""

GROUP = "composer.models"


class Backends(Mapping[str, "type[Declaration]"]):
    """Backends by name: the built-in ones, then those that other packages register."""

    @cached_property
    def _all(self) -> dict[str, type[Declaration]]:
        from importlib.metadata import entry_points

        plugged = {point.name: point for point in entry_points(group=GROUP)}
        own = {name: _built_in(name) for name in BUILT_IN}
        others = {name: _plugged(point) for name, point in plugged.items()}
        return {name: backend for name, backend in others.items() if backend is not None} | own

    def __getitem__(self, name: str) -> type[Declaration]:
        """Return a backend; the installed packages are searched only for a foreign name."""
        return _built_in(name) if name in BUILT_IN else self._all[name]

    def __contains__(self, name: object) -> bool:
        return name in BUILT_IN or name in self._all

    def __iter__(self) -> Iterator[str]:
        return iter(self._all)

    def __len__(self) -> int:
        return len(self._all)


BACKENDS: Mapping[str, type[Declaration]] = Backends()
"""Every backend by the name that recipes use; a built-in name cannot be taken over."""


def _plugged(point: EntryPoint) -> type[Declaration] | None:
    """Return the backend of another package, None for what cannot be used."""
    from composer.specs.declaration import Declaration

    backend = load_plugin(point, "backend")
    if backend is None or (isinstance(backend, type) and issubclass(backend, Declaration)):
        return backend
    leave_out(point, "backend", "it is not a subclass of `Local` or `Remote`")
    return None


def _built_in(name: str) -> type[Declaration]:
    backend: type[Declaration] = getattr(import_module(f"composer.backends.{name}"), BUILT_IN[name])
    return backend
