"""What is known of the answers of a cascade as numbers: signals, shape, and who agrees with whom.

All states of a cascade have the same columns. Those of stages that have not answered are 0, and the
models of a state do not read them.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from itertools import combinations
from typing import TYPE_CHECKING

from composer.heavy import np
from composer.methods.agreements.base import Comparison

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray

    from composer.methods.agreements.base import Agreement
    from composer.methods.cascade_state import CascadeState, StageAnswer
    from composer.methods.estimators.values import Floats
    from composer.methods.signals.base import Signal

OTHERS, AROUND = 0.3, 0.3
"""What columns count beside the signals of the answer that is judged, which count 1.

That is the signals of the other answers; the shape of the answer, and what is expected by the
question. For a stage that has not answered, the latter count `DISTANT`. They say less, so a fit on
few rows has to be held back from them. The figures were chosen on all pairs of four recorded
chains.
"""

DISTANT = 0.2

SHAPE = 4
LEAST = 1e-4
"""Estimated chances nearer to 0 or 1 than this count as this."""

_EDGE = 1e-9
"""The same for signals: strong models are often surer than 0.9999, and differences there count."""
_WORDS = re.compile(r"\w+")


@dataclass(frozen=True)
class Columns:
    """The columns for so many stages, the signals of an answer, and a way to compare answers.

    For each stage in turn: each signal, whether it is unknown, and four numbers of shape; then how
    much each two stages agree; then what is expected of each stage by the question alone.
    """

    stages: int
    signals: tuple[Signal, ...]
    by: Agreement

    @property
    def of_stage(self) -> int:
        """How many columns a stage has."""
        return 2 * len(self.signals) + SHAPE

    @property
    def pairs(self) -> list[tuple[int, int]]:
        """The pairs of stages, in the order of their columns."""
        return list(combinations(range(self.stages), 2))

    def _known(self, answered: int) -> NDArray[np.bool_]:
        has = [bool(answered >> at & 1) for at in range(self.stages)]
        stages = np.repeat(has, self.of_stage)
        pairs = [has[left] and has[right] for left, right in self.pairs]
        return np.concatenate([stages, pairs, [True] * self.stages]).astype(bool)

    def weights(self, answered: int, target: int) -> Floats:
        """Return how much each column counts for a stage, 0 where it is not known.

        `answered` has the bit of each stage that has answered.
        """
        own = [at == target for at in range(self.stages)]
        stages = [
            [1.0 if each else OTHERS] * (2 * len(self.signals))
            + [AROUND if each else DISTANT] * SHAPE
            for each in own
        ]
        pairs = [1.0 if target in pair else OTHERS for pair in self.pairs]
        expected = np.array(own) * (AROUND if answered >> target & 1 else DISTANT)
        counts = np.concatenate([np.ravel(stages), pairs, expected])
        return np.where(self._known(answered), counts, 0.0)

    def of_answers(self, cascades: Sequence[CascadeState]) -> Floats:
        """Return all columns but what is expected by the question [n, d], NaN where unknown."""
        rows = [[*self._of_stages(each), *self._of_pairs(each)] for each in cascades]
        width = self.stages * self.of_stage + len(self.pairs)
        return np.array(rows, dtype=float).reshape(len(cascades), width)

    def _of_stages(self, cascade: CascadeState) -> Iterator[float]:
        for at in range(self.stages):
            answer = cascade.answers.get(at)
            if answer is None:
                yield from [math.nan] * self.of_stage
                continue
            values = [_scaled(each, answer) for each in self.signals]
            yield from values
            yield from [float(math.isnan(value)) for value in values]
            yield from _shape(cascade, answer)

    def _of_pairs(self, cascade: CascadeState) -> Iterator[float]:
        places = list(cascade.answers)
        answers = [cascade.answers[at].text.answer for at in places]
        comparison = Comparison(self.by, answers)
        for pair in self.pairs:
            if not set(pair) <= cascade.answers.keys():
                yield math.nan
                continue
            left, right = map(places.index, pair)
            both = {left, right} <= set(comparison.voters)
            yield comparison.same(left, right) if both else 0.0


def _scaled(signal: Signal, answer: StageAnswer) -> float:
    """Return a signal on a scale without ends: the log-odds of what is a probability or a share."""
    value = answer.signals.get(str(signal))
    if not isinstance(value, float | int) or not math.isfinite(value):
        return math.nan
    low, high = signal.limits
    if (low, high) == (0.0, 1.0):
        inside = min(max(value, _EDGE), 1 - _EDGE)
        return math.log(inside / (1 - inside))
    if high == 0.0:
        inside = min(value, -_EDGE)
        return inside - math.log(-math.expm1(inside))
    return math.copysign(math.log1p(abs(value)), value) if math.isinf(high) else value


def log_odds(chances: Floats) -> Floats:
    """Return ln p / (1 - p), of no chance nearer to 0 or 1 than 0.0001."""
    inside = np.clip(chances, LEAST, 1 - LEAST)
    odds: Floats = np.log(inside / (1 - inside))
    return odds


def _shape(cascade: CascadeState, answer: StageAnswer) -> tuple[float, ...]:
    """Return ln(1 + characters), ln(1 + words), and shares: of digits, of the question's words."""
    text = answer.text.answer or ""
    words = _WORDS.findall(text.lower())
    asked = set(_WORDS.findall(cascade.query.root.text.lower()))
    repeated = sum(word in asked for word in words)
    digits = sum(map(str.isdigit, text))
    return (
        math.log1p(len(text)),
        math.log1p(len(words)),
        digits / max(len(text), 1),
        repeated / max(len(words), 1),
    )
