"""How many n-grams two texts share: BLEU and chrF, as sacrebleu defines them."""

from __future__ import annotations

from functools import cache
from itertools import combinations
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections import Counter
    from collections.abc import Callable, Sequence

    from sacrebleu.metrics.chrf import CHRF

    Grams = tuple[tuple[Counter[tuple[str, ...]], ...], int]
    """The runs of each order of a text, with their counts, and its number of tokens."""

__all__ = ["bleu", "bleu_matrix", "chrf"]

ORDER = 4
"""BLEU compares runs of up to four tokens."""

_HUNDRED = 100


def bleu(text: str, reference: str) -> float:
    """Sentence BLEU from 0 to 1: what sacrebleu's `sentence_bleu` gives, divided by 100.

    Tokens are those of `13a`, smoothing is exponential, and orders longer than the text are left
    out.
    """
    ours, theirs = _grams(text), _grams(reference)
    return _bleu(ours, theirs, _shared(ours, theirs))


def bleu_matrix(texts: Sequence[str]) -> tuple[tuple[float, ...], ...]:
    """Return BLEU of each text (row) with each text as its reference (column).

    The n-grams of a text are counted once, and those that two texts share once for both orders.
    """
    grams = [_grams(text) for text in texts]
    rows = [[_bleu(each, each, _shared(each, each))] * len(grams) for each in grams]
    for i, j in combinations(range(len(grams)), 2):
        shared = _shared(grams[i], grams[j])
        rows[i][j] = _bleu(grams[i], grams[j], shared)
        rows[j][i] = _bleu(grams[j], grams[i], shared)
    return tuple(map(tuple, rows))


def chrf(text: str, reference: str) -> float:
    """Sentence chrF2 from 0 to 1: what sacrebleu's `sentence_chrf` gives, divided by 100."""
    return float(_chrf().sentence_score(text, [reference]).score) / _HUNDRED


@cache
def _tokenizer() -> Callable[[str], str]:
    from sacrebleu.metrics.bleu import BLEU

    tokenizer: Callable[[str], str] = BLEU(tokenize="13a").tokenizer
    return tokenizer


@cache
def _chrf() -> CHRF:
    from sacrebleu.metrics.chrf import CHRF

    return CHRF()


def _grams(text: str) -> Grams:
    from sacrebleu.metrics.helpers import extract_all_word_ngrams

    line = _tokenizer()(text.rstrip())
    orders = [extract_all_word_ngrams(line, order, order) for order in range(1, ORDER + 1)]
    return tuple(counts for counts, _ in orders), orders[0][1]


def _shared(ours: Grams, theirs: Grams) -> list[int]:
    """Return how many runs of each order two texts share."""
    pairs = zip(ours[0], theirs[0], strict=True)
    return [sum(min(a[run], b[run]) for run in a.keys() & b.keys()) for a, b in pairs]


def _bleu(ours: Grams, theirs: Grams, shared: Sequence[int]) -> float:
    from sacrebleu.metrics.bleu import BLEU

    totals = [max(ours[1] - order, 0) for order in range(ORDER)]
    score = BLEU.compute_bleu(
        list(shared), totals, ours[1], theirs[1], smooth_method="exp", effective_order=True
    )
    return float(score.score) / _HUNDRED
