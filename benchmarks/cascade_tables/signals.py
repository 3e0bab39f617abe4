"""How well single signals of the first answer say whether to ask the next model."""

from __future__ import annotations

import json
import tempfile
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from table_text import markdown, percent

from cascade_tables._curves_of_signals import recovered
from cascade_tables._recorded import (
    LLAMA,
    QWEN_OAI,
    reading,
    recipe_table,
    recorded_file,
    recorded_table,
)

if TYPE_CHECKING:
    from composer.methods.cascade_table import CascadeTable

MMLU, TRIVIAQA = "cascades_mmlu_llama_test", "cascades_triviaqa_llama_test"
OPENAI = "cascades_mmlu_qwen_oai_test", "cascades_triviaqa_qwen_oai_test"

PAIRS = (
    (MMLU, LLAMA[2], LLAMA[3], 0.706),
    (MMLU, LLAMA[2], LLAMA[4], 0.696),
    (MMLU, LLAMA[0], LLAMA[4], 0.557),
    (MMLU, LLAMA[3], LLAMA[4], 0.838),
    (OPENAI[0], QWEN_OAI[0], QWEN_OAI[2], 0.813),
    (OPENAI[0], QWEN_OAI[0], QWEN_OAI[3], 0.784),
    (TRIVIAQA, LLAMA[2], LLAMA[3], 0.821),
    (TRIVIAQA, LLAMA[2], LLAMA[4], 0.805),
    (TRIVIAQA, LLAMA[0], LLAMA[4], 0.492),
    (OPENAI[1], QWEN_OAI[0], QWEN_OAI[3], None),
)
"""A file, two of its models, and the APGR of maximum probability that is to be reproduced."""

ZOO = (
    "confidence",
    "probability",
    "probability(of = first)",
    "probability(of = least)",
    "token_margin(of = least)",
    "token_entropy(of = least)",
    "uniform_distance(of = least)",
    "mean_logprob",
    "sum_logprob",
    "min_logprob",
    "quantile(at = 0.1)",
    "length",
)
VOTED = ("agreement", "support", "entropy")
DRAWS = 5


def table(data: Path) -> str:
    """Return APGR of maximum probability on recorded pairs, and of every signal on the zoo."""
    recorded = [_recorded_line(data, *pair) for pair in PAIRS]
    head = ("rows", "first", "right", "next", "right", "APGR", "expected", "unknown")
    parts = [
        "Maximum probability, `accept = probability >= t` over all t, on recorded pairs:",
        markdown(head, recorded),
        "The zoo's 1,550 validation items, `general` then `large`, which is asked where in doubt:",
        markdown(("signal", "APGR", "unknown"), _zoo()),
    ]
    return "\n\n".join(parts)


def _recorded_line(
    data: Path, file: str, first: str, last: str, expected: float | None
) -> list[str]:
    if not recorded_file(data, file).exists():
        raise FileNotFoundError(recorded_file(data, file))
    rows = recorded_table(data, file, (first, last), ("probability",))
    weak, strong = rows.quality.T
    return [
        file.removeprefix("cascades_"),
        first,
        percent(weak.tolist()),
        last,
        percent(strong.tolist()),
        recovered(rows.signal("probability")[:, 0], weak, strong),
        "" if expected is None else f"{expected:.3f}",
        str(int(np.isnan(rows.signal("probability")[:, 0]).sum())),
    ]


def _zoo() -> list[list[str]]:
    """Return a line for each signal of a greedy answer, and of a vote over draws."""
    use = 'use "zoo.ens" (general, large)\n'
    vote = f"sample(general, {DRAWS}) -> vote()"
    with tempfile.TemporaryDirectory() as folder:
        items = _unrecorded(Path(folder))
        alone = recipe_table(f"{use}cascade(general, large, accept = {reading(ZOO)})\n", items)
        voted = recipe_table(f"{use}{vote} -> cascade(large, accept = {reading(VOTED)})\n", items)
    lines = [_zoo_line(alone, name, f"`{name}`") for name in ZOO]
    return lines + [_zoo_line(voted, name, f"`{name}` of {DRAWS} draws") for name in VOTED]


def _unrecorded(folder: Path) -> Path:
    """Write the zoo's items without the recorded answers, so that the models are asked."""
    path = folder / "items.jsonl"
    lines = (files("composer.zoo") / "items" / "validation.jsonl").read_text().splitlines()
    rows = [{**json.loads(line), "recorded": {}} for line in lines]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


def _zoo_line(rows: CascadeTable, name: str, title: str) -> list[str]:
    written = name.replace("= first", '= "first"').replace("= least", '= "least"')
    falling = name.startswith(("token_entropy", "entropy", "length"))
    signal = rows.signal(written)[:, 0] * (-1 if falling else 1)
    known = np.isfinite(rows.quality).all(axis=1)
    weak, strong = rows.quality[known].T
    figure = recovered(signal[known], weak, strong)
    return [title, figure, str(int(np.isnan(signal).sum()))]
