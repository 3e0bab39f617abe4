"""An encoder-decoder model in memory, such as T5, BART or Marian: how a prompt becomes tokens.

The tokens of a row are those that the encoder reads, then START, which stands for the token with
which the decoder begins, then those of the answer.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from composer.engine.weights.loaded import LocalModel
from composer.specs.declaration import DEFAULT_CHAT, Chat
from composer.specs.json_files import read_json
from composer.values.errors import ModelError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    import torch
    from tokenizers import Tokenizer
    from transformers import PreTrainedModel, PreTrainedTokenizerFast

    from composer.checkpoints.folder import ModelFiles
    from composer.values.flow import Message, Query

__all__ = ["START", "EncoderDecoderModel"]

START = -1
"""Stands in a row's tokens between those of the prompt and those of the answer."""


class EncoderDecoderModel(LocalModel):
    """A model of transformers whose encoder reads the prompt, and whose decoder writes the answer.

    `start` is the token that START stands for; `forced` follows it, if there is one.
    """

    def __init__(  # noqa: PLR0913 - its parts
        self,
        module: PreTrainedModel,
        tokenizer: PreTrainedTokenizerFast,
        device: torch.device,
        name: str,
        files: ModelFiles,
        encoder: Tokenizer,
    ) -> None:
        super().__init__(module, tokenizer, device, name, files, encoder)
        stated = _stated(files.folder)
        start = stated.get("decoder_start_token_id")
        if not isinstance(start, int):
            text = f"{name}: config.json does not say with which token its decoder begins"
            raise ModelError("E505", text, "add `decoder_start_token_id`")
        forced = stated.get("forced_bos_token_id")
        self.start = start
        self.forced = [forced] if isinstance(forced, int) else []

    def render(self, messages: Sequence[Message], chat: Chat = DEFAULT_CHAT) -> list[int]:
        """Return the tokens of the contents, one below the other, up to where the answer begins."""
        del chat
        return self._begun("\n".join(content for _, content in messages))

    def raw(self, text: str) -> list[int]:
        """Return the tokens of exactly this text, up to where the answer begins."""
        return self._begun(text)

    def read(self, query: Query, *, parse_special: bool = False) -> list[int]:
        """Return the tokens of a raw query, up to where the answer begins."""
        del parse_special
        return self._begun(query.text)

    def used(self, ids: Sequence[int]) -> int:
        """Return how many positions of its context tokens take: those of the longer text."""
        reads = ids.index(START) if START in ids else len(ids)
        return max(reads, len(ids) - reads)

    def _begun(self, text: str) -> list[int]:
        """Encode a text in which nothing is a special token, with those around it."""
        (marked,), marks = self.vocabulary.escaping.mark([text])
        return [*self.vocabulary.prompt(marked, marks, special=True), START, *self.forced]


def _stated(folder: Path) -> dict[str, object]:
    """Return what the configuration says, and what that of generation says instead."""
    files = [folder / name for name in ("config.json", "generation_config.json")]
    stated: dict[str, object] = {}
    for file in files:
        said = read_json(file) if file.is_file() else {}
        stated |= {name: value for name, value in said.items() if value is not None}
    return stated
