"""How prompts become token ids: by a chat template, or with the token that begins texts."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from composer.checkpoints.vocabulary import Vocabulary

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from tokenizers import Tokenizer

    from composer.checkpoints.chat import ChatTemplate
    from composer.checkpoints.folder import ModelFiles
    from composer.specs.declaration import Chat
    from composer.values.flow import Message

__all__ = ["PromptTokens", "TokenFacts", "stated_facts"]


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


class PromptTokens:
    """Writes prompts as token ids, for a model in this process or behind a server.

    `encoder` encodes texts. `ends` are the tokens that end an answer, `bos` the one that begins
    texts, `context` how many tokens the model reads (None without a limit).
    """

    def __init__(self, encoder: Tokenizer, name: str, facts: TokenFacts) -> None:
        self.name = name
        self.ends, self.bos, self.begins, self.context = facts
        self.vocabulary = Vocabulary(encoder, name, self.ends)

    def written(
        self, messages: Sequence[Message], template: ChatTemplate | None, chat: Chat
    ) -> list[int]:
        """Return the ids of messages up to where the answer begins, by a template if there is one.

        If the last message is the assistant's, the answer goes on from it.
        """
        contents = [content for _, content in messages]
        marks: dict[str, str] = {}
        if not chat.parse_special:
            contents, marks = self.vocabulary.escaping.mark(contents)
        if template is None:
            return self._begin("\n\n".join(contents), marks)
        turns = [(role, content) for (role, _), content in zip(messages, contents, strict=True)]
        return self.vocabulary.prompt(template.write(turns, fold_system=chat.fold_system), marks)

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
