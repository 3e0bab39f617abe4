"""One vocabulary for models whose tokenizers differ: which row each token has in each of them."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from composer.specs.headers import read_json
from composer.values.errors import ModelError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

__all__ = ["BY_TOKEN", "SharedTokens", "shared_tokens"]

BY_TOKEN = re.compile(r"(^|\.)(embed_tokens|wte|word_embeddings|embed_in|embed_out|lm_head)\.\w+$")
"""The names of tensors that have a row for each token."""

ADDED = "added_tokens"


@dataclass(frozen=True, slots=True)
class SharedTokens:
    """A vocabulary that several models have together.

    `content` is its tokenizer.json, None if it is the first model's; `rows` has for each model, by
    row of the new embeddings, in which row of which model the vector is: its own where it has the
    token, else that of the first model which has it. `size` counts the rows.
    """

    content: Mapping[str, Any] | None
    rows: Sequence[Mapping[int, tuple[int, int]]]
    size: int


def shared_tokens(folders: Sequence[Path], sizes: Sequence[int], kind: str) -> SharedTokens:
    """Return the vocabulary of several models: the first one's (`base`), or all tokens (`union`).

    `sizes` are the rows of their embeddings. Raises ModelError (E306) where a union cannot be
    written as one tokenizer: where more than added tokens differ.
    """
    contents = [read_json(folder / "tokenizer.json") for folder in folders]
    ids = [_ids(content) for content in contents]
    joined = dict(ids[0])
    added = [] if kind == "base" else list(_new_tokens(contents, folders, joined))
    size = max(sizes[0], *(number + 1 for number in joined.values()))
    first = {token: _owner(token, ids) for token in joined}
    rows = [
        {
            row: (member, own[token]) if token in own else first[token]
            for token, row in joined.items()
        }
        for member, own in enumerate(ids)
    ]
    content = {**contents[0], ADDED: [*contents[0].get(ADDED, []), *added]} if added else None
    return SharedTokens(content, rows, size)


def _ids(content: Mapping[str, Any]) -> dict[str, int]:
    """Return the id of each token of a tokenizer.json."""
    held = content["model"]["vocab"]
    words = held if isinstance(held, dict) else {word: at for at, (word, _) in enumerate(held)}
    return {**words, **{each["content"]: each["id"] for each in content.get(ADDED) or ()}}


def _owner(token: str, ids: Sequence[Mapping[str, int]]) -> tuple[int, int]:
    """Return the first model that has a token, and its id there."""
    return next((model, own[token]) for model, own in enumerate(ids) if token in own)


def _new_tokens(
    contents: Sequence[Mapping[str, Any]], folders: Sequence[Path], joined: dict[str, int]
) -> Iterator[Mapping[str, Any]]:
    """Yield the added tokens that the first tokenizer lacks, with new ids, and note these."""
    for content, folder in zip(contents[1:], folders[1:], strict=True):
        if _without_added(content) != _without_added(contents[0]):
            text = (
                f"the tokenizers of `{folders[0]}` and `{folder}` have other tokens than added "
                "ones, and no tokenizer writes the tokens of both"
            )
            help_ = "write `vocabulary = base`, which keeps the first member's tokenizer"
            raise ModelError("E306", text, help_)
        for token in content.get(ADDED) or ():
            if token["content"] not in joined:
                joined[token["content"]] = max(joined.values()) + 1
                yield {**token, "id": joined[token["content"]]}


def _without_added(content: Mapping[str, Any]) -> Mapping[str, Any]:
    return {key: value for key, value in content.items() if key != ADDED}
