"""A hash of what changes ids or text in a tokenizer, and whether its library reads it."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import TYPE_CHECKING, cast

from composer.specs.headers import read_json

if TYPE_CHECKING:
    from collections.abc import Iterable

    from tokenizers import Tokenizer

    from composer.checkpoints.token_bytes import AddedToken, TokenizerFile, TokenModel
    from composer.values.flow import JSON

__all__ = ["fingerprint", "fingerprint_of", "readable", "spelt"]

_MODEL_DEFAULTS = {
    "byte_fallback": False,
    "ignore_merges": False,
    "fuse_unk": False,
    "dropout": None,
    "continuing_subword_prefix": None,
    "end_of_word_suffix": None,
}
_MARKS = ("continuing_subword_prefix", "end_of_word_suffix")
_FLAGS = ("normalized", "lstrip", "rstrip", "single_word")


def fingerprint(folder: Path) -> str:
    """Hash what changes ids or text in a tokenizer: equal means that ids can be exchanged."""
    path = Path(folder)
    path = path if path.is_file() else path / "tokenizer.json"
    return fingerprint_of(cast("TokenizerFile", read_json(path)))


def spelt(text: str) -> Tokenizer | None:
    """Return the tokenizer of a tokenizer.json; None where the library does not read it."""
    from tokenizers import Tokenizer

    try:
        return Tokenizer.from_str(text)
    except Exception:  # noqa: BLE001 - the library has but this type, for whatever it is
        return None
    except BaseException as error:
        if type(error).__name__ != "PanicException":  # of the library's own language
            raise
        return None


def readable(content: TokenizerFile) -> bool:
    """Say whether the library reads a tokenizer, apart from its vocabulary, which takes long."""
    model = content["model"]
    words = model["vocab"]
    first = max(1, (model.get("unk_id") or 0) + 1)
    few = words[:first] if isinstance(words, list) else {}
    merges: dict[str, object] = {"merges": []} if "merges" in model else {}
    return spelt(json.dumps({**content, "model": {**model, "vocab": few, **merges}})) is not None


def fingerprint_of(content: TokenizerFile) -> str:
    """Hash the content of a tokenizer.json that is already read."""
    hashed = {
        "model": _model(content["model"]),
        "added": _added(content.get("added_tokens") or ()),
        "normalizer": _plain(content.get("normalizer")),
        "pre_tokenizer": _plain(content.get("pre_tokenizer")),
        "decoder": _decoder(_plain(content.get("decoder"))),
    }
    text = json.dumps(hashed, sort_keys=True, ensure_ascii=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()


def _model(model: TokenModel) -> dict[str, object]:
    """Drop defaults, and write merges in one of their two notations."""
    content = {
        key: value
        for key, value in model.items()
        if key != "merges" and _meant(key, value) != _MODEL_DEFAULTS.get(key, ...)
    }
    merges = (pair if isinstance(pair, str) else " ".join(pair) for pair in model.get("merges", ()))
    return content | {"merges": list(merges)}


def _meant(key: str, value: object) -> object:
    """Take a mark of no letters for none."""
    return None if key in _MARKS and not value else value


def _added(tokens: Iterable[AddedToken]) -> list[list[int | str]]:
    """List added tokens by id, with the flags that change how text is cut."""
    return sorted([t["id"], t["content"], *(bool(t.get(flag)) for flag in _FLAGS)] for t in tokens)


def _plain(part: JSON) -> JSON:
    """Drop what only moves offsets, and what says the default aloud."""
    if isinstance(part, list):
        return [_plain(item) for item in part]
    if not isinstance(part, dict):
        return part
    silent = {"trim_offsets"} | ({"use_regex"} if part.get("use_regex") is True else set())
    return {key: _plain(value) for key, value in part.items() if key not in silent}


def _decoder(part: JSON) -> JSON:
    """Write the flags that a byte-level decoder has and never reads as most files do."""
    if not isinstance(part, dict):
        return part
    if part.get("type") == "ByteLevel":
        return {"type": "ByteLevel", "add_prefix_space": True}
    if isinstance(decoders := part.get("decoders"), list):
        return part | {"decoders": [_decoder(one) for one in decoders]}
    return part
