"""The client of a model behind a server: requests of ours to requests over HTTP, and back."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from composer.backends.endpoint.asking.asking import LETTERS, AnswerReader
from composer.backends.endpoint.asking.next_tokens import NextTokenReader
from composer.backends.endpoint.asking.prompting import PromptWriter
from composer.backends.endpoint.asking.replies import spent, vectors_of
from composer.backends.endpoint.asking.scoring import TextScorer
from composer.backends.endpoint.asking.served import ServedModel
from composer.backends.endpoint.tokenizer_files import fetched_tokenizer
from composer.backends.endpoint.transport.transport import Transport
from composer.values.requests import Client
from composer.values.results import Embedded

if TYPE_CHECKING:
    from collections.abc import Callable

    from composer.backends.endpoint.abilities import Abilities
    from composer.backends.endpoint.options import EndpointOptions
    from composer.values.flow import JSON
    from composer.values.requests import Embed, Generate, NextTokens, ScoreTexts
    from composer.values.results import Generated, NextDistributions, Score, Usage

__all__ = ["EndpointClient", "open_client"]


class EndpointClient(Client):
    """Asks a model behind a server."""

    tells_attempts = True

    def __init__(self, model: ServedModel) -> None:
        self._model = model
        self._answers, self._next = AnswerReader(model), NextTokenReader(model)
        self._scores = TextScorer(model)
        self.most_draws = model.gives.most_draws

    async def generate(
        self, request: Generate, on_text: Callable[[str], None] | None = None
    ) -> Generated:
        """Answer a query, as a stream where `on_text` wants the text as it comes."""
        return await self._answers.answer(request, on_text)

    async def score(self, request: ScoreTexts) -> tuple[Score, ...]:
        """Score texts; raises ModelError (E302) for what the server lacks."""
        return await self._scores.score(request)

    async def embed(self, request: Embed) -> Embedded:
        """Embed texts by one request."""
        model, count = self._model, len(request.texts)
        if not model.gives.embeddings:
            raise model.lacks("gives no embeddings", "name a model that embeds texts")
        body: dict[str, JSON] = {"model": model.options.model, "input": list(request.texts)}

        def read(reply: dict[str, JSON]) -> tuple[list[tuple[float, ...]], Usage]:
            return vectors_of(reply, count), spent(reply, model.options.price)

        tokens = sum(map(len, request.texts)) // LETTERS + count
        vectors, usage = await model.transport.post("/embeddings", body, tokens=tokens, read=read)
        return Embedded(tuple(vectors), {model.name: usage})

    async def next_tokens(self, request: NextTokens) -> NextDistributions:
        """Give next-token distributions; raises ModelError (E302) for what the server lacks."""
        return await self._next.read(request)

    async def close(self) -> None:
        """Close the connections."""
        await self._model.transport.close()


async def open_client(options: EndpointOptions, name: str, gives: Abilities) -> EndpointClient:
    """Open a client of a model whose server has these abilities."""
    writer = None
    if options.tokenizer is not None:
        writer = await asyncio.to_thread(_writer, options, options.tokenizer, name)
    return EndpointClient(ServedModel(name, options, gives, Transport(options, name), writer))


def _writer(options: EndpointOptions, tokenizer: str, name: str) -> PromptWriter:
    """Load the tokenizer, downloaded if it is on a hub; raises ModelError (E5xx)."""
    folder = options.folder or fetched_tokenizer(tokenizer, name)
    return PromptWriter(folder, options.chat, name)
