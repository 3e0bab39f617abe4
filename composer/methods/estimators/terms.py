"""Runs of words and of letters: the terms of a text, as scikit-learn's vectorizers count them."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from functools import cached_property, lru_cache
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

_WORD = re.compile(r"\b\w+\b")

REMEMBERED = 1 << 16
"""Words whose runs of letters are remembered, for they come again and again."""


_LOWERED = bytes(
    ord(chr(code).lower()) if chr(code).isalnum() or chr(code) == "_" else ord(" ")
    for code in range(128)
).ljust(256)
"""What each character of ASCII is for words: itself in lower case, or what stands between them."""

WordTree: TypeAlias = "dict[str, tuple[int, WordTree]]"
"""Runs of words by their first: the place of the run that ends there, and what may follow."""

_NOWHERE = -1
_NO_RUN: tuple[int, WordTree] = (_NOWHERE, {})


@lru_cache(maxsize=1 << 10)
def words_in(text: str) -> tuple[str, ...]:
    """Return the words of a text, in lower case: runs of letters, digits and underscores."""
    if text.isascii():
        return tuple(text.encode().translate(_LOWERED).decode().split())
    return tuple(_WORD.findall(text.lower()))


def word_tree(known: Mapping[str, int]) -> WordTree:
    """Return runs of words, with a space between two, as a tree."""
    tree: WordTree = {}
    for run, place in known.items():
        *start, last = run.split(" ")
        branch = tree
        for word in start:
            branch = branch.setdefault(word, (_NOWHERE, {}))[1]
        branch[last] = (place, branch[last][1] if last in branch else {})
    return tree


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
        if self.kind == "words":
            return self._words(words_in(text))
        return [place for word in text.lower().split() for place in self._letters(word)]

    @cached_property
    def _tree(self) -> WordTree:
        return word_tree(self.known)

    def _words(self, words: Sequence[str]) -> list[int]:
        """Return the places of runs of words, the shortest first: a run goes on from a shorter."""
        runs = [self._tree.get(word, _NO_RUN) for word in words]
        places = [place for place, _ in runs if place != _NOWHERE]
        for size in range(1, min(self.runs[1], len(words))):
            pairs = zip(runs, words[size:], strict=False)
            runs = [followers.get(word, _NO_RUN) for (_, followers), word in pairs]
            places += [place for place, _ in runs if place != _NOWHERE]
        return places

    def _letters(self, word: str) -> tuple[int, ...]:
        places = self._of_word.get(word)
        if places is None:
            known = self.known
            places = tuple(known[run] for run in letter_runs(word, *self.runs) if run in known)
            if len(self._of_word) < REMEMBERED:
                self._of_word[word] = places
        return places
