"""Data sets, judging, and reports on how good, dear and slow a recipe is."""

from composer.evaluate.comparison import Comparison, compare, render
from composer.evaluate.dataset import divide, read_rows
from composer.evaluate.decisions import Decided, decide_only
from composer.evaluate.judge import Compare, judge, matches
from composer.evaluate.measure import evaluate
from composer.evaluate.plot import draw_plot
from composer.evaluate.report import Report
from composer.evaluate.rows import EvaluationRow
from composer.evaluate.table import decided, shown

__all__ = [
    "Compare",
    "Comparison",
    "Decided",
    "EvaluationRow",
    "Report",
    "compare",
    "decide_only",
    "decided",
    "divide",
    "draw_plot",
    "evaluate",
    "judge",
    "matches",
    "read_rows",
    "render",
    "shown",
]
