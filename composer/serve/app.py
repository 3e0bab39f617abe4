"""The application: what is served at which address, and how its errors look."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fastapi import FastAPI, Request, Response
from fastapi.middleware.cors import CORSMiddleware
from starlette.exceptions import HTTPException

from composer.diagnostics.caches import PACKAGE_VERSION
from composer.diagnostics.errors import CodedError
from composer.serve import operating, page, protocol
from composer.serve.admission import Admission
from composer.serve.errors import ProtocolError, error_of
from composer.serve.gate import Gate
from composer.serve.lifecycle import Lifecycle
from composer.serve.metrics import Metrics
from composer.serve.protocol.route import ERRORS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from composer.serve.served import Registry
    from composer.serve.settings import Settings
    from composer.serve.visits import Monitor

__all__ = ["create_app"]

ABOUT = (
    "Ensembles of language models, each served as one model that speaks the OpenAI protocol. "
    'Errors are always `{"error": {"message", "type", "param", "code"}}`.'
)


def create_app(
    registry: Registry,
    settings: Settings,
    lifecycle: Lifecycle | None = None,
    metrics: Metrics | None = None,
    monitors: Sequence[Monitor] = (),
) -> FastAPI:
    """Return the application that serves the models of a registry.

    Each of the `monitors` is told of each request, and so are the `metrics`.
    """
    lifecycle = lifecycle or Lifecycle()
    metrics = metrics or Metrics(Admission())
    app = FastAPI(
        title="ensemble-composer",
        version=PACKAGE_VERSION,
        description=ABOUT,
        docs_url=None,
        redoc_url=None,
    )
    app.add_exception_handler(ProtocolError, _failed)
    app.add_exception_handler(CodedError, _failed)
    app.add_exception_handler(HTTPException, _unrouted)
    app.add_middleware(Gate, settings=settings, lifecycle=lifecycle, monitors=[metrics, *monitors])
    if settings.origins:
        app.add_middleware(
            CORSMiddleware,
            allow_origins=settings.origins,
            allow_methods=("GET", "POST"),
            allow_headers=("*",),  # clients in a browser send some of their own
            expose_headers=("retry-after", "x-should-retry"),
        )
    traces = page.Traces()
    keep_trace = page.keeper(traces) if settings.page else protocol.no_trace
    app.include_router(protocol.routes(registry, keep_trace))
    app.include_router(operating.routes(registry, lifecycle, metrics), responses=ERRORS)
    if settings.page:
        app.include_router(page.routes(registry, traces), responses=ERRORS)
    return app


async def _failed(_request: Request, error: Exception) -> Response:
    """Answer with an error of the protocol."""
    return _reply(error_of(error))


async def _unrouted(request: Request, error: Exception) -> Response:
    """Answer a request to an address or with a method that the server does not have."""
    assert isinstance(error, HTTPException)
    text = f"there is nothing at {request.method} {request.url.path[:200]}"
    return _reply(ProtocolError("E808", text, status=error.status_code, headers=error.headers))


def _reply(error: ProtocolError) -> Response:
    return Response(error.body, error.status, error.headers, "application/json")
