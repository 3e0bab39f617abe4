"""Prompts of a model behind a server, written here by its tokenizer: as token ids, or as a text."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

from composer.checkpoints.chatfiles import chat_of
from composer.checkpoints.folder import tokenizer_files_of
from composer.checkpoints.prompts import PromptTokens, stated_facts
from composer.values.errors import ModelError
from composer.values.flow import REPLACED

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from composer.backends.endpoint.asking.replies import Position
    from composer.specs.declaration import Chat
    from composer.values.flow import Query

__all__ = ["PromptWriter"]


class PromptWriter(PromptTokens):
    """Writes prompts by the tokenizer in a folder, as the engine does for a model of this process.

    `name` is the model's, for errors; `chat` chooses the template.
    """

    def __init__(self, folder: Path, chat: Chat, name: str) -> None:
        from tokenizers import Tokenizer

        encoder = Tokenizer.from_file(str(folder / "tokenizer.json"))
        super().__init__(encoder, name, stated_facts(tokenizer_files_of(folder), encoder))
        self._chat, self._template = chat, chat_of(folder, chat, f"`{name}`")

    def prompt(self, query: Query, prefix: str = "") -> list[int]:
        """Return the ids up to where the answer begins, or up to the end of its beginning."""
        if query.raw:
            ids = self.read(query, parse_special=self._chat.parse_special)
        else:
            ids = self.written(query.messages, self._template, self._chat)
        return [*ids, *self.vocabulary.extend(prefix.encode())]

    @property
    def template_text(self) -> str | None:
        """The chat template in Jinja2, None for a model without one."""
        return None if self._template is None else self._template.text

    def plain(self, text: str) -> tuple[list[int], list[int]]:
        """Return the ids before a text that stands on its own, and its own ids.

        Without a token that begins texts, the first whole characters have nothing before them.
        """
        ids = self.vocabulary.begin(text)
        if self.opening:
            return self.opening, ids
        for count in range(1, len(ids) + 1):
            with suppress(UnicodeDecodeError):
                if self.vocabulary.bytes_of(ids[:count], first=True).decode():
                    return ids[:count], ids[count:]
        return ids, []

    def is_named(self, token: int, position: Position) -> bool:
        """Say whether a position can be that of a token, as far as its name tells."""
        named, piece = position.token, self.vocabulary.piece(token)
        if named.id is not None:
            return named.id == token
        if token in self.vocabulary.special:
            return named.text in ("", self.special_names.get(token))
        if named.spelling is not None:
            return named.spelling == piece
        whole = piece.decode(errors="replace")
        return named.text == whole or (REPLACED in whole and named.text in ("", REPLACED))

    def text_of(self, ids: Sequence[int]) -> str:
        """Return the text that a server reads as exactly these ids; raises ModelError (E302).

        The server is taken to read special tokens in a text, and to add what the tokenizer adds.
        """
        names, special = self.special_names, self.vocabulary.special
        for added in (0, len(self.opening)):
            rest = ids[added:] if list(ids[:added]) == self.opening[:added] else ids
            spelt = b"".join(
                names.get(each, "").encode() if each in special else self.vocabulary.piece(each)
                for each in rest
            )
            text = spelt.removeprefix(self.vocabulary.dummy).decode(errors="replace")
            if self.vocabulary.encode(text, special=True) == list(ids):
                return text
        raise ModelError(
            "E302",
            f"the server of `{self.name}` takes no token ids, and these would be cut into other "
            "tokens if they were sent as a text",
            "serve the model with a server that takes token ids, such as vLLM",
        )
