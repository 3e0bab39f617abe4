"""How two answers are compared, from 0 (nothing in common) to 1 (the same)."""

from abc import abstractmethod
from typing import ClassVar

from pydantic import Field

from composer import metrics
from composer.values import Typed
from composer.values.finite import finite


class Agreement(Typed):
    """How much one answer agrees with another."""

    @abstractmethod
    def same(self, left: str, right: str) -> float:
        """Return how much `left` agrees with `right`, between 0 and 1."""

    def agreed(self, left: str, right: str) -> float:
        """Return the same, 0 where that is no number."""
        return finite(self.same(left, right)) or 0.0

    def key(self, text: str) -> str | None:
        """Return what all answers that agree with this one share, so that votes can be counted.

        None: agreement is a matter of degree here, and answers must be compared in pairs.
        """
        del text
        return None


class Exact(Agreement):
    """The same words: case, spacing and punctuation at the ends do not count."""

    name: ClassVar[str] = "exact"

    def same(self, left: str, right: str) -> float:
        """Return 1 for answers that are written alike, else 0."""
        return float(metrics.exact(left, right))

    def key(self, text: str) -> str:
        """Return the answer in one spelling."""
        return metrics.normalised(text)


class Numeric(Agreement):
    """The same last number, up to `tolerance`; without numbers, the same words."""

    name: ClassVar[str] = "numeric"

    tolerance: float = Field(default=1e-6, ge=0)

    def same(self, left: str, right: str) -> float:
        """Return 1 where |a - b| <= tolerance x max(1, |a|, |b|), else 0."""
        return float(metrics.numeric(left, right, tolerance=self.tolerance))


class Bleu(Agreement):
    """Sentence BLEU of `left` with `right` as its reference, as Agent-Forest compares texts."""

    name: ClassVar[str] = "bleu"
    paper: ClassVar[str] = "arXiv:2402.05120"

    def same(self, left: str, right: str) -> float:
        """Return BLEU-4 over lower-case texts; it is not symmetric."""
        return metrics.bleu(left.lower(), right.lower())


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
