"""Cutting bytes into tokens where a text goes on: nothing is put before, nothing is changed.

A tokenizer reads whole texts. It may put a space before them, compose their characters (NFC), read
`</s>` as the end, and it takes no half characters. In the middle of a text none of that may be.
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING

from composer.checkpoints.token_bytes import ALPHABET, METASPACE

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping

    from tokenizers import Tokenizer

    from composer.checkpoints.token_bytes import Spelling, TokenizerFile
    from composer.values.flow import JSON

__all__ = ["Middle", "cover"]

_BROKEN = "[\udc80-\udcff]+"  # bytes that are no character, as `surrogateescape` reads them
_EMPTY = {"type": "BPE", "vocab": {}, "merges": []}


class Middle:
    """A tokenizer as it cuts the middle of a text: the same model, added tokens and boundaries.

    The model is shared with the tokenizer, not copied. Special tokens are ordinary text here, and
    of the normalizers only those stay that write bytes otherwise without changing them.
    """

    def __init__(self, tokenizer: Tokenizer, content: TokenizerFile, spelling: Spelling) -> None:
        self._style = spelling.style
        self._tokenizer = _reader(tokenizer, content, spelling.style)
        self._own = _add(self._tokenizer, content, spelling.special)
        self._odd = re.compile(f"{_BROKEN}|{METASPACE}+" if self._style == "metaspace" else _BROKEN)

    def runs(self, piece: bytes) -> Iterator[bytes]:
        """Part bytes into what this style can write as characters and what it cannot."""
        text = piece.decode("utf-8", "surrogateescape")
        start = 0
        for odd in self._odd.finditer(text):
            for run in (text[start : odd.start()], odd.group()):
                if run:
                    yield run.encode("utf-8", "surrogateescape")
            start = odd.end()
        if start < len(text):
            yield text[start:].encode("utf-8", "surrogateescape")

    def cut(self, run: bytes) -> list[int]:
        """Ids of one run; they may spell something else if the vocabulary cannot write it."""
        try:
            text = run.decode()
        except UnicodeDecodeError:
            return self._bytewise(run)
        ids: list[int] = self._tokenizer.encode(text, add_special_tokens=False).ids
        return [self._own.get(i, i) for i in ids] if self._own else ids

    def _bytewise(self, run: bytes) -> list[int]:
        if self._style != "bytes":
            return []
        letters = "".join(ALPHABET[byte] for byte in run)
        return [token.id for token in self._tokenizer.model.tokenize(letters)]


def cover(piece: bytes, ids: Mapping[bytes, int], longest: int) -> list[int] | None:
    """Cut into the longest tokens from the left that leave a rest which can be cut too.

    None if no sequence of tokens spells the piece. `longest` is the greatest length in `ids`.
    """
    size = len(piece)
    fits: list[int | None] = [None] * size + [size]  # where the token ends that begins here
    for start in range(size - 1, -1, -1):
        ends = range(min(size, start + longest), start, -1)
        good = (end for end in ends if fits[end] is not None and piece[start:end] in ids)
        fits[start] = next(good, None)
    pieces, start = [], 0
    while start < size:
        end = fits[start]
        if end is None:
            return None
        pieces.append(ids[piece[start:end]])
        start = end
    return pieces


def _reader(tokenizer: Tokenizer, content: TokenizerFile, style: str) -> Tokenizer:
    """Make a tokenizer that shares the model of another and changes no text."""
    from tokenizers import Tokenizer

    parts = {
        "version": "1.0",
        "added_tokens": [],
        "normalizer": _normalizer(content.get("normalizer"), style),
        "pre_tokenizer": _unprefixed(content.get("pre_tokenizer")),
        "model": _EMPTY,
    }
    reader = Tokenizer.from_str(json.dumps(parts))
    reader.model = tokenizer.model
    return reader


def _add(reader: Tokenizer, content: TokenizerFile, special: Collection[int]) -> dict[int, int]:
    """Give a reader the added tokens that are text; ids that it numbers otherwise, and theirs."""
    from tokenizers import AddedToken

    tokens = [t for t in content.get("added_tokens") or () if t["id"] not in special]
    reader.add_tokens(
        [
            AddedToken(
                t["content"],
                single_word=t["single_word"],
                normalized=t["normalized"],
                lstrip=False,
                rstrip=False,
            )
            for t in tokens
        ]
    )
    numbers = {reader.token_to_id(t["content"]): t["id"] for t in tokens}
    return {own: true for own, true in numbers.items() if own is not None and own != true}


def _normalizer(part: JSON, style: str) -> JSON:
    """Keep what writes the same bytes in other letters."""
    if style == "metaspace":
        return {"type": "Replace", "pattern": {"String": " "}, "content": METASPACE}
    parts = part.get("normalizers", [part]) if isinstance(part, dict) else []
    some = parts if isinstance(parts, list) else []
    return next((one for one in some if _kind(one) == "ByteLevel"), None)


def _kind(part: JSON) -> JSON:
    return part.get("type") if isinstance(part, dict) else None


def _unprefixed(part: JSON) -> JSON:
    """Put no space before a text."""
    if isinstance(part, list):
        return [_unprefixed(item) for item in part]
    if not isinstance(part, dict):
        return part
    changed = {key: _unprefixed(value) for key, value in part.items()}
    if "prepend_scheme" in changed:
        changed["prepend_scheme"] = "never"
    if "add_prefix_space" in changed:
        changed["add_prefix_space"] = False
    return changed
