"""How prompts become token ids: by a chat template, or with the token that begins texts."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, NamedTuple

from composer.checkpoints.vocabulary import Vocabulary
from composer.diagnostics.amounts import counted
from composer.values.errors import ModelError
from composer.values.flow import Query

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

    def used(self, ids: Sequence[int]) -> int:
        """Return how many positions of the context the tokens of a row take."""
        return len(ids)

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

    def raw(self, text: str) -> list[int]:
        """Return the tokens of exactly this text, after BOS if the model has one; no template."""
        return [*self.opening, *self.vocabulary.begin(text)]

    def read(self, query: Query, *, parse_special: bool = False) -> list[int]:
        """Return the tokens of a raw query: its own ids, or those of its text after BOS.

        `parse_special` lets a text spell special tokens. Raises ModelError (E402) for ids of
        another tokenizer that have no counterpart in this one.
        """
        if query.ids and query.vocabulary in ("", self.vocabulary.fingerprint):
            self._demand(query.ids)
            return list(query.ids)
        if query.ids:
            return self._translated(query)
        if parse_special:
            ids = self.vocabulary.encode(query.text)
            return [*self.opening, *ids[len(self.opening) * (ids[:1] == self.opening) :]]
        return self.raw(query.text)

    def raw_query(self, ids: Sequence[int]) -> Query:
        """Return the query whose tokens these are; raises ModelError (E402) for what are none.

        A model with another tokenizer reads their text.
        """
        self._demand(ids)
        start = len(self.opening) * (list(ids[:1]) == self.opening)
        spelt, special = b"", []
        for token in ids[start:]:
            if token in self.vocabulary.special:
                name, place = self.special_names.get(token, ""), len(self._text(spelt))
                special.append((place, name, token in self.ends))
            spelt += self.vocabulary.piece(token)
        vocabulary = self.vocabulary.fingerprint
        messages = (("user", self._text(spelt)),)
        return Query(
            messages, raw=True, ids=tuple(ids), vocabulary=vocabulary, special=tuple(special)
        )

    @cached_property
    def special_names(self) -> dict[int, str]:
        """The names of special tokens, by id."""
        special = self.vocabulary.special
        return {n: name for name, n in self.vocabulary.names().items() if n in special}

    def _text(self, spelt: bytes) -> str:
        return spelt.removeprefix(self.vocabulary.dummy).decode(errors="replace")

    def _demand(self, ids: Sequence[int]) -> None:
        """Raise ModelError (E402) where ids are none of this tokenizer."""
        count = len(self.vocabulary)
        wrong = next((token for token in ids if not 0 <= token < count), None)
        if wrong is not None:
            tokens = counted(count, "token")
            text = f"`{self.name}` has no token with the id {wrong}: it has {tokens}"
            raise ModelError("E402", text, "ids start at 0")

    def _translated(self, query: Query) -> list[int]:
        """Return the tokens of a query whose ids are of another tokenizer."""
        if not query.is_whole:
            raise ModelError(
                "E402",
                "the token ids of the prompt are no whole characters, so that only the model whose "
                f"tokens they are can read them, and not `{self.name}`",
                "end the prompt behind a whole character",
            )
        ids, start = [*self.opening], 0
        for place, name, ends in query.special:
            ids += [*self._piece(query.text, start, place), self._counterpart(name, ends=ends)]
            start = place
        return [*ids, *self._piece(query.text, start, len(query.text))]

    def _piece(self, text: str, start: int, end: int) -> Sequence[int]:
        piece = text[start:end]
        return self.vocabulary.extend(piece.encode()) if start else self.vocabulary.begin(piece)

    def _counterpart(self, name: str, *, ends: bool) -> int:
        """Return the special token of a name, or one that ends an answer as that does."""
        names = {name: token for token, name in self.special_names.items()}
        if name in names:
            return names[name]
        if ends and self.ends:
            return min(self.ends)
        text = f"the prompt has the special token `{name}`, and `{self.name}` has none of this name"
        raise ModelError("E402", text, "send the prompt without it, or as a text")

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
