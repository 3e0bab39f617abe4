"""The steps of the language, one file a family, each step one decorated function.

A step's file is imported when the step is first looked up.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import cached_property
from importlib import import_module

from composer.diagnostics.plugins import leave_out, load_plugin
from composer.steps.declare import DECLARED, Step, step
from composer.steps.signature import Input, Role
from composer.steps.site import Complaint, Site

__all__ = ["STEPS", "Complaint", "Input", "Role", "Site", "Step", "step"]

WHERE = {
    "asking": ("model", "generate", "sample"),
    "prompting": ("prompt", "prompted"),
    "branching": ("bank", "choose", "choose_many", "fallback", "hold"),
    "caching": ("neural_cache",),
    "cascading": ("cascade", "every_stage"),
    "classifying": ("classify",),
    "building": ("moe", "stack"),
    "fusing": ("token_fuse", "byte_fuse", "span_fuse", "string_fuse", "handoff", "weigh", "merge"),
    "rewarding": ("rewards", "tune_reward"),
    "panels": ("shuffle", "analyse"),
    "searching": ("process_fuse",),
    "ranking": ("rank", "top", "best", "select", "regenerate"),
    "routing": ("route",),
    "verifying": ("verify",),
    "voting": ("extract", "vote"),
    "polling": ("poll",),
    "weighing": ("weighted",),
    "drawing": ("draw_best",),
    "strategies": ("retrieve", "solve_in_order"),
    "rounds": ("rounds",),
    "debating": ("debate",),
    "coordinating": ("coordinate",),
    "collecting": ("collect",),
    "distilling": ("distill",),
}
"""In which file each step is declared."""

_HOMES = {name: file for file, names in WHERE.items() for name in names}


GROUP = "composer.steps"
"""The entry-point group through which other packages add steps."""


class Steps(Mapping[str, Step]):
    """Steps by name: those of this package, then those that other packages register."""

    def __getitem__(self, name: str) -> Step:
        """Return a step; its file is imported now if it was not."""
        if name not in DECLARED:
            if name in _HOMES:
                import_module(f"composer.steps.{_HOMES[name]}")
            elif name not in self._plugged:
                raise KeyError(name)
        return DECLARED[name]

    def __contains__(self, name: object) -> bool:
        return name in _HOMES or name in DECLARED or name in self._plugged

    def __iter__(self) -> Iterator[str]:
        return iter(dict.fromkeys((*_HOMES, *DECLARED, *self._plugged)))

    def __len__(self) -> int:
        return len({*_HOMES, *DECLARED, *self._plugged})

    @cached_property
    def _plugged(self) -> frozenset[str]:
        """The steps of other packages, which are searched only for a name that is not ours."""
        from importlib.metadata import entry_points

        names = set()
        for point in entry_points(group=GROUP):
            if load_plugin(point, "step") is None:
                continue
            if point.name in DECLARED:
                names.add(point.name)
            else:
                leave_out(point, "step", "it declares no step of this name")
        return frozenset(names)


STEPS: Mapping[str, Step] = Steps()
"""Every step by name."""
