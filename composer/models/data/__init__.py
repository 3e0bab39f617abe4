"""Data files of questions and recorded answers, read once for whoever needs them."""

from composer.models.data.reading import BadRow, Line, Unreadable, read
from composer.models.data.row import SHAPE, query_of, recorded_of, tags_of

__all__ = [
    "SHAPE",
    "BadRow",
    "Line",
    "Unreadable",
    "query_of",
    "read",
    "recorded_of",
    "tags_of",
]
