"""Free text: thresholds without labels beside thresholds with labels and maximum probability.

Thresholds are fitted on the 300 questions of the train file and tried on the 1,000 of the test
file. What is compared costs the same: one threshold on the probability of the answers is moved
until it does.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from table_text import gain, markdown, percent

from cascade_tables._curves import mixture
from cascade_tables._guarantees import Trial
from cascade_tables._recorded import LLAMA, recorded_table
from composer.methods.acceptances.certified import Certified, LabelFree
from composer.methods.acceptances.replay import Replay
from composer.methods.agreements.base import Exact
from composer.methods.agreements.cosine import Cosine
from composer.methods.agreements.overlap import F1
from composer.methods.signals.measured import Confidence
from composer.methods.signals.stage_agreement import StageAgreement

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    from composer.methods.acceptances.certified import Guaranteed
    from composer.methods.cascade_table import CascadeTable

STAGES = LLAMA[2:]
SIGNALS = ("confidence", "stage_agreement(by = f1())")
HEAD = (
    "thresholds on the train file",
    "right",
    "dollars for 1,000",
    "as maximum probability at this cost",
    "as a blind mixture at this cost",
    "unlike 405B, promised and achieved",
)
PARTS: dict[str, Guaranteed] = {
    "no labels, `confidence`, same by `exact()`": LabelFree(of=Confidence(), by=Exact(), risk=0.1),
    "no labels, `confidence`, same by `f1()`": LabelFree(of=Confidence(), by=F1(), risk=0.1),
    "no labels, `confidence`, same by `cosine()`": LabelFree(
        of=Confidence(), by=Cosine(), risk=0.1
    ),
    "no labels, `confidence`, at most 20% above $0.0004": LabelFree(
        of=Confidence(), by=F1(), budget=0.0004, beyond=0.2
    ),
    "no labels, `stage_agreement(by = f1())`": LabelFree(
        of=StageAgreement(by=F1()), by=F1(), risk=0.1
    ),
    "labels, `confidence`": Certified(of=Confidence(), risk=0.05, counts="worse_than_last"),
    "labels, `stage_agreement(by = f1())`": Certified(
        of=StageAgreement(by=F1()), risk=0.05, counts="worse_than_last"
    ),
}


def table(data: Path) -> str:
    """Return quality and cost of cascades over the 8B, 70B and 405B models."""
    train = recorded_table(data, "cascades_triviaqa_llama_train", STAGES, SIGNALS)
    test = recorded_table(data, "cascades_triviaqa_llama_test", STAGES, SIGNALS)
    lines = [_line(name, part, train, test) for name, part in PARTS.items()]
    for at in (-2, -1):
        right, cost = test.quality[:, at], float(test.cost[:, at].mean())
        lines.append(
            [f"always {STAGES[at]}", percent(right.tolist()), f"{1000 * cost:.4f}", "", "", ""]
        )
    return markdown(HEAD, lines)


def _line(name: str, part: Guaranteed, train: CascadeTable, test: CascadeTable) -> list[str]:
    rows, quality = part.replay(train)
    others, _ = part.replay(test)
    trial = Trial.of(part, rows, quality, others, 0)
    if trial is None:
        return [name, "refused", "", "", "", ""]
    right, cost = trial.quality.tolist(), float(trial.cost.mean())
    promise = part.promises[0]
    unlike = (
        ""
        if promise.loss != "differs_from_last"
        else f"{100 * promise.limit:.0f}%, {100 * trial.risk:.1f}%"
    )
    return [
        name,
        percent(right),
        f"{1000 * cost:.4f}",
        gain(right, _probability(test, cost).tolist()),
        gain(right, mixture(test, cost).tolist()),
        unlike,
    ]


def _probability(test: CascadeTable, cost: float) -> NDArray[np.float64]:
    """Return the quality of one threshold on the probability that costs as much, or just less."""
    replay = Replay.of(test, Confidence(), None, skips=False)
    levels = np.unique(np.append(replay.signal[:, :-1], 0.0))
    levels = levels[:: max(1, len(levels) // 300)]
    last = np.full(len(levels), -np.inf)
    settings = np.column_stack([*[levels] * (len(STAGES) - 1), last])
    runs = replay.run(settings)
    best = int(np.flatnonzero(runs.cost.mean(1) <= cost)[-1])
    quality: NDArray[np.float64] = runs.of_taken(replay.quality)[best]
    return quality
