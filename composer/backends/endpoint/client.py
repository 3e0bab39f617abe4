"""The client of a model behind a server: requests of ours to requests over HTTP, and back."""

from __future__ import annotations

from typing import TYPE_CHECKING

from composer.backends.endpoint.next_tokens import NextTokenReader
from composer.backends.endpoint.prompting import PromptWriter
from composer.backends.endpoint.served import ServedModel
from composer.backends.endpoint.transport import Transport
from composer.values.requests import Client

if TYPE_CHECKING:
    from composer.backends.endpoint.abilities import Abilities
    from composer.backends.endpoint.options import EndpointOptions
    from composer.values.requests import NextTokens
    from composer.values.results import NextDistributions

__all__ = ["EndpointClient", "open_client"]


class EndpointClient(Client):
    """Asks a model behind a server."""

    tells_attempts = True

    def __init__(self, model: ServedModel) -> None:
        self._model = model
        self._next = NextTokenReader(model)

    async def next_tokens(self, request: NextTokens) -> NextDistributions:
        """Give next-token distributions; raises ModelError (E302) for what the server lacks."""
        return await self._next.read(request)

    async def close(self) -> None:
        """Close the connections."""
        await self._model.transport.close()


async def open_client(options: EndpointOptions, name: str, gives: Abilities) -> EndpointClient:
    """Open a client of a model whose server has these abilities."""
    folder = options.folder
    writer = None if folder is None else PromptWriter(folder, options.chat, name)
    return EndpointClient(ServedModel(name, options, gives, Transport(options, name), writer))
