"""Questions to a server, and its answers: as chats or as completions, whole or as streams."""

from __future__ import annotations

from contextlib import aclosing
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

from composer.backends.endpoint.asking.answers import completion_of, shares
from composer.backends.endpoint.asking.context_room import room_in
from composer.backends.endpoint.asking.replies import choices_of, spent
from composer.backends.endpoint.asking.request_options import drawing, seed_for
from composer.backends.endpoint.asking.served import CHAT_TOP
from composer.backends.endpoint.asking.streaming import StreamedAnswer
from composer.backends.endpoint.asking.token_details import TokenDetails, TokenTeller
from composer.backends.endpoint.faults import EndpointError
from composer.values.gather import side_by_side
from composer.values.media import chat_content
from composer.values.results import Generated, Usage

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping, Sequence

    from composer.backends.endpoint.asking.replies import Choice
    from composer.backends.endpoint.asking.served import ServedModel
    from composer.values.details import TokenDetail
    from composer.values.flow import JSON
    from composer.values.requests import Generate
    from composer.values.results import Completion

    Put = Callable[[str, Mapping[str, JSON], Generate], Awaitable[tuple[list[Choice], Usage]]]

__all__ = ["AnswerReader"]

CHAT, COMPLETIONS = "/chat/completions", "/completions"

TOO_LONG = "E703"

LETTERS = 3
"""Letters of a prompt that are counted as one token, where limits a minute are held."""

OLDER, NEWER = "max_tokens", "max_completion_tokens"
"""How servers call the most tokens of an answer; some know the newer word alone, and say so."""

PART = 1000
"""Tokens that an image or another content part counts as there."""


class AnswerReader:
    """Puts questions to a server, and reads the answers."""

    def __init__(self, model: ServedModel) -> None:
        self._model = model
        self._details = TokenDetails(model.writer)
        self._knows_newer_alone = False

    async def answer(self, request: Generate, on_text: Callable[[str], None] | None) -> Generated:
        """Answer once for each seed; raises ModelError.

        Greedy answers are asked for once. Sampled ones are asked for by one request, with the first
        seed, where the server gives several.
        """
        seeds = request.seeds
        if request.sampling.temperature <= 0:
            (draw,) = await self._draws(request, (0,), on_text)
            return Generated((draw, *[_free(draw)] * (len(seeds) - 1)))
        if len(seeds) == 1:
            return Generated(tuple(await self._draws(request, seeds, on_text)))
        parts = [seeds] if self._model.gives.several else [(seed,) for seed in seeds]
        drawn = await side_by_side(self._draws(request, each) for each in parts)
        draws = tuple(draw for each in drawn for draw in each)
        if on_text is not None:
            on_text(draws[0].text)
        return Generated(draws)

    async def _draws(
        self, request: Generate, seeds: Sequence[int], on_text: Callable[[str], None] | None = None
    ) -> list[Completion]:
        """Ask for an answer for each seed by one request.

        Where a context has no room for `max_tokens`, it is asked for as many as it has.
        """
        model, sampling, count = self._model, request.sampling, len(seeds)
        path, body = self._body(request, seeds)
        teller = TokenTeller(self._details, request)
        put = self._whole if on_text is None else partial(self._streamed, on_text, teller)
        is_full = False
        try:
            choices, usage = await self._put(put, path, body, request)
        except EndpointError as refusal:
            room = room_in(refusal.message) if refusal.code == TOO_LONG else None
            if room is None or not 0 < room < sampling.max_tokens:
                raise
            is_full = True
            choices, usage = await self._put(put, path, body | model.most(room), request)
        parts = shares(usage, count, model.options.price)
        pairs = zip(map(self._details.spelt, choices), parts, strict=True)
        draws = [completion_of(choice, request, part, self._details) for choice, part in pairs]
        teller.rest(draws[0])
        return [_filled(draw) for draw in draws] if is_full else draws

    async def _put(
        self, put: Put, path: str, body: Mapping[str, JSON], request: Generate
    ) -> tuple[list[Choice], Usage]:
        """Put a request, and again with the newer word for `max_tokens` to a server that wants it.

        What a server wants is then known for all further requests.
        """
        if not self._knows_newer_alone:
            try:
                return await put(path, body, request)
            except EndpointError as refusal:
                if OLDER not in body or NEWER not in refusal.message:
                    raise
                self._knows_newer_alone = True
        renamed = {NEWER if name == OLDER else name: value for name, value in body.items()}
        return await put(path, renamed, request)

    async def _whole(
        self, path: str, body: Mapping[str, JSON], request: Generate
    ) -> tuple[list[Choice], Usage]:
        count, price = int(str(body.get("n", 1))), self._model.options.price

        def read(reply: dict[str, JSON]) -> tuple[list[Choice], Usage]:
            return choices_of(reply, count), spent(reply, price)

        tokens = _size(body) + count * request.sampling.max_tokens
        return await self._model.transport.post(path, body, tokens=tokens, read=read)

    async def _streamed(
        self,
        on_text: Callable[[str], None],
        teller: TokenTeller,
        path: str,
        body: Mapping[str, JSON],
        request: Generate,
    ) -> tuple[list[Choice], Usage]:
        model, sampling = self._model, request.sampling
        whole: dict[str, JSON] = {**body, "stream": True}
        if model.gives.usage:
            whole["stream_options"] = {"include_usage": True}
        reader = StreamedAnswer(sampling, model.options.price)
        tokens = _size(body) + sampling.max_tokens
        stream = model.transport.stream(path, whole, tokens=tokens, reader=reader)
        async with aclosing(stream) as texts:
            async for text in texts:
                teller.positions(reader.take_positions())
                on_text(text)
        if tail := reader.tail:
            on_text(tail)
        return [reader.choice], reader.usage

    def _body(self, request: Generate, seeds: Sequence[int]) -> tuple[str, dict[str, JSON]]:
        """Return the address and the body of a request for answers.

        Content parts that are no text go to a chat alone; raises ModelError (E722).
        """
        model, query = self._model, request.query
        body: dict[str, JSON] = {"model": model.options.model, **drawing(model, request.sampling)}
        if request.sampling.temperature > 0 and model.options.overrides.get("seeds", True):
            body["seed"] = seed_for(seeds[0])
        if len(seeds) > 1:
            body["n"] = len(seeds)
        continued = request.prefix and not model.goes_on(request.prefix)
        if query.raw or continued or not model.by_chat:
            if model.gives.top:
                body |= self._token_fields(request.detail)
            return COMPLETIONS, body | {"prompt": model.prompt(query, request.prefix)}
        turns: list[JSON] = [
            {"role": role, "content": chat_content(text, query.media)}
            for role, text in query.messages
        ]
        if request.prefix:
            turns.append({"role": "assistant", "content": request.prefix})
            body |= {"add_generation_prompt": False, "continue_final_message": True}
        if model.gives.logprobs:
            top = 1 if request.detail is None else max(1, min(CHAT_TOP, request.detail.top))
            body |= {"logprobs": True, "top_logprobs": top}
        return CHAT, body | {"messages": turns}

    def _token_fields(self, detail: TokenDetail | None) -> dict[str, JSON]:
        """Say what a completion is to tell of each token, as far as the server can."""
        gives = self._model.gives
        if detail is None:
            return {"logprobs": 1}
        fields: dict[str, JSON] = {"logprobs": max(1, min(gives.top, detail.top))}
        if detail.ids and gives.chosen and not detail.top:
            fields["logprob_token_ids"] = list(detail.ids[: gives.chosen])
        if gives.ids and self._model.writer is not None:
            fields["return_tokens_as_token_ids"] = True
        return fields


def _free(draw: Completion) -> Completion:
    """Return an answer again that was asked for once."""
    return replace(draw, usage={name: Usage() for name in draw.usage})


def _filled(draw: Completion) -> Completion:
    """Return an answer that ended where the context did."""
    return replace(draw, finish="context") if draw.finish == "length" else draw


def _size(body: Mapping[str, JSON]) -> int:
    """Return about how many tokens a prompt has."""
    prompt = body.get("prompt", body.get("messages"))
    ids = isinstance(prompt, list) and all(isinstance(each, int) for each in prompt)
    if ids and isinstance(prompt, list):
        return len(prompt)
    turns = prompt if isinstance(prompt, list) else [prompt]
    contents = [each.get("content") if isinstance(each, dict) else each for each in turns]
    return sum(map(_length, contents)) + 1


def _length(content: JSON) -> int:
    if not isinstance(content, list):
        return len(str(content)) // LETTERS
    texts = [
        each["text"] if isinstance(each, dict) and "text" in each else None for each in content
    ]
    return sum(PART if text is None else len(str(text)) // LETTERS for text in texts)
