"""Fitted deferral between two recorded models, beside maximum probability and query routers."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from table_text import figure, markdown

from cascade_tables._recorded import LLAMA, QWEN_OAI, recorded_table
from cascade_tables.chain import ROUTERS
from composer.methods.post_hoc.estimator import PostHoc
from composer.metrics import drawn_interval, full_apgr

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from composer.methods.cascade_table import CascadeTable

B1, B3, B8, B70, B405 = LLAMA
PAIRS = {
    "mmlu, 8B to 70B": ("cascades_mmlu_llama", (B8, B70)),
    "mmlu, 8B to 405B": ("cascades_mmlu_llama", (B8, B405)),
    "mmlu, 1B to 405B": ("cascades_mmlu_llama", (B1, B405)),
    "mmlu, 70B to 405B": ("cascades_mmlu_llama", (B70, B405)),
    "mmlu, 1B to 405B, 3B is read too": ("cascades_mmlu_llama", (B1, B3, B405)),
    "mmlu, gpt-4o-mini to gpt-4o": ("cascades_mmlu_qwen_oai", (QWEN_OAI[0], QWEN_OAI[3])),
    "mmlu, gpt-4o-mini to Qwen 72B": ("cascades_mmlu_qwen_oai", (QWEN_OAI[0], QWEN_OAI[2])),
    "triviaqa, 8B to 70B": ("cascades_triviaqa_llama", (B8, B70)),
    "triviaqa, 8B to 405B": ("cascades_triviaqa_llama", (B8, B405)),
    "triviaqa, 1B to 405B": ("cascades_triviaqa_llama", (B1, B405)),
    "triviaqa, 1B to 405B, 3B is read too": ("cascades_triviaqa_llama", (B1, B3, B405)),
    "triviaqa, gpt-4o-mini to gpt-4o": (
        "cascades_triviaqa_qwen_oai",
        (QWEN_OAI[0], QWEN_OAI[3]),
    ),
}
HEAD = (
    "models",
    "maximum probability",
    "best router",
    "`post_hoc`",
    "over maximum probability",
    "over the router",
)
DRAWS = 400


def table(data: Path) -> str:
    """Return the APGR of each signal on the test rows, all fitted on the training rows."""
    return markdown(HEAD, [_line(data, name) for name in PAIRS])


def _line(data: Path, name: str) -> Sequence[str]:
    file, models = PAIRS[name]
    train, test = (recorded_table(data, f"{file}_{part}", models) for part in ("train", "test"))
    weak, strong = test.quality[:, 0], test.quality[:, -1]
    unsure = -np.nan_to_num(test.signal("confidence")[:, 0], nan=0.0)
    scores = [unsure, *_by_question(train, test, strong, weak), _by_answers(train, test)]
    raw, router, ours = _drawn(scores, weak, strong)
    intervals = [drawn_interval(each) for each in (raw, router, ours)]
    leads = [drawn_interval(ours - raw), drawn_interval(ours - router)]
    return [
        name,
        *(figure(each, ".3f") for each in intervals),
        *(figure(each, "+.3f") for each in leads),
    ]


def _by_answers(train: CascadeTable, test: CascadeTable) -> np.ndarray:
    """Return how much better the last stage would be than the first, by all answers before it."""
    part, asked = PostHoc(), range(len(train.names) - 1)
    mean = part.predict(part.fit(train, 0), [row.before(asked) for row in test.rows]).mean
    return mean[:, -1] - mean[:, 0]


def _by_question(
    train: CascadeTable, test: CascadeTable, strong: np.ndarray, weak: np.ndarray
) -> list[np.ndarray]:
    """Return the scores of the router that is best on the test rows, which favours it."""
    labels, asked = train.labels, test.labels.asked
    means = [router.predict(router.fit(labels, 0), asked).mean for router in ROUTERS.values()]
    scores = [mean[:, -1] - mean[:, 0] for mean in means]
    return [max(scores, key=lambda each: full_apgr(each, weak, strong))]


def _drawn(scores: list[np.ndarray], weak: np.ndarray, strong: np.ndarray) -> np.ndarray:
    """Return the APGR of each score [scores, 1 + draws]: as it is, then on resampled rows."""
    rng, count = np.random.default_rng(0), len(weak)
    rows = [np.arange(count), *(rng.integers(count, size=count) for _ in range(DRAWS))]
    return np.array([[full_apgr(s[at], weak[at], strong[at]) for at in rows] for s in scores])
