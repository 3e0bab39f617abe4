"""Evaluation: how good, how expensive and how slow a recipe is on a data set.

`dataset` reads the rows, `measure` runs a recipe on them. `judge` grades answers by what was
recorded, else by a grader, which `grading` holds with the recipes of `judges`. `members` does the
same for each member alone. `report` holds the figures and `table` and `sentences` print them. For
recipes with a route, `outcomes` gathers what each choice would have given, `router` and `baselines`
compare the route with simple ones, and `decisions` judges a route without asking any model.
`selection`, `grades` and `certificate` bound what selecting among the members can gain before
anything is built. `arms` runs a synthesis beside the writer alone and beside its panel without
scores. `benchmarks` adds the figures that published benchmarks define. `comparison`
sets several recipes side by side, `plot` draws.
"""

from composer.evaluate.arms import Arms, arms_of
from composer.evaluate.arms_text import drawn_arms
from composer.evaluate.benchmarks import refuse_unjudged
from composer.evaluate.certificate import Certificate, certify
from composer.evaluate.certificate_text import certified
from composer.evaluate.comparison import Comparison, compare, render
from composer.evaluate.dataset import divide, read_rows
from composer.evaluate.decisions import Decided, decide_only
from composer.evaluate.estimate import Estimate, estimate
from composer.evaluate.estimate_text import estimated
from composer.evaluate.grading import Grading, demand_gradable
from composer.evaluate.measure import evaluate
from composer.evaluate.overlap import demand_unseen
from composer.evaluate.plot import draw_plot, save_plot
from composer.evaluate.replayable import demand_replayable
from composer.evaluate.report import Report
from composer.evaluate.row_log import RowLog
from composer.evaluate.rows import EvaluationRow
from composer.evaluate.table import decided, shown

__all__ = [
    "Arms",
    "Certificate",
    "Comparison",
    "Decided",
    "Estimate",
    "EvaluationRow",
    "Grading",
    "Report",
    "RowLog",
    "arms_of",
    "certified",
    "certify",
    "compare",
    "decide_only",
    "decided",
    "demand_gradable",
    "demand_replayable",
    "demand_unseen",
    "divide",
    "draw_plot",
    "drawn_arms",
    "estimate",
    "estimated",
    "evaluate",
    "read_rows",
    "refuse_unjudged",
    "render",
    "save_plot",
    "shown",
]
