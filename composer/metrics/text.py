"""How much two texts agree: by their words, their numbers, their order or their letters."""

from __future__ import annotations

import re
import string
import unicodedata
from collections import Counter
from typing import TYPE_CHECKING

from composer.metrics.numbers import last_number, number, numbers

if TYPE_CHECKING:
    from collections.abc import Hashable, Sequence

__all__ = [
    "contains",
    "edit_distance",
    "exact",
    "normalised",
    "numeric",
    "rouge_l",
    "similarity",
    "token_f1",
]

ARTICLES = re.compile(r"\b(a|an|the)\b")
DROPPED = str.maketrans("", "", string.punctuation)
EDGES = " \t\n\"'`*_\u201c\u201d\u2018\u2019"
STOPS = ".,;:!?"


def normalised(text: str) -> str:
    """Write an answer in one way: case, spaces, quotes and stops at its ends do not count.

    Inside it everything counts, and so do a sign and a leading point: `-5` is not `5`, nor `.5`.
    Brackets around one word are dropped, as in `(B)`.
    """
    low = " ".join(unicodedata.normalize("NFKC", text).casefold().split())
    bare = low.strip(EDGES).rstrip(EDGES + STOPS)
    if bare[:1] in STOPS and not bare[1:2].isdigit():
        bare = bare.lstrip(EDGES + STOPS)
    inner = bare[1:-1]
    return inner if bare == f"({inner})" and inner.isalnum() else bare or low


def exact(left: str, right: str) -> bool:
    """Say whether two answers are the same, written in one way."""
    return normalised(left) == normalised(right)


def numeric(left: str, right: str, *, tolerance: float = 1e-6) -> bool:
    """Say whether two answers end in the same number; without numbers, whether they are the same.

    The tolerance is relative to the larger number, and absolute below 1.
    """
    ours, theirs = last_number(left), last_number(right)
    if ours is None or theirs is None:
        return ours is theirs and exact(left, right)
    return abs(ours - theirs) <= tolerance * max(1.0, abs(ours), abs(theirs))


def contains(text: str, reference: str) -> bool:
    """Say whether the reference stands in the text, as whole words or as the same number."""
    if number(reference) is not None:
        return any(numeric(str(one), reference) for one in numbers(text))
    words = re.escape(normalised(reference))
    match = re.search(rf"(?<!\w){words}(?!\w)", " ".join(text.casefold().split()))
    return match is not None


def rouge_l(text: str, reference: str) -> float:
    """ROUGE-L: the F-measure of the longest common subsequence of words, without stemming."""
    ours, theirs = _words(text), _words(reference)
    return _f_measure(_common(ours, theirs), len(ours), len(theirs))


def token_f1(text: str, reference: str) -> float:
    """The F-measure of the words that two texts share, counted as SQuAD does.

    Case, punctuation and articles are dropped first.
    """
    ours, theirs = _bare(text), _bare(reference)
    if not ours or not theirs:
        return float(ours == theirs)
    shared = Counter(ours) & Counter(theirs)
    return _f_measure(shared.total(), len(ours), len(theirs))


def edit_distance(left: Sequence[Hashable], right: Sequence[Hashable]) -> int:
    """The fewest insertions, deletions and replacements that turn one sequence into another."""
    from rapidfuzz.distance import Levenshtein

    return Levenshtein.distance(left, right)


def similarity(left: str, right: str) -> float:
    """One minus the share of letters that an edit must touch: 1 for equal texts."""
    longest = max(len(left), len(right))
    return 1.0 - edit_distance(left, right) / longest if longest else 1.0


def _bare(text: str) -> list[str]:
    return ARTICLES.sub(" ", text.lower().translate(DROPPED)).split()


def _words(text: str) -> list[str]:
    return re.findall(r"[^\W_]+", text.lower())


def _common(left: Sequence[str], right: Sequence[str]) -> int:
    """The length of the longest common subsequence."""
    from rapidfuzz.distance import LCSseq

    return LCSseq.similarity(left, right)


def _f_measure(shared: int, ours: int, theirs: int) -> float:
    return 2.0 * shared / (ours + theirs) if shared else 0.0
