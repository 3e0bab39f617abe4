"""Data files of questions and recorded answers, read once for whoever needs them."""

from composer.data.batch import CUSTOM, REQUEST
from composer.data.messages import media_of, messages_of, query_of, whole
from composer.data.outcomes import (
    confidence_of,
    cost_of,
    logprobs_of,
    quality_of,
    recorded_of,
    stand_in,
)
from composer.data.reading import Line, parsed, read, read_stream
from composer.data.row import (
    JUDGED,
    PAIRS,
    SHAPE,
    BadRow,
    Unreadable,
    id_of,
    pair_of,
    references_of,
    tags_of,
)

__all__ = [
    "CUSTOM",
    "JUDGED",
    "PAIRS",
    "REQUEST",
    "SHAPE",
    "BadRow",
    "Line",
    "Unreadable",
    "confidence_of",
    "cost_of",
    "id_of",
    "logprobs_of",
    "media_of",
    "messages_of",
    "pair_of",
    "parsed",
    "quality_of",
    "query_of",
    "read",
    "read_stream",
    "recorded_of",
    "references_of",
    "stand_in",
    "tags_of",
    "whole",
]
