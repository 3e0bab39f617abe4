"""Special tokens that a message spells: they are text.

Before a template is filled in, the first letter of whatever would read as a special token in a
message gives way to a mark. What the template writes itself keeps its letters. Then the tokens of
the prompt are found by a second tokenizer, which shares the model of the first and differs only in
how special tokens are spelled: by names that nobody can guess.
"""

from __future__ import annotations

import json
import re
from functools import cached_property
from secrets import token_hex
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from tokenizers import Tokenizer

    from composer.checkpoints.token_bytes import AddedToken, TokenizerFile

__all__ = ["Escaping"]

_MARKS = 0xF0000
_CONTROL = re.compile(r"<\|.+\|>")
"""What is spelled like this steers a model, though its tokenizer may not call it special."""

_FLAGS = ("single_word", "lstrip", "rstrip", "normalized", "special")
_EMPTY = {"type": "BPE", "vocab": {}, "merges": []}


class Escaping:
    """Keeps the special tokens of a prompt apart from text that spells them."""

    def __init__(
        self, tokenizer: Tokenizer, content: TokenizerFile, special: frozenset[int]
    ) -> None:
        self._tokenizer = tokenizer
        self._content = content
        added: Sequence[AddedToken] = content.get("added_tokens") or ()
        self._special = [
            each
            for each in added
            if each["special"] or each["id"] in special or _CONTROL.fullmatch(each["content"])
        ]
        self._words = frozenset(each["content"] for each in self._special)
        self._lengths = sorted({len(word) for word in self._words}, reverse=True)
        self._firsts = frozenset(word[0] for word in self._words)

    def mark(self, texts: Sequence[str]) -> tuple[list[str], dict[str, str]]:
        """Return texts in which no special token is spelled, and what their marks stand for."""
        places = [self._spelled(text) for text in texts]
        letters = {text[at] for text, found in zip(texts, places, strict=True) for at in found}
        if not letters:
            return list(texts), {}
        used = {letter for text in texts for letter in text if ord(letter) >= _MARKS}
        free = (chr(code) for code in range(_MARKS, _MARKS + 0xFFFE) if chr(code) not in used)
        marks = dict(zip(sorted(letters), free, strict=False))
        marked = [_marked(text, at, marks) for text, at in zip(texts, places, strict=True)]
        return marked, {mark: letter for letter, mark in marks.items()}

    def unmarked(self, text: str, marks: Mapping[str, str]) -> str:
        """Return a text with letters in place of marks."""
        return text.translate({ord(mark): letter for mark, letter in marks.items()})

    def encode(self, prompt: str, marks: Mapping[str, str]) -> list[int] | None:
        """Ids of a prompt: marks stand for text, whatever else spells a special token is one.

        None where the tokenizer itself makes special tokens of text.
        """
        named = self._pattern.sub(lambda found: self._names[found[0]], prompt)
        ids: list[int] = self._twin.encode(
            self.unmarked(named, marks), add_special_tokens=False
        ).ids
        taken = {each["id"] for each in self._special}
        if any(i in taken and i not in self._true for i in ids):
            return None
        return [self._true.get(i, i) for i in ids]

    @cached_property
    def _names(self) -> dict[str, str]:
        secret = token_hex(8)
        return {word: f"\ufdd0{secret}{at}\ufdd1" for at, word in enumerate(sorted(self._words))}

    @cached_property
    def _pattern(self) -> re.Pattern[str]:
        """Matches the special tokens, the longest first."""
        longest = sorted(self._words, key=len, reverse=True)
        return re.compile("|".join(map(re.escape, longest)) or r"(?!)")

    @cached_property
    def _twin(self) -> Tokenizer:
        from tokenizers import AddedToken as Added
        from tokenizers import Tokenizer

        parts = {
            "version": "1.0",
            "added_tokens": [],
            "normalizer": self._content.get("normalizer"),
            "pre_tokenizer": self._content.get("pre_tokenizer"),
            "model": _EMPTY,
        }
        twin = Tokenizer.from_str(json.dumps(parts))
        twin.model = self._tokenizer.model
        for each in self._content.get("added_tokens") or ():
            word = self._names.get(each["content"], each["content"])
            flags = {name: bool(each.get(name)) for name in _FLAGS}
            twin.add_tokens([Added(word, **flags)])
        return twin

    @cached_property
    def _true(self) -> dict[int, int]:
        """The ids that the second tokenizer numbers otherwise, and those of the first."""
        pairs = {
            self._twin.token_to_id(self._names.get(each["content"], each["content"])): each["id"]
            for each in self._content.get("added_tokens") or ()
        }
        return {own: true for own, true in pairs.items() if own is not None}

    def _spelled(self, text: str) -> list[int]:
        """Where in a text a special token begins, or may once the template stands around it."""
        starts = [
            at for at, letter in enumerate(text) if letter in self._firsts and self._at(text, at)
        ]
        bare = text.strip()
        start = len(text) - len(text.lstrip())
        if not bare or not self._words:
            return starts
        longest = self._lengths[0]
        if any(bare[:size] in self._ends for size in range(1, min(longest, len(bare)) + 1)):
            starts.append(start)
        sizes = range(1, min(longest, len(bare)) + 1)
        starts += [start + len(bare) - size for size in sizes if bare[-size:] in self._begins]
        if len(bare) < longest and any(bare in word for word in self._words):
            starts.append(start)
        return sorted(set(starts))

    def _at(self, text: str, at: int) -> bool:
        return any(text[at : at + size] in self._words for size in self._lengths)

    @cached_property
    def _begins(self) -> frozenset[str]:
        return frozenset(word[:size] for word in self._words for size in range(1, len(word)))

    @cached_property
    def _ends(self) -> frozenset[str]:
        return frozenset(word[size:] for word in self._words for size in range(1, len(word)))


def _marked(text: str, places: Sequence[int], marks: Mapping[str, str]) -> str:
    letters = list(text)
    for at in places:
        letters[at] = marks[letters[at]]
    return "".join(letters)
