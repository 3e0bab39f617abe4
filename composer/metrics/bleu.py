"""Sentence BLEU, as sacrebleu defines it."""

from __future__ import annotations

import math
import re
from collections import Counter
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["bleu", "tokenize"]

ORDER = 4
"""BLEU compares runs of up to four tokens."""

_SPLITS = (
    (re.compile(r"([\{-\~\[-\` -\&\(-\+\:-\@\/])"), r" \1 "),
    (re.compile(r"([^0-9])([\.,])"), r"\1 \2 "),
    (re.compile(r"([\.,])([^0-9])"), r" \1 \2"),
    (re.compile(r"([0-9])(-)"), r"\1 \2 "),
)
"""The four rules of the `mteval-v13a` script, in its order."""


def tokenize(text: str) -> list[str]:
    """Cut a text into BLEU's tokens (`13a`: words, numbers and signs)."""
    for mark, sign in (("<skipped>", ""), ("-\n", ""), ("\n", " ")):
        text = text.replace(mark, sign)
    for entity, sign in (("&quot;", '"'), ("&amp;", "&"), ("&lt;", "<"), ("&gt;", ">")):
        text = text.replace(entity, sign)
    text = f" {text} "
    for pattern, into in _SPLITS:
        text = pattern.sub(into, text)
    return text.split()


def bleu(text: str, references: str | Sequence[str]) -> float:
    """Sentence BLEU from 0 to 1, as sacrebleu's `sentence_bleu` defines it, divided by 100.

    Tokens are those of `13a`. Smoothing is exponential: the first order without a match counts
    half a match, the next a quarter, and so on. Orders longer than the text are left out, and a
    text that shares no token has 0.
    """
    ours = tokenize(text)
    theirs = [tokenize(one) for one in _listed(references)]
    if not ours or not theirs:
        return 0.0
    counts = [_matches(ours, theirs, order) for order in range(1, ORDER + 1)]
    pairs = [(hits, total) for hits, total in counts if total]
    if not any(hits for hits, _ in pairs):
        return 0.0
    logs = math.fsum(math.log(rate) for rate in _smoothed(pairs)) / len(pairs)
    return _brevity(len(ours), [len(one) for one in theirs]) * math.exp(logs)


def _listed(references: str | Sequence[str]) -> Sequence[str]:
    return [references] if isinstance(references, str) else references


def _runs(tokens: Sequence[str], order: int) -> Counter[tuple[str, ...]]:
    return Counter(tuple(tokens[i : i + order]) for i in range(len(tokens) - order + 1))


def _matches(ours: Sequence[str], theirs: Sequence[Sequence[str]], order: int) -> tuple[int, int]:
    """How many runs of an order some reference has as well, out of how many."""
    runs = _runs(ours, order)
    most: Counter[tuple[str, ...]] = Counter()
    for one in theirs:
        most |= _runs(one, order)
    return (runs & most).total(), runs.total()


def _smoothed(pairs: Sequence[tuple[int, int]]) -> list[float]:
    rates, halved = [], 1.0
    for hits, total in pairs:
        if not hits:
            halved /= 2
        rates.append((hits or halved) / total)
    return rates


def _brevity(ours: int, theirs: Sequence[int]) -> float:
    """The penalty for being shorter than the reference of the nearest length."""
    nearest = min(theirs, key=lambda length: (abs(length - ours), length))
    return 1.0 if ours >= nearest else math.exp(1 - nearest / ours)
