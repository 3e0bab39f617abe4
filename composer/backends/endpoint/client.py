"""The client of a model behind a server: requests of ours to requests over HTTP, and back."""

from __future__ import annotations

from typing import TYPE_CHECKING

from composer.values.requests import Client

if TYPE_CHECKING:
    from composer.backends.endpoint.options import EndpointOptions

__all__ = ["EndpointClient", "open_client"]


class EndpointClient(Client):
    """Asks a server; `name` is the recipe's name of the model."""

    def __init__(self, options: EndpointOptions, name: str) -> None:
        self.options, self.name = options, name


async def open_client(options: EndpointOptions, name: str) -> EndpointClient:
    """Open a client."""
    return EndpointClient(options, name)
