"""The story model, its two tunes, and how many bits a byte of their texts takes."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from table_text import resampled

import composer

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from composer.metrics import Interval

MODELS = {
    "base": "stories260K",
    "bard": "stories260K-ft-shakespeare",
    "maths": "stories260K-ft-gsm8k",
}
COUNT, LETTERS = 100, 400
THREADS = 100


class Bits(NamedTuple):
    """The bits of each text of a kind, and its bytes."""

    bits: np.ndarray
    bytes: np.ndarray

    @property
    def rate(self) -> Interval:
        """Bits a byte over all texts, with the 95% bootstrap interval over texts."""
        return resampled(lambda a, b: a.sum() / b.sum(), self.bits, self.bytes, draws=1000)


def texts(data: Path) -> dict[str, list[str]]:
    """Return the texts of data/README.md: 100 questions of GSM8K, 100 pieces of Shakespeare."""
    lines = (data / "evaldata" / "gsm8k" / "test.jsonl").read_text("utf-8").splitlines()[:COUNT]
    plays = (data / "corpora" / "tinyshakespeare.txt").read_text("utf-8")
    start = int(0.95 * len(plays))
    places = range(start, start + COUNT * LETTERS, LETTERS)
    return {
        "maths": [json.loads(line)["question"] for line in lines],
        "bard": [plays[at : at + LETTERS] for at in places],
    }


def bits(data: Path, expression: str, of: Mapping[str, Sequence[str]]) -> dict[str, Bits]:
    """Return the bits of texts of each kind, under the model that an expression is."""
    models = [f'model {n} = hf("{data / "models" / folder}")' for n, folder in MODELS.items()]
    recipe = composer.load("\n".join([*models, expression, ""]))
    with recipe.ready() as ensemble, ThreadPoolExecutor(THREADS) as threads:
        scored = {kind: list(threads.map(ensemble.score, some)) for kind, some in of.items()}
    found = {}
    for kind, some in of.items():
        sizes = np.array([len(text.encode()) for text in some])
        rates = [score.bits_per_byte(text) for score, text in zip(scored[kind], some, strict=True)]
        found[kind] = Bits(np.array(rates) * sizes, sizes)
    return found
