"""Runs of words and of letters: the terms of a text, as scikit-learn's vectorizers count them."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

_WORD = re.compile(r"\b\w+\b")

REMEMBERED = 1 << 16
"""Words whose runs of letters are remembered, for they come again and again."""


def word_runs(text: str, longest: int) -> list[str]:
    """Return all runs of 1 to `longest` words, in lower case, the shortest first."""
    words: list[str] = _WORD.findall(text.lower())
    runs = list(words)
    for size in range(2, min(longest, len(words)) + 1):
        runs += map(" ".join, zip(*(words[at:] for at in range(size)), strict=False))
    return runs


def letter_runs(word: str, shortest: int, longest: int) -> Iterator[str]:
    """Yield the runs of letters of one word with a space before and after it.

    A word that is no longer than a run is one run, once.
    """
    padded = f" {word} "
    for size in range(shortest, longest + 1):
        if len(padded) <= size:
            yield padded
            return
        yield from (padded[at : at + size] for at in range(len(padded) - size + 1))


@dataclass(eq=False)
class Places:
    """Where the terms of texts are in a vocabulary, each as often as it occurs.

    `kind` is `words` or `chars`, `runs` the lengths of the shortest and the longest run.
    """

    kind: str
    runs: tuple[int, int]
    known: Mapping[str, int]
    _of_word: dict[str, tuple[int, ...]] = field(default_factory=dict)

    def __call__(self, text: str) -> list[int]:
        """Return the places of a text's known terms."""
        known = self.known
        if self.kind == "words":
            return [known[term] for term in word_runs(text, self.runs[1]) if term in known]
        return [place for word in text.lower().split() for place in self._letters(word)]

    def _letters(self, word: str) -> tuple[int, ...]:
        places = self._of_word.get(word)
        if places is None:
            known = self.known
            places = tuple(known[run] for run in letter_runs(word, *self.runs) if run in known)
            if len(self._of_word) < REMEMBERED:
                self._of_word[word] = places
        return places
