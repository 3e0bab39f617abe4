"""How much two texts agree: by their words, their numbers, their order or their letters."""

from __future__ import annotations

import math
import re
import string
import unicodedata
from collections import Counter
from typing import TYPE_CHECKING

from composer.metrics.numbers import last_number, number, numbers

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = [
    "bleu",
    "contains",
    "edit_distance",
    "exact",
    "normalised",
    "numeric",
    "rouge_l",
    "similarity",
    "token_f1",
    "tokenize",
]

ARTICLES = re.compile(r"\b(a|an|the)\b")
DROPPED = str.maketrans("", "", string.punctuation)
EDGES = " \t\n\"'`*_\u201c\u201d\u2018\u2019"
STOPS = ".,;:!?"
ORDER = 4
"""BLEU compares runs of up to four tokens."""

_SPLITS = (
    (re.compile(r"([\{-\~\[-\` -\&\(-\+\:-\@\/])"), r" \1 "),
    (re.compile(r"([^0-9])([\.,])"), r"\1 \2 "),
    (re.compile(r"([\.,])([^0-9])"), r" \1 \2"),
    (re.compile(r"([0-9])(-)"), r"\1 \2 "),
)
"""The four rules of the `mteval-v13a` script, in its order."""


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
    found = re.search(rf"(?<!\w){words}(?!\w)", " ".join(text.casefold().split()))
    return found is not None


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
    found = [_matches(ours, theirs, order) for order in range(1, ORDER + 1)]
    pairs = [(hits, total) for hits, total in found if total]
    if not any(hits for hits, _ in pairs):
        return 0.0
    logs = math.fsum(math.log(rate) for rate in _smoothed(pairs)) / len(pairs)
    return _brevity(len(ours), [len(one) for one in theirs]) * math.exp(logs)


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


def edit_distance(left: Sequence[object], right: Sequence[object]) -> int:
    """The fewest insertions, deletions and replacements that turn one sequence into another."""
    short, long = sorted((left, right), key=len)
    row = list(range(len(short) + 1))
    for i, a in enumerate(long, 1):
        before, row[0] = row[0], i
        for j, b in enumerate(short, 1):
            before, row[j] = row[j], min(before + (a != b), row[j] + 1, row[j - 1] + 1)
    return row[-1]


def similarity(left: str, right: str) -> float:
    """One minus the share of letters that an edit must touch: 1 for equal texts."""
    longest = max(len(left), len(right))
    return 1.0 - edit_distance(left, right) / longest if longest else 1.0


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


def _bare(text: str) -> list[str]:
    return ARTICLES.sub(" ", text.lower().translate(DROPPED)).split()


def _words(text: str) -> list[str]:
    return re.findall(r"[^\W_]+", text.lower())


def _common(left: Sequence[str], right: Sequence[str]) -> int:
    """The length of the longest common subsequence."""
    row = [0] * (len(right) + 1)
    for a in left:
        corner = 0
        for j, b in enumerate(right, 1):
            corner, row[j] = row[j], corner + 1 if a == b else max(row[j], row[j - 1])
    return row[-1]


def _f_measure(shared: int, ours: int, theirs: int) -> float:
    return 2.0 * shared / (ours + theirs) if shared else 0.0
