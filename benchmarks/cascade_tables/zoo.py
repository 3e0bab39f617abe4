"""Cascades on the zoo: from one small member to a fused pair, and to the large model.

An answer whose signal is below a threshold is not taken. The threshold is chosen on validation
items: the lowest that keeps 99% of the last stage's accuracy. The figures are of test items.
"""

from __future__ import annotations

import random
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Literal

import numpy as np
from table_text import markdown, percent, ratio

from composer import zoo
from composer.backends.zoo import Zoo
from composer.engine.engine import Engine
from composer.evaluate import Grading, read_rows
from composer.methods import Mean, Shared
from composer.specs import Declared, TokenFuse
from composer.values import Generate, Query, Sampling

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from composer.values.flow import Model

    Signal = Callable[[tuple[float, ...]], float]

FIRST, SECOND, LARGE = (
    Declared(name, Zoo(model=name)) for name in ("general-1", "general-2", "large")
)
PAIR = TokenFuse((FIRST, SECOND), ("a", "b"), combine=Mean(), align=Shared())
CHAINS: tuple[tuple[Model, Model, str], ...] = (
    (FIRST, PAIR, "general-1 to the pair"),
    (SECOND, PAIR, "general-2 to the pair"),
    (FIRST, LARGE, "general-1 to large"),
)
SIGNALS: dict[str, Signal] = {
    "min_logprob": min,
    "mean_logprob": lambda logprobs: float(np.mean(logprobs)),
    "sum_logprob": sum,
}
ROWS, KEPT = {"validation": 600, "test": 800}, 0.99
HEAD = (
    "cascade, signal",
    "threshold",
    "last stage alone",
    "cascade",
    "% of its accuracy",
    "% of its calls saved",
    "% of all calls saved",
)


@dataclass(frozen=True, eq=False)
class Answers:
    """Whether a model's answers are right [item], and the log-probabilities of their tokens."""

    right: np.ndarray
    logprobs: list[tuple[float, ...]]

    def signal(self, name: str) -> np.ndarray:
        """A signal of each answer [item]."""
        return np.array([SIGNALS[name](logprobs) for logprobs in self.logprobs])


def table(data: Path) -> str:
    """Return accuracy and saved calls of each cascade, by each signal."""
    del data  # the models and the items are those of the zoo
    return markdown(HEAD, [_line(*chain, signal) for chain in CHAINS for signal in SIGNALS])


@cache
def _answers(model: Model, split: Literal["validation", "test"]) -> Answers:
    rows = list(read_rows(zoo.items(split)))
    random.Random(0).shuffle(rows)
    rows, sampling = rows[: ROWS[split]], Sampling(max_tokens=96)
    with Engine() as engine, Grading("auto") as grading:
        jobs = [Generate(model, Query.of(row.query), sampling) for row in rows]
        made = [future.result() for future in [engine.generate(job) for job in jobs]]
        pairs = zip(rows, made, strict=True)
        right = [grading.grade(row, each.text).score or 0.0 for row, each in pairs]
    return Answers(np.array(right), [each.logprobs for each in made])


def _line(first: Model, last: Model, title: str, signal: str) -> list[str]:
    weak, strong = _answers(first, "validation"), _answers(last, "validation")
    threshold = _threshold(weak.signal(signal), weak.right, strong.right)
    weak, strong = _answers(first, "test"), _answers(last, "test")
    asked = weak.signal(signal) < threshold
    cascade = np.where(asked, strong.right, weak.right)
    members = 2 if last is PAIR else 1
    each = np.ones(len(asked))
    return [
        f"{title}, `{signal}`",
        f"{threshold:.2f}",
        percent(strong.right.tolist()),
        percent(cascade.tolist()),
        ratio(100 * cascade, strong.right),
        ratio(100 * (each - asked), each),
        ratio(100 * (members - (1 + members * asked)), members * each),
    ]


def _threshold(values: np.ndarray, first: np.ndarray, last: np.ndarray) -> float:
    """The lowest threshold that keeps enough of the last stage's accuracy."""
    floor, candidates = KEPT * last.mean(), [*np.unique(values), np.inf]
    enough = (t for t in candidates if np.where(values < t, last, first).mean() >= floor)
    return float(next(enough))
