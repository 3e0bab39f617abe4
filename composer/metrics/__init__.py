"""Comparing answers, and how sure a comparison is: pure functions over texts and numbers."""

from composer.metrics.bounds import loss_p_values, rows_needed
from composer.metrics.curves import (
    aiq,
    apgr,
    cascade_picks,
    cost_at,
    cpt,
    full_apgr,
    gain_over,
    hull,
    hull_places,
    mixture,
    quality_at,
    stops_at,
    threshold_picks,
)
from composer.metrics.intervals import (
    Interval,
    difference_interval,
    drawn_interval,
    mean_interval,
    resampled_means,
)
from composer.metrics.martingale import LEVEL, ExchangeabilityTest
from composer.metrics.numbers import last_number, number, numbers
from composer.metrics.overlap import bleu, bleu_matrix, chrf
from composer.metrics.proportions import lower_limit, upper_limit
from composer.metrics.switches import Switches, threshold_switches, tradeoff_switches
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
    "LEVEL",
    "ExchangeabilityTest",
    "Interval",
    "Switches",
    "aiq",
    "apgr",
    "bleu",
    "bleu_matrix",
    "cascade_picks",
    "chrf",
    "contains",
    "cost_at",
    "cpt",
    "difference_interval",
    "drawn_interval",
    "edit_distance",
    "exact",
    "full_apgr",
    "gain_over",
    "hull",
    "hull_places",
    "last_number",
    "loss_p_values",
    "lower_limit",
    "mean_interval",
    "mixture",
    "normalised",
    "number",
    "numbers",
    "numeric",
    "quality_at",
    "resampled_means",
    "rouge_l",
    "rows_needed",
    "similarity",
    "stops_at",
    "threshold_picks",
    "threshold_switches",
    "token_f1",
    "tradeoff_switches",
    "upper_limit",
]
