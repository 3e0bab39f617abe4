"""What a model makes of texts: its tokenizer, its end tokens, and how its prompts are rendered."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, Literal

from composer.checkpoints.chat import ChatTemplate
from composer.checkpoints.chatfiles import chosen, named
from composer.checkpoints.prompts import PromptTokens
from composer.heavy import torch
from composer.specs.declaration import DEFAULT_CHAT, Chat

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tokenizers import Tokenizer
    from transformers import PreTrainedTokenizerFast

    from composer.checkpoints.prompts import TokenFacts
    from composer.values.flow import Message
    from composer.values.typed import Variables

__all__ = ["TokenModel"]


class TokenModel(PromptTokens):
    """A model as its tokenizer sees it, whether its weights are in this process or on a server.

    `tokenizer` renders chats, `encoder` encodes texts; `rows` is how many different tokens it can
    read, all of its tokenizer's by default. Its logits come to `device`.
    """

    def __init__(
        self,
        tokenizer: PreTrainedTokenizerFast,
        encoder: Tokenizer,
        name: str,
        facts: TokenFacts,
        rows: int | None = None,
    ) -> None:
        super().__init__(encoder, name, facts)
        self.tokenizer = tokenizer
        self.rows = len(self.vocabulary) if rows is None else rows
        self.device = torch.device("cpu")
        self._templates: dict[tuple[str, Variables], ChatTemplate] = {}

    @cached_property
    def width(self) -> int:
        """How many logits stand for tokens; logits beyond the tokenizer's tokens are padding."""
        return min(len(self.vocabulary), self.rows)

    @property
    def parameters(self) -> int | None:
        """How many parameters it has, None where nobody says."""
        return None

    def embeddings(self, which: Literal["input", "output"]) -> torch.Tensor | None:  # noqa: ARG002
        """The vectors [token, size] of its tokens, None where they are not here."""
        return None

    def render(self, messages: Sequence[Message], chat: Chat = DEFAULT_CHAT) -> list[int]:
        """Render messages by the chat template; return the tokens up to where the answer begins."""
        return self.written(messages, self.template(chat), chat)

    def template(self, chat: Chat) -> ChatTemplate | None:
        """Return the chat template that a recipe chooses; None where messages have no template."""
        text = chosen(named(self.tokenizer.chat_template, self.name), chat, self.name)
        if text is None:
            return None
        if (text, chat.args) not in self._templates:
            tokens = {name: str(token) for name, token in self.tokenizer.special_tokens_map.items()}
            self._templates[text, chat.args] = ChatTemplate(text, self.name, tokens, chat.args)
        return self._templates[text, chat.args]
