"""Loading what other packages register; one that is broken is left out, and named."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING

from composer.quiet import aloud

if TYPE_CHECKING:
    from importlib.metadata import EntryPoint

__all__ = ["leave_out", "load_plugin"]


def load_plugin(entry: EntryPoint, what: str) -> object | None:
    """Import a part, a step or a backend of another package; warn and return None if it fails."""
    try:
        plugin: object = entry.load()
    except Exception as error:  # noqa: BLE001 - a plugin may raise anything
        leave_out(entry, what, f"it cannot be imported ({type(error).__name__}: {error})")
        return None
    return plugin


def leave_out(entry: EntryPoint, what: str, why: str) -> None:
    """Warn that a plugin is not used: one bad plugin must not stop the others."""
    package = entry.dist.name if entry.dist is not None else entry.value.partition(".")[0]
    text = f"the {what} `{entry.name}` of the package `{package}` is left out: {why}"
    with aloud():
        warnings.warn(f"{text}; update that package, or uninstall it", stacklevel=3)
