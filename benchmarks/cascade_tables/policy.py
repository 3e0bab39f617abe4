"""The learned policy on recorded chains, beside single models and their mixture of equal cost."""

from __future__ import annotations

from typing import TYPE_CHECKING

from table_text import figure, markdown, percent

from cascade_tables._curves import mixture
from cascade_tables._recorded import LLAMA, recorded_table
from composer.methods.cascade_replay import accepting
from composer.methods.post_hoc.learned_policy import LearnedPolicy
from composer.metrics import mean_interval
from composer.values import Fitted

if TYPE_CHECKING:
    from pathlib import Path

RUNS = (
    ("cascades_mmlu_llama", 0.2),
    ("cascades_mmlu_llama", 0.5),
    ("cascades_triviaqa_llama", 0.2),
)
HEAD = (
    "chain",
    "`cost`",
    "right",
    "dollars for 1,000",
    "calls a question",
    "points above a mixture of single models at that cost",
)


def table(data: Path) -> str:
    """Return what the policy reaches, fitted on the training rows, on the test rows."""
    return markdown(HEAD, [_line(data, chain, cost) for chain, cost in RUNS])


def _line(data: Path, chain: str, cost: float) -> list[str]:
    train, test = (recorded_table(data, f"{chain}_{part}", LLAMA) for part in ("train", "test"))
    part = LearnedPolicy(cost=cost)
    fitted = part.bound(Fitted.of(train.names, len(train.rows), state=part.fit(train, 0)))
    reached = accepting(test, fitted)
    lead = 100 * (reached.quality - mixture(test, float(reached.cost.mean())))
    above = mean_interval(lead.tolist())
    return [
        f"{chain.removeprefix('cascades_')}, {len(test.rows)}",
        f"{cost}",
        percent(reached.quality.tolist()),
        f"{1000 * reached.cost.mean():.4f}",
        f"{reached.asked.sum(1).mean():.2f}",
        figure(above, "+.2f"),
    ]
