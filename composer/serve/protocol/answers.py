"""The routes that answer: `/v1/chat/completions` and `/v1/completions`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from composer.serve.protocol.bodies import ChatBody, CompletionBody
from composer.serve.protocol.echoes import echo_result, echoes_of
from composer.serve.protocol.forms import ChatForm, CompletionForm
from composer.serve.protocol.orders import chat_order, completion_order
from composer.serve.protocol.route import ERRORS
from composer.serve.protocol.runs import ReadyRuns
from composer.serve.protocol.shapes import ChatCompletion, Completion
from composer.serve.protocol.streams import EventStream

if TYPE_CHECKING:
    from fastapi import APIRouter, Response
    from pydantic import BaseModel

    from composer.serve.protocol.forms import Form
    from composer.serve.protocol.orders import Order
    from composer.serve.protocol.runs import Runs
    from composer.serve.served import Registry

__all__ = ["add_answers"]


EVENT = {
    "type": "object",
    "required": ["data"],
    "properties": {
        "data": {"type": "string", "description": "A chunk or an error as JSON, last `[DONE]`."}
    },
}
"""An event of a stream, for the description of the API."""


def add_answers(router: APIRouter, registry: Registry, runs: Runs) -> None:
    """Add the routes that answer."""

    @router.post(
        "/v1/chat/completions",
        responses=_replies(ChatCompletion),
        response_model=None,
        summary="Answer a chat.",
    )
    async def chat(body: ChatBody) -> Response:
        served = registry.get(body.model)
        order = chat_order(served, body)
        return await _answered(order, ChatForm(served.id, order.names), runs)

    @router.post(
        "/v1/completions",
        responses=_replies(Completion),
        response_model=None,
        summary="Go on from a text.",
    )
    async def complete(body: CompletionBody) -> Response:
        served = registry.get(body.model)
        order = completion_order(served, body)
        if not body.echo:
            return await _answered(order, CompletionForm(served.id, order.names), runs)
        return await _echoed(order, body, runs)


async def _answered(order: Order, form: Form, runs: Runs) -> Response:
    runs.check(order)
    return EventStream(order, form, runs) if order.streams else await runs.whole(order, form)


async def _echoed(order: Order, body: CompletionBody, runs: Runs) -> Response:
    """Answer a request whose prompts are repeated, and perhaps gone on from."""
    runs.check(order)
    served = order.served
    scored = await echoes_of(served, order.queries, order.draws[0].options.detail)
    echoes = dict(enumerate(each for each in scored for _ in range(order.answers_each)))
    form = CompletionForm(served.id, order.names, echoes)
    if body.max_tokens == 0:
        runs = ReadyRuns([echo_result(served, each) for each in echoes.values()])
    return await _answered(order, form, runs)


def _replies(shape: type[BaseModel]) -> dict[int | str, dict[str, Any]]:
    events = {"text/event-stream": {"schema": EVENT}}
    description = "The answer, or with `stream: true` its chunks as server-sent events."
    return {200: {"model": shape, "content": events, "description": description}, **ERRORS}
