"""How often promises are broken: on a population of known risk, and on recorded answers."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np
from table_text import markdown

from cascade_tables._guarantees import Trial
from cascade_tables._recorded import LLAMA, recorded_table
from composer.methods.acceptances.certified import Certified, LabelFree
from composer.methods.acceptances.replay import Replay
from composer.methods.agreements.overlap import F1
from composer.methods.signals.measured import Confidence
from composer.metrics import lower_limit, upper_limit

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    from composer.methods.acceptances.certified import Guaranteed

SIMULATIONS, SPLITS = 200, 100
ROWS = 500
HEAD = (
    "rows, promise with 90% certainty",
    "achieved on other rows, mean (5% to 95% of splits)",
    "broken",
    "refused",
    "cost, last stage alone = 1",
)
SIMULATED: list[Guaranteed] = [
    Certified(risk=0.05),
    Certified(risk=0.05, counts="accepted_errors"),
    Certified(risk=0.05, counts="worse_than_last"),
    LabelFree(of=Confidence(), risk=0.05),
    LabelFree(of=Confidence(), budget=20.0),
]
RECORDED: dict[str, tuple[str, tuple[str, ...], list[Guaranteed]]] = {
    "mmlu, 8B, 70B": (
        "cascades_mmlu_llama_test",
        LLAMA[2:4],
        [
            Certified(risk=0.25),
            Certified(risk=0.2, counts="accepted_errors"),
            Certified(risk=0.05, counts="worse_than_last"),
            LabelFree(of=Confidence(), risk=0.1),
            LabelFree(of=Confidence(), budget=0.0001, beyond=0.5),
        ],
    ),
    "triviaqa, 8B, 70B, 405B": (
        "cascades_triviaqa_llama_test",
        LLAMA[2:],
        [
            Certified(risk=0.1),
            Certified(risk=0.1, counts="accepted_errors"),
            Certified(risk=0.05, counts="worse_than_last"),
            LabelFree(of=Confidence(), by=F1(), risk=0.1),
            LabelFree(of=Confidence(), by=F1(), budget=0.0004, beyond=0.2),
        ],
    ),
}

Draw = Callable[[int], tuple[Replay, "NDArray[np.float64]", Replay]]
"""Returns rows to certify on, how good their answers are taken to be, and other rows."""


def table(data: Path) -> str:
    """Return what promises came to, over splits of a known population and of recorded answers."""
    lines = [_line("known population", part, _simulated(part), SIMULATIONS) for part in SIMULATED]
    for title, (file, models, parts) in RECORDED.items():
        chain = recorded_table(data, file, models)
        lines += [_line(title, part, _recorded(*part.replay(chain)), SPLITS) for part in parts]
    return markdown(HEAD, lines)


def population(seed: int, rows: int) -> Replay:
    """Return two stages: the first errs more on hard questions, and its signal knows of that."""
    rng = np.random.default_rng(seed)
    hard = rng.uniform(size=rows)
    signal = np.stack([1 - hard + rng.normal(0, 0.1, rows), np.zeros(rows)], 1)
    right = np.stack([1 - 0.6 * hard**2, np.full(rows, 0.98)], 1)
    quality = (rng.uniform(size=(rows, 2)) < right).astype(float)
    cost = np.exp(rng.normal(0, 0.3, (rows, 2))) * np.array([1.0, 20.0])
    alike = np.stack([rng.uniform(size=rows) < 1 - 0.4 * hard, np.ones(rows)], 1).astype(float)
    return Replay(signal, quality, cost, np.ones((rows, 2), dtype=bool), alike)


def _simulated(part: Guaranteed) -> Draw:
    everybody = population(10**6, 20_000)

    def draw(seed: int) -> tuple[Replay, NDArray[np.float64], Replay]:
        rows = population(seed, ROWS)
        return rows, rows.quality if part.labelled else rows.alike, everybody

    return draw


def _recorded(replay: Replay, quality: NDArray[np.float64]) -> Draw:
    def draw(seed: int) -> tuple[Replay, NDArray[np.float64], Replay]:
        order = np.random.default_rng(seed).permutation(replay.rows)
        rows, others = order[:ROWS], order[ROWS:]
        return replay.take(rows), quality[rows], replay.take(others)

    return draw


def _line(title: str, part: Guaranteed, draw: Draw, splits: int) -> list[str]:
    """Return a promise, what it came to on other rows, and how often it was broken there."""
    trials = [Trial.of(part, *draw(seed), seed) for seed in range(splits)]
    kept = [trial for trial in trials if trial is not None]
    risks, limit = np.array([trial.risk for trial in kept]), part.promises[0].limit
    low, high = np.quantile(risks, (0.05, 0.95))
    return [
        f"{title}: {part.promises[0]}".replace("$20", "20"),
        f"{100 * risks.mean():.2f}% ({100 * low:.1f} to {100 * high:.1f})",
        _share(int((risks > limit).sum()), len(kept)),
        f"{splits - len(kept)} of {splits}",
        f"{np.mean([trial.saving for trial in kept]):.2f}",
    ]


def _share(count: int, of: int) -> str:
    """Write a share of splits in percent with its exact 95% interval."""
    low, high = lower_limit(count, of, 0.025), upper_limit(count, of, 0.025)
    return f"{100 * count / of:.1f}% ({100 * low:.1f} to {100 * high:.1f})"
