"""Which tokens a `logit_bias` speaks of: those of an id, or those that a text is alone."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, cast

from composer.checkpoints.token_bytes import spelling_of
from composer.diagnostics.amounts import counted
from composer.specs.json_files import read_json
from composer.values.errors import ModelError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from composer.checkpoints.token_bytes import TokenizerFile

    Pieces = Sequence[bytes | None]

__all__ = ["biased", "pieces_of"]


def biased(
    pieces: Pieces, bias: Sequence[tuple[int | str, float]], name: str
) -> list[tuple[int, float]]:
    """Return what each token of a bias is given; `pieces[id]` is what an id stands for.

    A text means every token that stands for exactly it. Raises ModelError for one that is no
    token, and for an id beyond the vocabulary.
    """
    biases = []
    for token, by in bias:
        if isinstance(token, int):
            if token >= len(pieces):
                tokens = counted(len(pieces), "token")
                text = f"`{name}` has no token with the id {token}: it has {tokens}"
                raise ModelError("E402", text, "ids start at 0")
            biases.append((token, by))
        else:
            ids = [n for n, piece in enumerate(pieces) if piece == token.encode()]
            if not ids:
                raise _no_token(token, pieces, name)
            biases += [(n, by) for n in ids]
    return biases


def pieces_of(folder: Path) -> Pieces | None:
    """Return what the ids of a model's folder stand for; None where no tokenizer.json says it."""
    file = folder / "tokenizer.json"
    return _pieces(file, file.stat().st_mtime_ns) if file.is_file() else None


@lru_cache(maxsize=64)
def _pieces(file: Path, _changed: int) -> Pieces:
    return spelling_of(cast("TokenizerFile", read_json(file)), file.parent.name).pieces


def _no_token(text: str, pieces: Pieces, name: str) -> ModelError:
    """Say that a text is no token, and which one was probably meant."""
    other = text.strip() if text.startswith(" ") else f" {text}"
    near = f"`{name}` has the token {other!r}; " if other.encode() in pieces else ""
    help_ = (
        f"{near}a bias needs a single token: give its id, or a text that is exactly one token, "
        "with its spaces"
    )
    return ModelError("E407", f"`{name}` has no token that is exactly {text!r}", help_)
