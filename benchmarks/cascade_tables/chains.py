"""The recorded chains: how good and how dear each model is, and what its confidence tells."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from sklearn.metrics import roc_auc_score
from table_text import figure, markdown, percent, resampled

from cascade_tables._recorded import LLAMA, QWEN_OAI, recorded_table

if TYPE_CHECKING:
    from pathlib import Path

CHAINS = {
    "cascades_mmlu_llama_test": LLAMA,
    "cascades_triviaqa_llama_test": LLAMA,
    "cascades_mmlu_qwen_oai_test": QWEN_OAI,
    "cascades_triviaqa_qwen_oai_test": QWEN_OAI,
}
HEAD = ("rows", "model", "right", "dollars for 1,000", "AUROC of `confidence`", "unknown")
DRAWS = 300


def table(data: Path) -> str:
    """Return accuracy, cost and the AUROC of the mean token probability of every model."""
    lines = []
    for file, models in CHAINS.items():
        chain = recorded_table(data, file, models)
        confidence = chain.signal("confidence")
        for at, model in enumerate(models):
            signal, right = confidence[:, at], chain.quality[:, at]
            lines.append(
                [
                    f"{file.removeprefix('cascades_')}, {len(chain.rows)}",
                    model,
                    percent(right.tolist()),
                    f"{1000 * np.nanmean(chain.cost[:, at]):.4f}",
                    _auroc(signal, right),
                    str(int(np.isnan(signal).sum())),
                ]
            )
    return markdown(HEAD, lines)


def _auroc(signal: np.ndarray, right: np.ndarray) -> str:
    """Write the AUROC where the signal is known, with its 95% bootstrap interval over rows."""
    known = np.isfinite(signal)
    return figure(resampled(_area, right[known], signal[known], draws=DRAWS), ".3f")


def _area(right: np.ndarray, signal: np.ndarray) -> float:
    return float(roc_auc_score(right, signal)) if 0 < right.sum() < len(right) else np.nan
