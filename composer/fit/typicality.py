"""Typicality: what held-out rows measure, and how often the test of queries gives an alarm."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from composer.heavy import np
from composer.methods.estimators.shapes import shapes
from composer.methods.estimators.typicality import (
    count_words,
    held_out_state,
    index_state,
    landmarks,
    nearest,
    ranks,
    shape_state,
    usualness,
    weighted,
    word_weights,
    words_of,
)
from composer.metrics.martingale import LEVEL, ExchangeabilityTest
from composer.values import State

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from numpy.typing import NDArray

    from composer.methods.estimators.features import Vectors
    from composer.methods.estimators.folds import Split
    from composer.methods.estimators.values import Floats, Labels

BATCHES, SIZE = 100, 20
"""Batches of held-out rows, and rows in each, on which alarms are counted."""


@dataclass(frozen=True, eq=False)
class Closeness:
    """The words of rows, as counts [n, words], and their shapes [n, 18]."""

    words: Sequence[frozenset[str]]
    counts: Vectors
    shapes: Floats

    @classmethod
    def of(cls, labels: Labels) -> Closeness:
        """Read the queries of labels."""
        words = [words_of(text) for text in labels.queries]
        return cls(words, count_words(words)[1], shapes(labels.asked))

    def held_out(self, splits: Sequence[Split]) -> Floats:
        """Measure rows [n, 2] as new queries are, each by the rows outside of its fold."""
        measures = np.zeros((len(self.words), 2))
        for training, rows in splits:
            weights = word_weights(self.counts[training], len(self.words))
            compared = weighted(landmarks(self.counts[training]), weights)
            measures[rows, 0] = nearest(weighted(self.counts[rows], weights), compared)
            measures[rows, 1] = usualness(shape_state(self.shapes[training]), self.shapes[rows])
        return measures

    def state(self) -> State:
        """Return what `measure` needs, learnt from all rows."""
        return State.join(words=index_state(self.words), shape=shape_state(self.shapes))


def alarms(held_out: Floats, others: Floats | None, seed: int) -> dict[str, object]:
    """Count alarms on batches of held-out rows, each tested by a half of them drawn anew.

    One half for all batches would make all counts depend on its luck. `held_out` are the measures
    [n, 2] of rows left out at random, `others` of whole tags left out.
    """
    rng, rows = np.random.default_rng(seed), (len(held_out) + 1) // 2
    batches = []
    for _ in range(BATCHES):
        order = rng.permutation(len(held_out))
        state = held_out_state(held_out[order[:rows]])
        batches.append(ranks(state, held_out[order[rows : rows + SIZE]]))
    report: dict[str, object] = {
        "batches": BATCHES,
        "size": SIZE,
        "false_alarms": sum(_alarmed(batch, rows) for batch in batches) / BATCHES,
        "unusual": float(((np.concatenate(batches) + 1) / (rows + 1) <= LEVEL).mean()),
    }
    if others is not None:
        rank = ranks(held_out_state(held_out), others)
        report["alarms_on_held_out_tags"] = alarm_rate(rank, len(held_out), SIZE, seed)
    return report


def alarm_note(report: Mapping[str, Any]) -> Iterator[str]:
    """Say how often the warning of unusual queries came, on batches of rows that were left out."""
    if "typicality" in report:
        rates = report["typicality"]
        note = (
            f"queries unlike these rows give the warning W701; false alarms: at most {LEVEL:.0%} "
            f"of runs, and {rates['false_alarms']:.0%} of {rates['batches']} batches of "
            f"{rates['size']} held-out rows"
        )
        if "alarms_on_held_out_tags" in rates:
            note += f"; of batches of held-out tags, {rates['alarms_on_held_out_tags']:.0%} give it"
        yield note


def alarm_rate(rank: NDArray[np.intp], rows: int, size: int, seed: int) -> float:
    """Return the share of batches, drawn from queries of these ranks, that give an alarm."""
    rng = np.random.default_rng(seed)
    draws = (rng.choice(rank, min(size, len(rank)), replace=False) for _ in range(BATCHES))
    return sum(_alarmed(each, rows) for each in draws) / BATCHES


def _alarmed(rank: NDArray[np.intp], rows: int) -> bool:
    """Say whether queries of these ranks among `rows` held-out rows give an alarm."""
    test = ExchangeabilityTest()
    for each in rank.tolist():
        test.add(each, rows)
    return test.peak >= 1 / LEVEL
