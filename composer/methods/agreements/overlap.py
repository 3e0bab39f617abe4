"""Texts compared by what is written in them: words, runs of words, letters."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from composer import metrics
from composer.methods.agreements.base import Agreement, Matrix

if TYPE_CHECKING:
    from collections.abc import Sequence


class Bleu(Agreement):
    """Sentence BLEU of `left` with `right` as its reference, as Agent-Forest compares texts."""

    name: ClassVar[str] = "bleu"
    paper: ClassVar[str] = "arXiv:2402.05120"

    def same(self, left: str, right: str) -> float:
        """Return sacrebleu's BLEU-4 over lower-case texts; it is not symmetric."""
        return metrics.bleu(left.lower(), right.lower())

    def matrix(self, texts: Sequence[str]) -> Matrix:
        """Return the same for all pairs; the n-grams of each text are counted once."""
        return metrics.bleu_matrix([text.lower() for text in texts])


class Chrf(Agreement):
    """Sentence chrF of `left` with `right` as its reference: runs of up to six letters."""

    name: ClassVar[str] = "chrf"
    paper: ClassVar[str] = "https://aclanthology.org/W15-3049"

    def same(self, left: str, right: str) -> float:
        """Return sacrebleu's chrF2, in which recall counts twice; it is not symmetric."""
        return metrics.chrf(left, right)


class Rouge(Agreement):
    """ROUGE-L: the F-measure of the longest common subsequence of words."""

    name: ClassVar[str] = "rouge"
    paper: ClassVar[str] = "https://aclanthology.org/W04-1013"

    def same(self, left: str, right: str) -> float:
        """Return 2 LCS / (words of left + words of right)."""
        return metrics.rouge_l(left, right)


class F1(Agreement):
    """The F-measure of the words that two answers share, without articles (SQuAD)."""

    name: ClassVar[str] = "f1"
    paper: ClassVar[str] = "arXiv:1606.05250"

    def same(self, left: str, right: str) -> float:
        """Return 2 shared / (words of left + words of right)."""
        return metrics.token_f1(left, right)


class Edits(Agreement):
    """The share of letters that no edit changes: 1 - Levenshtein distance / longer length."""

    name: ClassVar[str] = "edits"

    def same(self, left: str, right: str) -> float:
        """Return the similarity of two texts as they are written."""
        return metrics.similarity(left.strip(), right.strip())
