"""Stages that begin ahead: seconds and dollars of an answer beside one stage after the other."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from table_text import figure, markdown

from cascade_tables._recorded import recorded_table
from composer.evaluate.ahead import seconds_ahead
from composer.metrics import mean_interval

if TYPE_CHECKING:
    from pathlib import Path

PAIRS = {
    "mmlu, 8B to 70B": ("cascades_mmlu_llama_test", ("llama3.1-8b", "llama3.1-70b")),
    "mmlu, 8B to 405B": ("cascades_mmlu_llama_test", ("llama3.1-8b", "llama3.1-405b")),
    "triviaqa, 8B to 70B": ("cascades_triviaqa_llama_test", ("llama3.1-8b", "llama3.1-70b")),
    "mmlu, gpt-4o-mini to gpt-4o": ("cascades_mmlu_qwen_oai_test", ("gpt-4o-mini", "gpt-4o")),
}
SURE = 0.8
HEAD = (
    "pair",
    "go on",
    "seconds in turn",
    "seconds ahead",
    "dollars for 1,000 in turn",
    "dollars for 1,000 ahead",
)


def table(data: Path) -> str:
    """Return both ways of `accept = confidence >= 0.8` on recorded seconds and dollars."""
    lines = []
    for title, (file, models) in PAIRS.items():
        chain = recorded_table(data, file, models)
        confidence = chain.signal("confidence")[:, 0]
        asked = np.where(np.nan_to_num(confidence, nan=-1.0) >= SURE, 1, 2)
        pairs = list(zip(chain.seconds.tolist(), asked.tolist(), strict=True))
        dollars = [(sum(each[:n]), sum(each)) for each, n in zip(chain.cost, asked, strict=True)]
        lines.append(
            [
                title,
                _mean((asked == len(models)).tolist(), 100, 1) + " %",
                _mean([sum(each[:n]) for each, n in pairs], 1, 3),
                _mean([seconds_ahead(each, n, begun=False) for each, n in pairs], 1, 3),
                _mean([in_turn for in_turn, _ in dollars], 1000, 4),
                _mean([ahead for _, ahead in dollars], 1000, 4),
            ]
        )
    return markdown(HEAD, lines)


def _mean(values: list[float], unit: float, digits: int) -> str:
    each = mean_interval([unit * float(value) for value in values])
    return figure(each, f".{digits}f")
