"""The steps of the language, one file a family, each step one decorated function.

A step's file is imported when the step is first looked up.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from importlib import import_module

from composer.steps.declare import DECLARED, Input, Role, Step, step

__all__ = ["STEPS", "Input", "Role", "Step", "step"]

WHERE = {
    "asking": ("model", "generate", "sample", "prompt", "prompted"),
    "banks": ("bank", "choose", "choose_many", "fallback"),
    "cascading": ("cascade",),
    "fusing": ("token_fuse", "span_fuse", "weigh"),
    "ranking": ("rank", "top", "best", "select", "regenerate"),
    "reading": ("extract",),
    "routing": ("route",),
    "voting": ("vote",),
}
"""In which file each step is declared."""

_HOMES = {name: file for file, names in WHERE.items() for name in names}


class Steps(Mapping[str, Step]):
    """Steps by name."""

    def __getitem__(self, name: str) -> Step:
        """Return a step; its file is imported now if it was not."""
        if name not in DECLARED and name in _HOMES:
            import_module(f"composer.steps.{_HOMES[name]}")
        return DECLARED[name]

    def __contains__(self, name: object) -> bool:
        return name in _HOMES or name in DECLARED

    def __iter__(self) -> Iterator[str]:
        return iter(dict.fromkeys((*_HOMES, *DECLARED)))

    def __len__(self) -> int:
        return len({*_HOMES, *DECLARED})


STEPS: Mapping[str, Step] = Steps()
"""Every step by name."""
