"""A declarative composer of language-model ensembles.

A recipe names models and says how they combine; :func:`load` makes one callable.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from composer.recipe import Recipe, load

__all__ = ["Recipe", "__version__", "load"]
__version__ = "0.1.0"


def __getattr__(name: str) -> Any:  # noqa: ANN401 - a module attribute can be anything
    """Import the public face on first use, so that floors below it import without it."""
    if name in ("Recipe", "load"):
        from composer import recipe

        return getattr(recipe, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
