"""What a refused answer is worth as a draft: recorded solutions of GSM8K, counted in tokens.

The half of the questions on which the first model's answer has the lowest log-probability is asked
again. Counted are the passes that the next model needs for the answer that it gave.
"""

from __future__ import annotations

import gzip
import json
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np
from table_text import markdown, ratio
from transformers import AutoTokenizer

from cascade_tables._recorded import LLAMA, recorded_file
from composer.engine.sessions.drafted import following

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

FILE, TOKENIZER, END, START = "cascades_gsm8k_llama_train", "llama3", -2, -1
HEAD = (
    "stages",
    "answers",
    "tokens of the next answer",
    "% of passes saved by its beginning",
    "% of passes saved by `draft()`",
)


def table(data: Path) -> str:
    """Return what is saved between all neighbours of the Llama chain."""
    with gzip.open(recorded_file(data, FILE), "rt", encoding="utf-8") as file:
        rows = [json.loads(line)["recorded"] for line in file]
    tokenizer = AutoTokenizer.from_pretrained(data / "tokenizers" / TOKENIZER)

    def ids(text: str) -> list[int]:
        return [*tokenizer.encode(text, add_special_tokens=False), END]

    lines = []
    for first, last in pairwise(LLAMA):
        both = [(row[first], row[last]) for row in rows if first in row and last in row]
        refused = sorted(both, key=lambda pair: pair[0]["logprob"])[: len(both) // 2]
        pairs = [(ids(weak["text"]), ids(strong["text"])) for weak, strong in refused]
        plain = np.array([len(answer) for _, answer in pairs])
        begun = np.array([_shared(*pair) for pair in pairs])
        saved = plain - np.array([_passes(*pair) for pair in pairs])
        length = f"{plain.mean():.0f}"
        figures = ratio(100 * begun, plain), ratio(100 * saved, plain)
        lines.append([f"{first} to {last}", str(len(pairs)), length, *figures])
    return markdown(HEAD, lines)


def _shared(draft: Sequence[int], answer: Sequence[int]) -> int:
    """How many tokens two answers begin with alike."""
    pairs = enumerate(zip(draft, answer, strict=False))
    return next((n for n, (a, b) in pairs if a != b), min(len(draft), len(answer)))


def _passes(draft: Sequence[int], answer: Sequence[int]) -> int:
    """In how many passes an answer is written that may repeat a draft."""
    text, written, proposed, count = [START, START, *draft], 0, 0, 0
    while written < len(answer):
        count += 1
        known = answer[: written + proposed]  # with the token that the pass before proposed
        ahead = following(text, known)
        accepted = _shared(ahead, answer[len(known) :])
        refused = accepted < len(ahead) or not (proposed or ahead)
        written = len(known) + accepted + refused
        proposed = int(not refused)
    return count
