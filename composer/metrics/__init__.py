"""Comparing answers, and how sure a comparison is: pure functions over texts and numbers."""

from composer.metrics.bleu import bleu
from composer.metrics.intervals import Interval, difference_interval, mean_interval
from composer.metrics.numbers import last_number, number, numbers
from composer.metrics.text import (
    contains,
    edit_distance,
    exact,
    normalised,
    numeric,
    rouge_l,
    similarity,
    token_f1,
)

__all__ = [
    "Interval",
    "bleu",
    "contains",
    "difference_interval",
    "edit_distance",
    "exact",
    "last_number",
    "mean_interval",
    "normalised",
    "number",
    "numbers",
    "numeric",
    "rouge_l",
    "similarity",
    "token_f1",
]
