"""A declarative composer of language-model ensembles.

A recipe names models and says how they combine; :func:`load` makes one callable.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from composer.diagnostics import Diagnostic, Mistakes
    from composer.recipe import Recipe, load
    from composer.run import Ensemble, Failure, Result
    from composer.values import Query
    from composer.values.details import TokenDetail
    from composer.values.options import AnswerOptions

    __version__: str

__all__ = [
    "AnswerOptions",
    "Diagnostic",
    "Ensemble",
    "Failure",
    "Mistakes",
    "Query",
    "Recipe",
    "Result",
    "TokenDetail",
    "__version__",
    "load",
]

_WHERE = {
    "AnswerOptions": "composer.values.options",
    "Diagnostic": "composer.diagnostics",
    "Ensemble": "composer.run",
    "Failure": "composer.run",
    "Mistakes": "composer.diagnostics",
    "Query": "composer.values",
    "Recipe": "composer.recipe",
    "Result": "composer.run",
    "TokenDetail": "composer.values.details",
    "load": "composer.recipe",
}


def __getattr__(name: str) -> Any:  # noqa: ANN401 - a module attribute can be anything
    """Import the public face on first use, so that floors below it import without it."""
    if name == "__version__":
        from composer.diagnostics.caches import PACKAGE_VERSION

        return PACKAGE_VERSION
    if name in _WHERE:
        return getattr(import_module(_WHERE[name]), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    """List the public face too, though nothing of it may be imported yet."""
    return sorted({*globals(), *__all__})
