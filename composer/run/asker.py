"""The Asker that steps are given: it keeps, bills and records what is asked of the clients."""

from __future__ import annotations

import asyncio
import math
import random
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TYPE_CHECKING, TypeVar

from composer.run.budget import most_tokens
from composer.run.cache import answer_key, score_key
from composer.run.model_digests import ModelDigests
from composer.run.trace import TracedCall
from composer.specs import leaves, thinking_of
from composer.values import (
    Client,
    Generate,
    Generated,
    Query,
    Reward,
    ScoreTexts,
    Text,
    Usage,
)
from composer.values.finite import finite
from composer.values.gather import side_by_side
from composer.values.thinking import ThoughtFilter

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping, Sequence

    from composer.run.budget import RunBudget
    from composer.run.cache import AnswerCache
    from composer.run.clients import ModelClients
    from composer.run.trace import StepEvent, Trace
    from composer.values import (
        JSON,
        Completion,
        Distribution,
        Embed,
        Embedded,
        Model,
        NextTokens,
        Request,
        Rewarded,
        Sampling,
        Score,
        Span,
    )
    from composer.values.thinking import Thinking

T = TypeVar("T")


@dataclass(eq=False)
class RunContext:
    """What a run asks with: clients, prices by model, answers that are kept, and a budget."""

    clients: ModelClients
    prices: Mapping[str, tuple[float, float] | None]
    cache: AnswerCache | None = None
    budget: RunBudget | None = None
    contents: ModelDigests = field(default_factory=ModelDigests)


@dataclass(eq=False)
class RunAsker:
    """Asks on behalf of one step for one query."""

    means: RunContext
    trace: Trace
    event: StepEvent
    seed: str
    on_text: Callable[[str], None] | None = None

    @cached_property
    def rng(self) -> random.Random:
        """Randomness that depends on the run's seed, the query and the occurrence only."""
        return random.Random(self.seed)

    def note(self, **facts: JSON) -> None:
        """Record facts in the trace."""
        self.event.notes.update(facts)

    async def compute(self, function: Callable[[], T]) -> T:
        """Run slow arithmetic in a thread."""
        return await asyncio.to_thread(_called, function)

    async def ask(self, request: Request[T]) -> T:
        """Ask a model something."""
        return await request.seeded(self._bits).put(self._metered)

    async def many(self, requests: Sequence[Request[T]]) -> list[T]:
        """Ask several things side by side; seeds go by the order of the requests."""
        asked = [request.seeded(self._bits) for request in requests]
        return await side_by_side(each.put(self._metered) for each in asked)

    async def generate(self, model: Model, query: Query, sampling: Sampling) -> Text:
        """Let a model, or an ensemble, answer a query."""
        request = Generate(model, query, sampling, seeds=(sampling.seed,))
        thinking = thinking_of(model)
        hider = ThoughtFilter(thinking, self.on_text) if thinking and self.on_text else None
        (made,) = (await self._metered.generate(request, hider or self.on_text)).draws
        if hider is not None:
            hider.close()
        ended = {} if made.finish is None else {"finish": made.finish}
        left = {"left": dict(made.left)} if made.left else {}
        text = Text(
            query, made.text, model.name, made.tokens, made.logprobs, made.confidence,
            value=made.value, extracted=made.extracted, facts={**ended, **left, **made.facts},
        )  # fmt: skip
        return text if thinking is None else _without_thoughts(text, thinking)

    async def score(self, model: Model, query: Query | None, text: str) -> Score:
        """Score a text as the model's answer to a query, or on its own."""
        (score,) = await self._metered.score(ScoreTexts(model, query, (text,)))
        return score

    async def perplexity(self, model: Model, query: Query) -> Score:
        """Score the query's own tokens."""
        (score,) = await self._metered.score(ScoreTexts(model, query, None))
        return score

    async def reward(self, model: Model, query: Query, texts: Sequence[str]) -> tuple[float, ...]:
        """Let a reward model say how good each text is as an answer."""
        rewarded = await self._metered.reward(Reward(model, query, tuple(texts)))
        return rewarded.values

    @cached_property
    def _metered(self) -> MeteredClient:
        return MeteredClient(self.means, self.trace, self.event)

    def _bits(self) -> int:
        return self.rng.getrandbits(62)


def _called(function: Callable[[], T]) -> T:
    """Call a function; StopIteration would get lost on the way out of a thread."""
    try:
        return function()
    except StopIteration as error:
        raise RuntimeError("StopIteration") from error


class MeteredClient(Client):
    """Hands requests on to the models' clients; keeps answers, holds the budget, records all."""

    def __init__(self, means: RunContext, trace: Trace, event: StepEvent) -> None:
        self.means, self.trace, self.event = means, trace, event

    async def generate(
        self, request: Generate, on_text: Callable[[str], None] | None = None
    ) -> Generated:
        """Let a model answer; each draw is kept and billed by itself."""
        if request.draws == len(request.seeds) == 1:
            return Generated((await self._draw(request, on_text),))
        each = (replace(request, draws=1, seeds=(seed,)) for seed in request.seeds)
        draws = await side_by_side(self._draw(one, on_text) for one in each)
        return Generated(tuple(draws))

    async def score(self, request: ScoreTexts) -> tuple[Score, ...]:
        """Score texts; those that were scored before cost nothing."""
        cache = self.means.cache
        asked = (None,) if request.texts is None else request.texts
        content = self.means.contents.of
        keys = {text: score_key(request, text, content) for text in asked}
        kept = {text: cache.get_score(key) if cache else None for text, key in keys.items()}
        new = [text for text, score in kept.items() if score is None]
        if new:
            texts = None if request.texts is None else tuple(text or "" for text in new)
            scores = await self._read(replace(request, texts=texts))
            for text, score in zip(new, scores, strict=True):
                kept[text] = score
                if cache is not None:
                    cache.put_score(score_key(request, text, content), score)
        return tuple(self._scored(request, kept[text], cached=text not in new) for text in asked)

    async def embed(self, request: Embed) -> Embedded:
        """Let a model embed texts."""
        client = await self.means.clients.of(request.model)
        embedded = await self._paid(
            request, most_tokens(None, *request.texts), client.embed(request)
        )
        self._spent("embedded by", request, f"{len(request.texts)} texts", embedded.usage)
        return embedded

    async def reward(self, request: Reward) -> Rewarded:
        """Let a model say how good answers are."""
        client = await self.means.clients.of(request.model)
        read = sum(most_tokens(request.query, text) for text in request.texts)
        rewarded = await self._paid(request, read, client.reward(request))
        told = ", ".join(f"{value:.4f}" for value in rewarded.values)
        self._spent("rewarded by", request, told, rewarded.usage, request.query)
        return rewarded

    async def next_tokens(self, request: NextTokens) -> Distribution:
        """Let a model say what may come next."""
        client = await self.means.clients.of(request.model)
        read = most_tokens(request.query, request.prefix)
        likely = await self._paid(request, read, client.next_tokens(request))
        told = f"{len(likely.tokens)} tokens"
        self._spent("next tokens of", request, told, likely.usage, request.query)
        return likely

    async def _draw(self, request: Generate, on_text: Callable[[str], None] | None) -> Completion:
        asked = TracedCall(request.model.name, "asked", list(request.query.messages))
        self.event.asked.append(asked)
        began = self.trace.now()
        made = _known(await self._kept_or_made(request, on_text))
        asked.text, asked.tokens = made.text, len(made.tokens)
        asked.spans = [_span(each) for each in made.spans]
        asked.cached, asked.seconds = made.cached, self.trace.now() - began
        if not made.cached:
            if made.left:
                self.event.notes["left"] = dict(made.left)
            if made.weights:
                self.event.notes["weights"] = dict(made.weights)
        for name, usage in made.usage.items():
            self.trace.spend(name, usage)
        return made

    async def _kept_or_made(
        self, request: Generate, on_text: Callable[[str], None] | None
    ) -> Completion:
        cache, client = self.means.cache, await self.means.clients.of(request.model)
        if cache is None or not client.keeps:
            return await self._made(client, request, on_text)
        content = self.means.contents.of
        key = answer_key(request, content)
        kept = cache.get(key)
        if kept is not None:
            if on_text is not None:
                on_text(kept.text)
            return replace(kept, usage={leaf.name: Usage() for leaf in leaves(request.model)})
        made = await self._made(client, request, on_text)
        if any(leaf.is_local for leaf in leaves(request.model)):
            key = answer_key(request, content)  # of a hub's model, known since it is here
        cache.put(key, made)
        return made

    async def _made(
        self, client: Client, request: Generate, on_text: Callable[[str], None] | None
    ) -> Completion:
        budget = self.means.budget
        if budget is None:
            async with self.means.clients.within(request.model):
                return (await client.generate(request, on_text)).draws[0]
        async with budget.room(self._worst(client, request)):
            async with self.means.clients.within(request.model):
                (made,) = (await client.generate(request, on_text)).draws
            budget.pay(sum(usage.cost for usage in made.usage.values()))
        return made

    async def _read(self, request: ScoreTexts) -> tuple[Score, ...]:
        """Let a client score, within the budget."""
        client, budget = await self.means.clients.of(request.model), self.means.budget
        if budget is None:
            async with self.means.clients.within(request.model):
                return await client.score(request)
        texts = ("",) if request.texts is None else request.texts
        worst = sum(most_tokens(request.query, request.prefix, text) for text in texts)
        async with budget.room(self._reading(request.model, worst)):
            async with self.means.clients.within(request.model):
                scores = await client.score(request)
            read = sum(len(score.logprobs) for score in scores)
            budget.pay(self._reading(request.model, read))
        return scores

    async def _paid(self, request: Request[T], read: int, work: Awaitable[T]) -> T:
        """Do work that reads so many tokens at most, within the budget."""
        if self.means.budget is None:
            async with self.means.clients.within(request.model):
                return await work
        worst = self._reading(request.model, read)
        async with self.means.budget.room(worst):
            async with self.means.clients.within(request.model):
                result = await work
            self.means.budget.pay(worst)
        return result

    def _scored(self, request: ScoreTexts, score: Score | None, *, cached: bool) -> Score:
        assert score is not None
        what = "prompt read by" if request.texts is None else "scored by"
        said = list(request.query.messages) if request.query else []
        count, told = len(score.logprobs), f"{score.mean:.4f} nats a token"
        self.event.asked.append(
            TracedCall(request.model.name, what, said, told, count, cached=cached)
        )
        for name in (leaf.name for leaf in leaves(request.model)):
            read = Usage(1, count, 0, self._cost(name, count, 0))
            self.trace.spend(name, Usage() if cached else read)
        return score

    def _spent(
        self,
        what: str,
        request: Request[object],
        told: str,
        usage: Mapping[str, Usage],
        query: Query | None = None,
    ) -> None:
        """Record what was asked, and count what it took."""
        said = [] if query is None else list(query.messages)
        self.event.asked.append(TracedCall(request.model.name, what, said, told))
        for name, each in usage.items():
            self.trace.spend(name, each)

    def _worst(self, client: Client, request: Generate) -> float:
        """Return what a call costs at most: a token has at least one byte."""
        booked = client.cost(request)
        if booked is not None:
            return booked
        read, most = most_tokens(request.query, request.prefix), request.sampling.max_tokens
        return sum(self._cost(leaf.name, read, most) for leaf in leaves(request.model))

    def _reading(self, model: Model, tokens: int) -> float:
        """Return what it costs that each model of a fuse reads so many tokens."""
        return sum(self._cost(leaf.name, tokens, 0) for leaf in leaves(model))

    def _cost(self, name: str, read: int, written: int) -> float:
        price = self.means.prices.get(name)
        return (read * price[0] + written * price[1]) / 1e6 if price else 0.0


def _known(made: Completion) -> Completion:
    """Return an answer whose confidence, and log-probabilities, are not known where they are none.

    A token may be impossible; it is never unknowable, or likelier than certain.
    """
    confidence = finite(made.confidence)
    logprobs = made.logprobs if all(each < math.inf for each in made.logprobs) else ()
    if confidence is made.confidence and logprobs is made.logprobs:
        return made
    return replace(made, confidence=confidence, logprobs=logprobs)


def _without_thoughts(text: Text, thinking: Thinking) -> Text:
    """Take thoughts out of an answer; one that never comes to its answer abstains."""
    answer, thoughts = thinking.split(text.text)
    if answer == text.text:
        return text
    facts = {**text.facts, "thinking": thoughts}
    if answer is None:
        return replace(text, text="", value=None, extracted=True, facts=facts)
    return replace(text, text=answer, facts=facts)


def _span(span: Span) -> dict[str, JSON]:
    return {
        "text": span.text,
        "winner": span.winner,
        "candidates": dict(span.candidates),
        "scores": {name: dict(scores) for name, scores in span.scores.items()},
    }
