"""What a model makes of texts: its tokenizer, its end tokens, and how its prompts are rendered."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, Literal, NamedTuple

from composer.checkpoints.chat import ChatTemplate
from composer.checkpoints.chatfiles import chosen, named
from composer.checkpoints.vocabulary import Vocabulary
from composer.heavy import torch
from composer.specs.declaration import DEFAULT_CHAT, Chat

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from tokenizers import Tokenizer
    from transformers import PreTrainedTokenizerFast

    from composer.checkpoints.folder import ModelFiles
    from composer.values.flow import Message
    from composer.values.typed import Variables

__all__ = ["TokenFacts", "TokenModel", "stated_facts"]


class TokenFacts(NamedTuple):
    """The `ends` of answers, the token `bos` that begins texts, if any, and the context's length.

    `begins` is whether the tokenizer's settings put `bos` before a text, None if they do not say.
    """

    ends: frozenset[int]
    bos: int | None
    begins: bool | None
    context: int | None


def stated_facts(files: ModelFiles, encoder: Tokenizer) -> TokenFacts:
    """Return what the files of a model or of a tokenizer say."""
    bos = next(iter(_ids(encoder, files.begin)), None)
    begins = None if bos is None else files.begins
    return TokenFacts(files.ends | _ids(encoder, files.end), bos, begins, files.context)


def _ids(encoder: Tokenizer, token: str | None) -> frozenset[int]:
    """The id of a token, if the tokenizer has it."""
    number = None if token is None else encoder.token_to_id(token)
    return frozenset() if number is None else frozenset((number,))


class TokenModel:
    """A model as its tokenizer sees it, whether its weights are in this process or on a server.

    `tokenizer` renders chats, `encoder` encodes texts. `ends` are its end tokens, `bos` the token
    that begins texts, `context` how many tokens it reads (None without a limit), `rows` how many
    different tokens it can read, all of its tokenizer's by default. Its logits come to `device`.
    """

    def __init__(
        self,
        tokenizer: PreTrainedTokenizerFast,
        encoder: Tokenizer,
        name: str,
        facts: TokenFacts,
        rows: int | None = None,
    ) -> None:
        self.tokenizer, self.name = tokenizer, name
        self.ends, self.bos, self.begins, self.context = facts
        self.vocabulary = Vocabulary(encoder, name, self.ends)
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
        """Render messages by the chat template; return the tokens up to where the answer begins.

        If the last message is the assistant's, the answer goes on from it.
        """
        contents = [content for _, content in messages]
        marks: dict[str, str] = {}
        if not chat.parse_special:
            contents, marks = self.vocabulary.escaping.mark(contents)
        template = self.template(chat)
        if template is None:
            return self._begin("\n\n".join(contents), marks)
        turns = [(role, content) for (role, _), content in zip(messages, contents, strict=True)]
        return self.vocabulary.prompt(template.write(turns, fold_system=chat.fold_system), marks)

    def template(self, chat: Chat) -> ChatTemplate | None:
        """Return the chat template that a recipe chooses; None where messages have no template."""
        text = chosen(named(self.tokenizer.chat_template, self.name), chat, self.name)
        if text is None:
            return None
        if (text, chat.args) not in self._templates:
            tokens = {name: str(token) for name, token in self.tokenizer.special_tokens_map.items()}
            self._templates[text, chat.args] = ChatTemplate(text, self.name, tokens, chat.args)
        return self._templates[text, chat.args]

    def raw(self, text: str) -> list[int]:
        """Return the tokens of exactly this text, after BOS if the model has one; no template."""
        return [*self.opening, *self.vocabulary.begin(text)]

    @property
    def opening(self) -> list[int]:
        """The tokens that a plain text begins with: BOS, or none."""
        return [] if self.bos is None else [self.bos]

    def _begin(self, text: str, marks: Mapping[str, str]) -> list[int]:
        """Encode with the tokenizer's special tokens around a text, but no end token after it."""
        ids = self.vocabulary.prompt(text, marks, special=True)
        if self.begins is not None:
            ids = [*self.opening * self.begins, *ids[ids[:1] == self.opening :]]
        while ids and ids[-1] in self.ends and len(ids) > 1:
            ids.pop()
        return ids or self.opening
