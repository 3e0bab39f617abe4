"""What a tokenizer's ids stand for: bytes, roles, and a fingerprint of its content."""

from __future__ import annotations

import hashlib
import json
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from composer.models.headers import json_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

__all__ = ["Vocabulary", "fingerprint", "fingerprint_of"]

_MODEL_DEFAULTS = {
    "byte_fallback": False,
    "ignore_merges": False,
    "fuse_unk": False,
    "dropout": None,
    "continuing_subword_prefix": None,
    "end_of_word_suffix": None,
}
_FLAGS = ("normalized", "lstrip", "rstrip", "single_word")
_REMEMBERED = 1 << 16


class Vocabulary:
    """A loaded tokenizer, seen as the bytes that each of its ids stands for.

    `pieces[id]` is those bytes, and None for special tokens and for ids that nobody gave a text.
    """

    def __init__(self, tokenizer: Any) -> None:  # noqa: ANN401  # tokenizers.Tokenizer, untyped
        self._tokenizer = tokenizer
        content = json.loads(tokenizer.to_str())
        self._style = _style(content)
        self.fingerprint = fingerprint_of(content)
        self.special = frozenset(t["id"] for t in content.get("added_tokens", ()) if t["special"])
        self.pieces = _pieces(tokenizer, content, self._style, self.special)
        self._known: dict[bytes, tuple[int, ...]] = {}

    def __len__(self) -> int:
        return len(self.pieces)

    def encode(self, text: str, *, special: bool = False) -> list[int]:
        """Ids of a text that begins here; `special` lets the tokenizer add BOS and the like."""
        ids: list[int] = self._tokenizer.encode(text, add_special_tokens=special).ids
        return ids

    def extend(self, piece: bytes) -> tuple[int, ...]:
        """Ids of bytes that go on from earlier text: nothing is put before them."""
        found = self._known.get(piece)
        if found is None:
            if len(self._known) > _REMEMBERED:
                self._known.clear()
            found = self._known[piece] = self._extend(piece)
        return found

    def bytes_of(self, ids: Iterable[int]) -> bytes:
        """Join what the ids stand for; special ones stand for nothing."""
        return b"".join(self.piece(i) for i in ids)

    def piece(self, token: int) -> bytes:
        """What one id stands for; nothing if it is special or beyond the tokenizer."""
        return (self.pieces[token] if token < len(self.pieces) else None) or b""

    @cached_property
    def ids(self) -> dict[bytes, int]:
        """The id to write each piece with; a whole token goes before a lone-byte one."""
        table: dict[bytes, int] = {}
        for token, piece in enumerate(self.pieces):
            if piece and (piece not in table or table[piece] in self.lone):
                table[piece] = token
        return table

    @cached_property
    def lone(self) -> frozenset[int]:
        """Ids written `<0xNN>`, which stand for a byte that no whole token holds."""
        names = (self._tokenizer.token_to_id(f"<0x{byte:02X}>") for byte in range(256))
        return frozenset(i for i in names if i is not None and self._style == "metaspace")

    @cached_property
    def _longest(self) -> int:
        return max((len(piece) for piece in self.ids), default=0)

    def _extend(self, piece: bytes) -> tuple[int, ...]:
        ids = tuple(self._cut(piece))
        if self.bytes_of(ids) == piece and self.special.isdisjoint(ids):
            return ids
        return tuple(self._greedy(piece))

    def _cut(self, piece: bytes) -> list[int]:
        """Cut as the tokenizer would in the middle of a text, if the bytes allow it."""
        if self._style == "bytes":
            return [
                t.id for part in self._parts(piece) for t in self._tokenizer.model.tokenize(part)
            ]
        try:
            text = piece.decode()
        except UnicodeDecodeError:
            return self._greedy(piece)
        text = text.replace(" ", "▁") if self._style == "metaspace" else text
        return [t.id for t in self._tokenizer.model.tokenize(text)]

    def _parts(self, piece: bytes) -> list[str]:
        """Split bytes at the pre-tokenizer's boundaries, written in the byte alphabet."""
        whole = "".join(_ALPHABET[byte] for byte in piece)
        try:
            split = self._tokenizer.pre_tokenizer.pre_tokenize_str(piece.decode())
        except (UnicodeDecodeError, AttributeError):
            return [whole]
        parts = [part for part, _ in split]
        return parts if "".join(parts) == whole else [whole]

    def _greedy(self, piece: bytes) -> list[int]:
        """Cut into the longest tokens from the left: right for any bytes that can be written."""
        ids, start = [], 0
        while start < len(piece):
            ends = range(min(len(piece), start + self._longest), start, -1)
            end = next((end for end in ends if piece[start:end] in self.ids), None)
            if end is None:
                start += 1  # a byte that this model cannot read
                continue
            ids.append(self.ids[piece[start:end]])
            start = end
        return ids


def fingerprint(folder: Path) -> str:
    """Hash what changes ids or text in a tokenizer: equal means that ids can be exchanged."""
    path = Path(folder)
    path = path if path.is_file() else path / "tokenizer.json"
    return fingerprint_of(json_of(path))


def fingerprint_of(content: Mapping[str, Any]) -> str:
    """Hash the content of a tokenizer.json that is already read."""
    kept = {
        "model": _model(content["model"]),
        "added": _added(content.get("added_tokens") or ()),
        "normalizer": _plain(content.get("normalizer")),
        "pre_tokenizer": _plain(content.get("pre_tokenizer")),
        "decoder": _plain(content.get("decoder")),
    }
    text = json.dumps(kept, sort_keys=True, ensure_ascii=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()


def _model(model: Mapping[str, Any]) -> dict[str, Any]:
    """Drop defaults, and write merges in one of their two notations."""
    kept = {
        key: value
        for key, value in model.items()
        if key != "merges" and value != _MODEL_DEFAULTS.get(key, ...)
    }
    merges = (pair if isinstance(pair, str) else " ".join(pair) for pair in model.get("merges", ()))
    return kept | {"merges": list(merges)}


def _added(tokens: Iterable[Mapping[str, Any]]) -> list[list[Any]]:
    """List added tokens by id, with the flags that change how text is cut."""
    return sorted([t["id"], t["content"], *(bool(t.get(flag)) for flag in _FLAGS)] for t in tokens)


def _plain(part: Any) -> Any:  # noqa: ANN401  # a tokenizer's parts are JSON of any shape
    """Drop what only moves offsets, and what says the default aloud."""
    if isinstance(part, list):
        return [_plain(item) for item in part]
    if not isinstance(part, dict):
        return part
    silent = {"trim_offsets"} | ({"use_regex"} if part.get("use_regex") is True else set())
    return {key: _plain(value) for key, value in part.items() if key not in silent}


def _style(content: Mapping[str, Any]) -> str:
    """Tell how tokens are spelt: `bytes` (ByteLevel), `metaspace` (▁ and <0xNN>) or `plain`."""
    parts = [content.get(name) for name in ("decoder", "pre_tokenizer", "normalizer")]
    text = json.dumps(parts, ensure_ascii=False)
    if '"ByteLevel"' in text:
        return "bytes"
    return "metaspace" if "▁" in text or '"Metaspace"' in text else "plain"


def _pieces(
    tokenizer: Any,  # noqa: ANN401
    content: Mapping[str, Any],
    style: str,
    special: frozenset[int],
) -> list[bytes | None]:
    vocabulary: dict[str, int] = tokenizer.get_vocab(with_added_tokens=True)
    added = {t["id"] for t in content.get("added_tokens", ())}
    pieces: list[bytes | None] = [None] * (max(vocabulary.values(), default=-1) + 1)
    for name, token in vocabulary.items():
        if token not in special:
            pieces[token] = name.encode() if token in added else _bytes(name, style)
    return pieces


def _bytes(name: str, style: str) -> bytes:
    """Spell out one token of the vocabulary."""
    if style == "bytes":
        return b"".join(bytes([_BYTES[char]]) if char in _BYTES else char.encode() for char in name)
    if style == "metaspace":
        if len(name) == len("<0x00>") and name.startswith("<0x") and name.endswith(">"):
            return bytes([int(name[3:5], 16)])
        return name.replace("▁", " ").encode()
    return name.encode()


def _alphabet() -> list[str]:
    """GPT-2's printable character for each byte, which all byte-level vocabularies share."""
    printable = {*range(33, 127), *range(161, 173), *range(174, 256)}
    spare = iter(range(256, 512))
    return [chr(byte if byte in printable else next(spare)) for byte in range(256)]


_ALPHABET = _alphabet()
_BYTES = {char: byte for byte, char in enumerate(_ALPHABET)}
