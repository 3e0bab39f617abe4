"""How a tokenizer writes bytes as text: which bytes each of its ids stands for.

There are three styles. `bytes` writes every byte as one printable character (GPT-2's alphabet);
`metaspace` writes a space as ▁ and a byte that no token holds as `<0xNN>` (sentencepiece with byte
fallback); `plain` writes characters as they are.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypedDict

from composer.values.errors import ModelError

if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import NotRequired

    from composer.values.flow import JSON

__all__ = ["ALPHABET", "METASPACE", "Spelling", "TokenModel", "TokenizerFile", "spelling_of"]

METASPACE = "▁"

THOUGHT = re.compile(
    r"</?[\w:.-]*(?:think|thought|reason|reflect|scratchpad)[\w:.-]*>|\[/?THINK\]", re.IGNORECASE
)
"""What begins or ends a block of thoughts: text to be read, whatever its tokenizer calls it."""


class AddedToken(TypedDict):
    """A token beside the model's own, and how it is cut out of a text."""

    id: int
    content: str
    special: bool
    single_word: bool
    normalized: bool


class TokenModel(TypedDict, total=False):
    """What a tokenizer.json says of its model."""

    vocab: dict[str, int] | list[tuple[str, float]]
    merges: list[str | list[str]]
    continuing_subword_prefix: str | None
    end_of_word_suffix: str | None
    byte_fallback: bool
    unk_id: int | None
    unk_token: str | None


class TokenizerFile(TypedDict):
    """What a tokenizer.json holds, as far as it is read here."""

    model: TokenModel
    added_tokens: NotRequired[list[AddedToken] | None]
    normalizer: NotRequired[JSON]
    pre_tokenizer: NotRequired[JSON]
    decoder: NotRequired[JSON]


@dataclass(frozen=True)
class Spelling:
    """What ids stand for.

    `pieces[id]` is the bytes of an id, and None where it has none: special tokens, the unknown
    token, ids without a name. `lone` are ids written `<0xNN>`; `added` are ids of added tokens.
    """

    style: str
    pieces: list[bytes | None]
    special: frozenset[int]
    lone: frozenset[int]
    added: frozenset[int]


def spelling_of(content: TokenizerFile, name: str, ends: Iterable[int] = ()) -> Spelling:
    """Read a tokenizer.json; added tokens among `ends` are special whatever it says of them.

    Raises ModelError if it marks the insides or the ends of words instead of writing spaces.
    """
    model, added = content["model"], content.get("added_tokens") or ()
    for mark in (model.get("continuing_subword_prefix"), model.get("end_of_word_suffix")):
        if mark:
            raise ModelError(
                "E505",
                f"the tokenizer of {name} marks parts of words with `{mark}` and does not keep "
                "spaces",
                "use a model whose tokenizer keeps every byte of a text",
            )
    names = _names(model)
    ended = frozenset(ends)
    special = {t["id"] for t in added if _silent(t) or t["id"] in ended} | _unknown(model, names)
    style = _style(content)
    byte_fallback = bool(model.get("byte_fallback")) or '"ByteFallback"' in _said(content)
    lone = _lone(names) if byte_fallback and style != "bytes" else {}
    pieces: list[bytes | None] = [None] * max(len(names), *(t["id"] + 1 for t in added), 0)
    pieces[: len(names)] = _pieces(names, style)
    for token, byte in lone.items():
        pieces[token] = byte
    for one in added:
        pieces[one["id"]] = one["content"].encode()
    for token in special:
        pieces[token] = None
    ids = frozenset(one["id"] for one in added)
    return Spelling(style, pieces, frozenset(special), frozenset(lone), ids)


def _silent(token: AddedToken) -> bool:
    """Say whether a token writes nothing: one that is special, unless it marks thoughts."""
    return token["special"] and not THOUGHT.fullmatch(token["content"])


def _names(model: TokenModel) -> list[str]:
    """List the names of a model's own tokens by id; an id that nobody has is nameless."""
    vocabulary = model["vocab"]
    if isinstance(vocabulary, list):
        return [name for name, _ in vocabulary]
    names = [""] * (max(vocabulary.values(), default=-1) + 1)
    for name, token in vocabulary.items():
        names[token] = name
    return names


def _unknown(model: TokenModel, names: list[str]) -> set[int]:
    """Return the id that stands for whatever the vocabulary lacks, if there is one."""
    if isinstance(at := model.get("unk_id"), int):
        return {at}
    unknown = model.get("unk_token")
    return {names.index(unknown)} if unknown and unknown in names else set()


def _said(content: TokenizerFile) -> str:
    parts = [content.get(name) for name in ("decoder", "pre_tokenizer", "normalizer")]
    return json.dumps(parts, ensure_ascii=False)


def _style(content: TokenizerFile) -> str:
    text = _said(content)
    if '"ByteLevel"' in text:
        return "bytes"
    return "metaspace" if METASPACE in text or '"Metaspace"' in text else "plain"


def _lone(names: Iterable[str]) -> dict[int, bytes]:
    """Bytes of the ids that are written `<0xNN>`."""
    wanted = {f"<0x{byte:02X}>": bytes([byte]) for byte in range(256)}
    return {token: wanted[name] for token, name in enumerate(names) if name in wanted}


def _pieces(names: list[str], style: str) -> list[bytes | None]:
    """Spell out tokens that are not added; a nameless one stands for nothing."""
    if style == "metaspace":
        return [name.replace(METASPACE, " ").encode() or None for name in names]
    if style == "plain":
        return [name.encode() or None for name in names]
    return [_of_alphabet(name) or None for name in names]


def _of_alphabet(name: str) -> bytes:
    """Bytes of a name in the byte alphabet; any other name stands for itself."""
    try:
        return name.translate(_BYTES).encode("latin-1")
    except UnicodeEncodeError:
        return name.encode()


def _alphabet() -> list[str]:
    """GPT-2's printable character for each byte, which all byte-level vocabularies share."""
    printable = {*range(33, 127), *range(161, 173), *range(174, 256)}
    spare = iter(range(256, 512))
    return [chr(byte if byte in printable else next(spare)) for byte in range(256)]


ALPHABET = _alphabet()
_OUTSIDE = {byte: 0xFFFF for byte in range(256) if chr(byte) not in ALPHABET}
_BYTES = _OUTSIDE | {ord(char): byte for byte, char in enumerate(ALPHABET)}
