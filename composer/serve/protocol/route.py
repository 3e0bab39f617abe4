"""A route whose errors have the shape of the protocol, and what its description says of them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from fastapi.exceptions import RequestValidationError
from fastapi.routing import APIRoute
from pydantic import BaseModel
from starlette.exceptions import HTTPException

from composer.serve.protocol.problems import problem_of, unreadable
from composer.serve.protocol.shapes import ErrorReply

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

    from starlette.requests import Request
    from starlette.responses import Response

    Handler = Callable[[Request], Coroutine[Any, Any, Response]]

__all__ = ["ERRORS", "ProtocolRoute"]

MEANINGS = {
    400: "The request cannot be read, or asks for what cannot be honoured.",
    401: "The key is missing or wrong.",
    402: "The budget of the server is spent.",
    404: "There is no such model.",
    408: "The body did not arrive, or the reply was not taken, in time.",
    413: "The body or a prompt is too large.",
    429: "The server has too much to do; `Retry-After` says when to come again.",
    500: "The server made a mistake.",
    502: "The members of the ensemble failed.",
    503: "The server is stopping.",
    504: "The answer took too long.",
    508: "The ensemble was asked by itself.",
}

ERRORS: dict[int | str, dict[str, Any]] = {
    **{status: {"model": ErrorReply, "description": text} for status, text in MEANINGS.items()},
    "default": {"model": ErrorReply, "description": "Any other error."},
}
"""The errors of a route, for the description of the API; FastAPI's own form of them never comes."""


class ProtocolRoute(APIRoute):
    """A route that says what is wrong with a body in words of ours."""

    def get_route_handler(self) -> Handler:
        """Return the handler of requests."""
        handle = super().get_route_handler()
        body: type[BaseModel] = BaseModel
        if self.body_field is not None:
            annotation = self.body_field.field_info.annotation
            body = annotation if isinstance(annotation, type) else BaseModel

        async def handle_or_refuse(request: Request) -> Response:
            try:
                return await handle(request)
            except RequestValidationError as error:
                raise problem_of(error.errors(), body) from error
            except HTTPException as error:
                raise unreadable() from error

        return handle_or_refuse
