"""The page: ask an ensemble, watch it answer, and look behind the answer.

It is one document with modules of JavaScript in `static/`, which the browser reads as they are.
All that it needs comes from this package, and it asks no other host.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from fastapi import APIRouter, Request, Response
from fastapi.responses import StreamingResponse

from composer.serve.errors import ProtocolError
from composer.serve.page.assets import assets
from composer.serve.page.document import document
from composer.serve.page.events import json_text
from composer.serve.page.finished import FinishedTrace, question_of
from composer.serve.page.questions import WATCHED, Question
from composer.serve.page.served_models import model_dict
from composer.serve.page.traces import Traces, new_id
from composer.serve.page.watching import WatchedRun
from composer.serve.protocol.route import ProtocolRoute

if TYPE_CHECKING:
    from composer.run.result import Result
    from composer.serve.protocol.accounts import KeepTrace
    from composer.serve.protocol.orders import Draw
    from composer.serve.served import Registry, ServedModel

__all__ = ["Traces", "keeper", "routes"]

NO_STORE = {"Cache-Control": "no-store"}


def routes(registry: Registry, traces: Traces) -> APIRouter:
    """Return the routes of the page: its document and files, and what it asks the server."""
    router = APIRouter(route_class=ProtocolRoute, tags=["page"])

    @router.get("/", include_in_schema=False)
    @router.get("/trace/{id}", include_in_schema=False)
    async def page(request: Request) -> Response:
        shown = document(request.scope.get("root_path", ""))
        return Response(shown.html, headers=shown.headers, media_type="text/html")

    @router.get("/page/{path:path}", include_in_schema=False)
    async def asset(path: str, request: Request) -> Response:
        return _asset(path, request)

    @router.get("/api/models", summary="List the models with their graphs.")
    def models() -> Response:
        listed = [model_dict(served) for served in registry.models.values()]
        return _json(json_text({"models": listed}))

    @router.get("/api/traces/{id}", summary="Give the events of a question that was asked.")
    async def trace(id: str) -> Response:  # noqa: A002 - as the path calls it
        return _json(traces.get(id).json)

    @router.post("/api/ask", summary="Ask, and stream all that happens.")
    async def ask(question: Question) -> Response:
        served = registry.get(question.model)
        options = question.options(served.seed())
        run = WatchedRun(traces)
        future = served.start(question.query, options=options, on_event=run.put, watch=WATCHED)
        begin = {**question.model_dump(), "seed": options.seed}
        stream = run.stream(begin, future)
        return StreamingResponse(stream, headers=NO_STORE, media_type="text/event-stream")

    return router


def keeper(traces: Traces) -> KeepTrace:
    """Return what keeps the trace of an answer of the protocol, and gives its id."""

    def keep(served: ServedModel, draw: Draw, result: Result) -> str:
        trace = FinishedTrace(new_id(), question_of(served, draw), result)
        traces.keep(trace)
        return trace.id

    return keep


def _asset(path: str, request: Request) -> Response:
    """Return a file of the page; one that the browser has already is not sent again."""
    asset = assets().get(path)
    if asset is None:
        raise ProtocolError("E808", f"there is nothing at /page/{path[:200]}", status=404)
    tag = f'"{asset.integrity}"'
    headers = {"ETag": tag, "Cache-Control": "no-cache", "X-Content-Type-Options": "nosniff"}
    if request.headers.get("if-none-match") == tag:
        return Response(status_code=304, headers=headers)
    return Response(asset.content, headers=headers, media_type=asset.media_type)


def _json(text: str) -> Response:
    return Response(text, headers=NO_STORE, media_type="application/json")
