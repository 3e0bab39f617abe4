"""Data sets, judging, and reports on how good, dear and slow a recipe is."""

from composer.evaluate.comparison import Comparison, evaluate_all
from composer.evaluate.dataset import divide, read
from composer.evaluate.judge import Compare, judge, matches
from composer.evaluate.measure import evaluate
from composer.evaluate.report import Report
from composer.evaluate.rows import Row

__all__ = [
    "Compare",
    "Comparison",
    "Report",
    "Row",
    "divide",
    "evaluate",
    "evaluate_all",
    "judge",
    "matches",
    "read",
]
