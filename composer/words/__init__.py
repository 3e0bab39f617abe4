"""Places in a file, diagnostics, drawing them, and did-you-mean."""

from composer.words.cells import visible
from composer.words.codes import CODES, explanation
from composer.words.diagnostics import Diagnostic, Mistakes, Note
from composer.words.drawing import draw
from composer.words.nearest import did_you_mean, nearest
from composer.words.places import Place, Source

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
    "nearest",
    "visible",
]
