"""A model behind a server, as its client knows it: how it is reached, and what it gives."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar
from urllib.parse import urlsplit

from composer.values.errors import ModelError
from composer.values.media import refuse_media

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from composer.backends.endpoint.abilities import Abilities
    from composer.backends.endpoint.asking.prompting import PromptWriter
    from composer.backends.endpoint.options import EndpointOptions
    from composer.backends.endpoint.transport.transport import Transport
    from composer.values.flow import JSON, Query

__all__ = ["ServedModel"]

T = TypeVar("T")


@dataclass(frozen=True, eq=False)
class ServedModel:
    """One model of one server; `name` is the recipe's, `writer` that of its tokenizer."""

    name: str
    options: EndpointOptions
    gives: Abilities
    transport: Transport
    writer: PromptWriter | None = None

    @property
    def by_chat(self) -> bool:
        """Whether it is asked as a chat."""
        return self.options.by_chat(self.gives)

    def goes_on(self, prefix: str) -> bool:
        """Say whether a chat is to go on from the beginning of an answer.

        A completion does it more exactly, where the prompt can be written here. Servers leave out
        white space at the end of a message.
        """
        exact = self.writer is not None and self.gives.completions
        return self.gives.continues and not exact and prefix == prefix.rstrip()

    @property
    def neutral(self) -> dict[str, JSON]:
        """Options that leave the model's distribution as it is, against a server's own defaults.

        Only those are sent that the server is known to heed: some refuse what they do not know.
        """
        gives = self.gives
        body: dict[str, JSON] = {"temperature": 0.0, "top_p": 1.0}
        if gives.top_k:
            body["top_k"] = 0 if gives.repeat_penalty else -1
        if gives.min_p:
            body["min_p"] = 0.0
        body |= {name: 1.0 for name in REPETITION if getattr(gives, name)}
        return body

    def most(self, tokens: int) -> dict[str, JSON]:
        """Say how many tokens may be written; chats of OpenAI's own models know a newer word."""
        host = urlsplit(self.options.addresses[0]).hostname or ""
        newer = self.by_chat and host.endswith(OPENAI)
        return {"max_completion_tokens" if newer else "max_tokens": tokens}

    def prompt(self, query: Query, prefix: str = "") -> JSON:
        """Return the prompt of a completion, with the beginning of an answer; raises ModelError.

        The tokenizer writes it by its template, as ids where the server takes them. Without one,
        the messages are sent as they are, if the model is not spoken to as a chat. A raw query is
        sent as its text, or as its ids.
        """
        if query.raw and not self.gives.completions:
            raise self.lacks(
                "has no `/completions`, and a chat has no prompts without a template",
                "send messages instead of a bare text",
            )
        if not self.gives.completions or (self.writer is None and self.by_chat and not query.raw):
            raise self.lacks(
                "cannot go on from a partial answer",
                'name the tokenizer of the model: `tokenizer = "folder or hub id"`',
            )
        text = "\n\n".join(content for _, content in query.messages)
        refuse_media(self.name, query.id, text, query.media)
        if self.writer is None:
            if query.ids:
                self._demand_text(query)
            return text + prefix
        ids = self.writer.prompt(query, prefix)
        return list(ids) if self.gives.prompt_ids else self.writer.text_of(ids)

    def _demand_text(self, query: Query) -> None:
        """Raise ModelError (E302) for token ids that no text says, where no tokenizer is named."""
        if query.special or not query.is_whole:
            raise self.lacks(
                "cannot be sent token ids that are no text, since its tokenizer is not known",
                'name the tokenizer of the model: `tokenizer = "folder or hub id"`',
            )

    async def complete(
        self, body: Mapping[str, JSON], read: Callable[[dict[str, JSON]], T], tokens: int
    ) -> T:
        """Ask for completions, and return what is read of the reply."""
        whole = {"model": self.options.model, **body}
        return await self.transport.post("/completions", whole, tokens=tokens, read=read)

    def lacks(self, what: str, help_: str) -> ModelError:
        """Return the error of what the server does not give."""
        return ModelError("E302", f"the server of `{self.name}` {what}", help_)


CHAT_TOP = 20
"""How many likeliest tokens a chat tells at most, by OpenAI's protocol."""

OPENAI = ("api.openai.com", ".openai.azure.com")
"""Where OpenAI's own models are served."""

REPETITION = ("repetition_penalty", "repeat_penalty")
"""How servers call the divisor of the logits of earlier tokens."""
