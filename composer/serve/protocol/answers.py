"""The routes that answer: `/v1/chat/completions` and `/v1/completions`."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from composer.serve.errors import refusal
from composer.serve.protocol.accounts import Answer
from composer.serve.protocol.bodies import ChatBody, CompletionBody
from composer.serve.protocol.echoes import echo_result, echoes_of
from composer.serve.protocol.forms import ChatForm, CompletionForm
from composer.serve.protocol.messages import conversation
from composer.serve.protocol.options import chat_detail, completion_detail, options_of
from composer.serve.protocol.orders import Draw, Order
from composer.serve.protocol.prompts import raw_queries
from composer.serve.protocol.route import ERRORS
from composer.serve.protocol.shapes import ChatCompletion, Completion
from composer.serve.protocol.streams import EventStream
from composer.serve.protocol.token_names import TokenNames

if TYPE_CHECKING:
    from collections.abc import Sequence

    from fastapi import APIRouter, Response
    from pydantic import BaseModel

    from composer.serve.protocol.bodies import SampledBody
    from composer.serve.protocol.forms import Form
    from composer.serve.protocol.runs import Runs
    from composer.serve.served import Registry, ServedModel
    from composer.values import Query
    from composer.values.details import TokenDetail
    from composer.values.options import AnswerOptions

__all__ = ["add_answers"]

MOST_DRAWS = 4_096
"""How many answers a request may ask for in all."""


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
        query, prefix = conversation(body)
        options = options_of(body, _most_tokens(body), _seed(body, served), served.settings.keep)
        options = replace(options, prefix=prefix, detail=chat_detail(body))
        order = _order(served, body, [query], options, "messages")
        names = _names(served, body, options.detail)
        return await _answered(order, ChatForm(served.id, names), runs)

    @router.post(
        "/v1/completions",
        responses=_replies(Completion),
        response_model=None,
        summary="Go on from a text.",
    )
    async def complete(body: CompletionBody) -> Response:
        served = registry.get(body.model)
        queries = raw_queries(body.prompt, served.tokenizer)
        options = options_of(body, body.max_tokens, _seed(body, served), served.settings.keep)
        options = replace(options, detail=completion_detail(body))
        order = _order(served, body, queries, options, "prompt")
        names = _names(served, body, options.detail)
        if body.max_tokens == 0 and not body.echo:
            raise refusal("max_tokens", "`max_tokens` can only be 0 where `echo` is true")
        if not body.echo:
            return await _answered(order, CompletionForm(served.id, names), runs)
        return await _echoed(order, body, names, runs)


async def _answered(order: Order, form: Form, runs: Runs) -> Response:
    runs.check(order)
    return EventStream(order, form, runs) if order.streams else await runs.whole(order, form)


async def _echoed(
    order: Order, body: CompletionBody, names: TokenNames | None, runs: Runs
) -> Response:
    """Answer a request whose prompts are repeated, and perhaps gone on from."""
    runs.check(order)
    served = order.served
    queries = [draw.query for draw in order.draws]
    echoes = dict(enumerate(await echoes_of(served, queries, order.draws[0].options.detail)))
    form = CompletionForm(served.id, names, echoes)
    if body.max_tokens != 0:
        return await _answered(order, form, runs)
    answers = [
        Answer(echo_result(served, echoes[at]), draw.seed, "")
        for at, draw in enumerate(order.draws)
    ]
    return runs.reply(order, form, answers)


def _order(
    served: ServedModel,
    body: SampledBody,
    queries: Sequence[Query],
    options: AnswerOptions,
    prompt: str,
) -> Order:
    """Return what a request wants: so many answers to each query, with seeds one after another."""
    count = body.n or 1
    if count * len(queries) > MOST_DRAWS:
        text = f"`n` times the number of prompts must be at most {MOST_DRAWS:,}"
        raise refusal("n", text)
    first = options.seed or 0
    draws = [
        Draw(query, replace(options, seed=seed), seed)
        for query in queries
        for seed in range(first, first + count)
    ]
    wanted = body.stream_options
    if wanted is not None and not body.stream:
        raise refusal("stream_options", "`stream_options` needs `stream: true`")
    return Order(
        served,
        draws,
        prompt,
        streams=bool(body.stream),
        usage=bool(wanted and (wanted.include_usage or wanted.continuous_usage_stats)),
        counts=bool(wanted and wanted.continuous_usage_stats),
        trace=bool(body.trace),
    )


def _names(served: ServedModel, body: SampledBody, detail: TokenDetail | None) -> TokenNames | None:
    if detail is None:
        return None
    return TokenNames(served.tokenizer, as_ids=bool(body.return_tokens_as_token_ids))


def _seed(body: SampledBody, served: ServedModel) -> int:
    """Return the seed of a request, or else the one that the model chooses."""
    return served.seed() if body.seed is None else body.seed % (1 << 63)


def _most_tokens(body: ChatBody) -> int | None:
    """Return how many tokens may be written: the field has two names."""
    older, newer = body.max_tokens, body.max_completion_tokens
    if older is not None and newer is not None and older != newer:
        text = "`max_completion_tokens` and `max_tokens` say different things: send one of them"
        raise refusal("max_completion_tokens", text)
    return older if newer is None else newer


def _replies(shape: type[BaseModel]) -> dict[int | str, dict[str, Any]]:
    events = {"text/event-stream": {"schema": {"type": "string"}}}
    description = "The answer, or with `stream: true` its chunks as server-sent events."
    return {200: {"model": shape, "content": events, "description": description}, **ERRORS}
