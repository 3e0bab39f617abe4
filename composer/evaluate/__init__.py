"""Data sets, judging, and reports on how good, dear and slow a recipe is."""

from composer.evaluate.comparison import Comparison, compare
from composer.evaluate.dataset import divide, read_rows
from composer.evaluate.judge import Compare, judge, matches
from composer.evaluate.measure import evaluate
from composer.evaluate.report import Report
from composer.evaluate.rows import Row
from composer.evaluate.table import render

__all__ = [
    "Compare",
    "Comparison",
    "Report",
    "Row",
    "compare",
    "divide",
    "evaluate",
    "judge",
    "matches",
    "read_rows",
    "render",
]
