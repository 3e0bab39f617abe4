"""Places in a file, diagnostics, drawing them, and did-you-mean.

What only an explanation needs is imported when the first one is given.
"""

from importlib import import_module
from typing import TYPE_CHECKING

from composer.diagnostics.diagnostics import Diagnostic, Note
from composer.diagnostics.drawing import Mistakes, draw
from composer.diagnostics.near_names import did_you_mean, meant, nearest
from composer.diagnostics.places import Place, Source
from composer.diagnostics.printable import visible

if TYPE_CHECKING:
    from composer.diagnostics.codes import CODES, explanation

__all__ = [
    "CODES",
    "Diagnostic",
    "Mistakes",
    "Note",
    "Place",
    "Source",
    "did_you_mean",
    "draw",
    "explanation",
    "meant",
    "nearest",
    "visible",
]

LATER = ("CODES", "explanation")
"""Names of `codes`, which is imported on use."""


def __getattr__(name: str) -> object:
    if name not in LATER:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(f"{__name__}.codes"), name)
    globals()[name] = value
    return value
