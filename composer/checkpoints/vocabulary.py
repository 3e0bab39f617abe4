"""What a tokenizer's ids stand for: bytes, roles, and a fingerprint of its content.

A text has a beginning and a middle. At the beginning some tokenizers put a space that is not of the
text (`dummy`): `encode` and `begin` write it, `bytes_of(ids, first=True)` takes it away. In the
middle, where `extend` goes on, there is none.
"""

from __future__ import annotations

import json
from functools import cached_property
from typing import TYPE_CHECKING

from composer.checkpoints.escaping import Escaping
from composer.checkpoints.fingerprint import fingerprint, fingerprint_of
from composer.checkpoints.token_bytes import spelling_of
from composer.checkpoints.tokenization import Middle, cover
from composer.values.errors import ModelError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from tokenizers import Tokenizer

__all__ = ["Vocabulary", "fingerprint", "fingerprint_of"]

_REMEMBERED = 1 << 16


class Vocabulary:
    """A loaded tokenizer, seen as the bytes that each of its ids stands for.

    `pieces[id]` is those bytes, and None for special tokens and for ids that nobody gave a text.
    `lone` are ids written `<0xNN>`, which stand for a byte that no whole token holds. `name` is
    whose tokenizer it is, for errors; added tokens among `ends` are special.
    """

    def __init__(
        self,
        tokenizer: Tokenizer,
        name: str = "the model",
        ends: Iterable[int] = (),
    ) -> None:
        self.name = name
        self._tokenizer = tokenizer
        tokenizer.no_truncation()
        tokenizer.no_padding()
        content = json.loads(tokenizer.to_str())
        self.fingerprint = fingerprint_of(content)
        self._spelling = spelling_of(content, name, ends)
        self.pieces = self._spelling.pieces
        self.special = self._spelling.special
        self.lone = self._spelling.lone
        self.escaping = Escaping(tokenizer, content, self._spelling.special)
        self._middle = Middle(tokenizer, content, self._spelling)
        self._known: dict[bytes, tuple[int, ...]] = {}

    def __len__(self) -> int:
        return len(self.pieces)

    def names(self) -> dict[str, int]:
        """The ids of all tokens by the names that the tokenizer gives them."""
        named: dict[str, int] = self._tokenizer.get_vocab(with_added_tokens=True)
        return named

    def encode(self, text: str, *, special: bool = False) -> list[int]:
        """Ids of a text as the tokenizer reads it: with roles, normalized, after its dummy space.

        `special` lets the tokenizer add BOS and the like.
        """
        ids: list[int] = self._tokenizer.encode(text, add_special_tokens=special).ids
        return ids

    def prompt(self, text: str, marks: Mapping[str, str], *, special: bool = False) -> list[int]:
        """Ids of a prompt in which marks stand for letters of what is text, and no special token.

        `special` lets the tokenizer add BOS and the like.
        """
        if not marks:
            return self.encode(text, special=special)
        ids = self.escaping.encode(text, marks)
        if ids is None:
            ids = self.begin(self.escaping.unmarked(text, marks))
        if not special:
            return ids
        inside, whole = self.encode("a"), self.encode("a", special=True)
        at = next(n for n in range(len(whole)) if whole[n : n + len(inside)] == inside)
        return [*whole[:at], *ids, *whole[at + len(inside) :]]

    def begin(self, text: str) -> list[int]:
        """Ids of exactly this text at a beginning: what looks like a role in it is text.

        `bytes_of(ids, first=True)` is the text again. Raises ModelError as `extend` does.
        """
        return list(self._extend(self.dummy + text.encode())) if text else []

    def extend(self, piece: bytes) -> tuple[int, ...]:
        """Ids of exactly these bytes, which go on from earlier text: nothing is put before them.

        Raises ModelError if no tokens of the vocabulary spell them.
        """
        ids = self._known.get(piece)
        if ids is None:
            if len(self._known) > _REMEMBERED:
                self._known.clear()
            ids = self._known[piece] = self._extend(piece)
        return ids

    def writes(self, piece: bytes) -> bool:
        """Whether some tokens of the vocabulary spell these bytes."""
        return self.lacking.isdisjoint(piece) or bool(cover(piece, self.ids, self._longest))

    def bytes_of(self, ids: Iterable[int], *, first: bool = False) -> bytes:
        """Join what the ids stand for; special ones stand for nothing.

        `first` says that a text begins with them: the dummy space is not of the text.
        """
        spelt = b"".join(self.piece(i) for i in ids)
        return spelt.removeprefix(self.dummy) if first else spelt

    def piece(self, token: int) -> bytes:
        """What one id stands for; nothing if it is special or beyond the tokenizer."""
        return (self.pieces[token] if token < len(self.pieces) else None) or b""

    @cached_property
    def dummy(self) -> bytes:
        """What the tokenizer puts before a text that begins: a space (sentencepiece) or nothing."""
        spelt = self.bytes_of(self.encode("a"))
        return spelt[:-1] if spelt.endswith(b"a") else b""

    @cached_property
    def ids(self) -> dict[bytes, int]:
        """The id to write each piece with, as the tokenizer itself does.

        Where it would use none of those that stand for a piece, the first; a whole token goes
        before a lone byte.
        """
        table: dict[bytes, int] = {}
        twice: set[bytes] = set()
        for token, piece in enumerate(self.pieces):
            if not piece:
                continue
            if piece in table:
                twice.add(piece)
            if piece not in table or table[piece] in self.lone:
                table[piece] = token
        for piece in twice:
            ids = [i for run in self._middle.runs(piece) for i in self._middle.cut(run)]
            if len(ids) == 1 and self.piece(ids[0]) == piece:
                table[piece] = ids[0]
        return table

    @cached_property
    def lacking(self) -> frozenset[int]:
        """Bytes that no token writes alone; without them, anything can be written."""
        return frozenset(byte for byte in range(256) if bytes([byte]) not in self.ids)

    @cached_property
    def _longest(self) -> int:
        return max(map(len, self.ids), default=0)

    def _extend(self, piece: bytes) -> tuple[int, ...]:
        runs = [self._run(run) for run in self._middle.runs(piece)]
        ids = [i for run in runs if run is not None for i in run]
        if None in runs:
            whole = cover(piece, self.ids, self._longest)
            if whole is None:
                raise self._unwritable(piece)
            ids = whole
        return tuple(ids)

    def _run(self, run: bytes) -> list[int] | None:
        """Cut as the tokenizer would, if that spells the run; else into the longest tokens."""
        ids = self._middle.cut(run)
        if self.bytes_of(ids) == run and self.special.isdisjoint(ids):
            return ids
        return cover(run, self.ids, self._longest)

    def _unwritable(self, piece: bytes) -> ModelError:
        missing_bytes = " ".join(
            f"{byte:02X}" for byte in sorted(self.lacking.intersection(piece))[:16]
        )
        return ModelError(
            "E711",
            f"{self.name} has no tokens for the bytes {missing_bytes} of {piece[:32]!r}",
            "leave this member out of the fuse, or use a model whose tokenizer has every byte",
        )
