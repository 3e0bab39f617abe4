"""Questions to a server, and its answers: as chats or as completions, whole or as streams."""

from __future__ import annotations

from contextlib import aclosing
from dataclasses import replace
from typing import TYPE_CHECKING

from composer.backends.endpoint.answers import completion_of, shares
from composer.backends.endpoint.replies import choices_of, spent
from composer.backends.endpoint.request_options import drawing, seed_for
from composer.backends.endpoint.streaming import StreamedAnswer
from composer.values.gather import side_by_side
from composer.values.results import Generated, Usage

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from composer.backends.endpoint.replies import Choice
    from composer.backends.endpoint.served import ServedModel
    from composer.values.flow import JSON
    from composer.values.requests import Generate
    from composer.values.results import Completion

__all__ = ["AnswerReader"]

CHAT, COMPLETIONS = "/chat/completions", "/completions"

LETTERS = 3
"""Letters of a prompt that are counted as one token, where limits a minute are held."""


class AnswerReader:
    """Puts questions to a server, and reads the answers."""

    def __init__(self, model: ServedModel) -> None:
        self._model = model

    async def answer(self, request: Generate, on_text: Callable[[str], None] | None) -> Generated:
        """Answer once for each seed; raises ModelError.

        Greedy answers are asked for once. Sampled ones are asked for by one request, with the first
        seed, where the server gives several.
        """
        seeds = request.seeds
        if request.sampling.temperature <= 0:
            draw = await self._one(request, 0, on_text)
            return Generated((draw, *[_free(draw)] * (len(seeds) - 1)))
        if len(seeds) == 1:
            return Generated((await self._one(request, seeds[0], on_text),))
        if self._model.gives.several:
            draws = await self._several(request, seeds)
        else:
            draws = await side_by_side(self._one(request, seed, None) for seed in seeds)
        if on_text is not None:
            on_text(draws[0].text)
        return Generated(tuple(draws))

    async def _one(
        self, request: Generate, seed: int, on_text: Callable[[str], None] | None
    ) -> Completion:
        if on_text is not None:
            return await self._streamed(request, seed, on_text)
        return (await self._several(request, (seed,)))[0]

    async def _several(self, request: Generate, seeds: Sequence[int]) -> list[Completion]:
        """Ask for several answers by one request."""
        model, count = self._model, len(seeds)
        path, body = self._body(request, seeds[0])
        if count > 1:
            body["n"] = count

        def read(reply: dict[str, JSON]) -> tuple[list[Choice], Usage]:
            return choices_of(reply, count), spent(reply, model.options.price)

        tokens = _size(body) + count * request.sampling.max_tokens
        choices, usage = await model.transport.post(path, body, tokens=tokens, read=read)
        parts = shares(usage, count, model.options.price)
        return [
            completion_of(choice, request.sampling, part, model.name)
            for choice, part in zip(choices, parts, strict=True)
        ]

    async def _streamed(
        self, request: Generate, seed: int, on_text: Callable[[str], None]
    ) -> Completion:
        model, sampling = self._model, request.sampling
        path, body = self._body(request, seed)
        body["stream"] = True
        if model.gives.usage:
            body["stream_options"] = {"include_usage": True}
        reader = StreamedAnswer(sampling, model.options.price)
        tokens = _size(body) + sampling.max_tokens
        stream = model.transport.stream(path, body, tokens=tokens, reader=reader)
        async with aclosing(stream) as texts:
            async for text in texts:
                on_text(text)
        if tail := reader.tail:
            on_text(tail)
        return completion_of(reader.choice, sampling, reader.usage, model.name)

    def _body(self, request: Generate, seed: int) -> tuple[str, dict[str, JSON]]:
        """Return the address and the body of a request for one answer."""
        model, messages = self._model, request.query.messages
        body: dict[str, JSON] = {"model": model.options.model, **drawing(model, request.sampling)}
        if request.sampling.temperature > 0:
            body["seed"] = seed_for(seed)
        if not model.by_chat or (request.prefix and not model.goes_on(request.prefix)):
            if model.gives.top:
                body["logprobs"] = 1
            return COMPLETIONS, body | {"prompt": model.prompt(messages, request.prefix)}
        turns: list[JSON] = [{"role": role, "content": text} for role, text in messages]
        if request.prefix:
            turns.append({"role": "assistant", "content": request.prefix})
            body |= {"add_generation_prompt": False, "continue_final_message": True}
        if model.gives.logprobs:
            body |= {"logprobs": True, "top_logprobs": 1}
        return CHAT, body | {"messages": turns}


def _free(draw: Completion) -> Completion:
    """Return an answer again that was asked for once."""
    return replace(draw, usage={name: Usage() for name in draw.usage})


def _size(body: dict[str, JSON]) -> int:
    """Return about how many tokens a prompt has."""
    prompt = body.get("prompt", body.get("messages"))
    ids = isinstance(prompt, list) and all(isinstance(each, int) for each in prompt)
    return len(prompt) if ids and isinstance(prompt, list) else len(str(prompt)) // LETTERS + 1
