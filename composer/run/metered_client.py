"""The client that each request of a run goes through: cache, budget, time limit, trace.

It answers from the cache where it can, else it asks the model's own client within the budget and
the time limit. It records every call in the trace.
"""

from __future__ import annotations

import math
from contextlib import asynccontextmanager, nullcontext
from dataclasses import dataclass, field, replace
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar

from composer.diagnostics.amounts import counted
from composer.run.attempts import RunLedger
from composer.run.cache import answer_key, score_key
from composer.run.call_records import CallRecords, LiveCall
from composer.run.model_digests import ModelDigests
from composer.run.shared_draws import SharedDraws
from composer.specs import leaves, readers
from composer.values import (
    Client,
    Generate,
    Generated,
    Query,
    Reward,
    ScoreTexts,
    Usage,
)
from composer.values.bounds import most_tokens
from composer.values.finite import finite
from composer.values.gather import side_by_side
from composer.values.ledger import CALL_LIMIT, LEDGER
from composer.values.media import refuse_media

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Mapping, Sequence

    from composer.run.budget import RunBudget
    from composer.run.cache import AnswerCache
    from composer.run.clients import ModelClients
    from composer.run.trace import StepEvent, Trace, TracedCall
    from composer.values import (
        Completion,
        Embed,
        Embedded,
        Model,
        NextDistributions,
        NextTokens,
        Request,
        Rewarded,
        Score,
    )
    from composer.values.gathering import Gathering


T = TypeVar("T")

CANNOT = "E302"
"""The code of a request that a client cannot answer, which costs nothing."""


@dataclass(eq=False)
class RunContext:
    """What all requests of a run share: clients, prices by model, the cache and the budget.

    `gatherings` are, by step and part, the queries whose arithmetic is done together; `draws` are
    the requests that have several draws.
    """

    clients: ModelClients
    prices: Mapping[str, tuple[float, float] | None]
    cache: AnswerCache | None = None
    budget: RunBudget | None = None
    digests: ModelDigests = field(default_factory=ModelDigests)
    gatherings: dict[tuple[str, str], Gathering[Any, Any]] = field(default_factory=dict)
    draws: SharedDraws = field(default_factory=SharedDraws)


class MeteredClient(Client):
    """Passes requests on to the clients of models, for one step of one query."""

    def __init__(self, context: RunContext, trace: Trace, event: StepEvent) -> None:
        self.context, self.trace, self.event = context, trace, event
        self._records = CallRecords(trace, event)

    async def generate(
        self, request: Generate, on_text: Callable[[str], None] | None = None
    ) -> Generated:
        """Let a model answer; each draw is cached and billed separately."""
        _require_readers(request.model, request.query)
        if request.draws == len(request.seeds) == 1:
            return Generated((await self._draw(request, on_text),))
        single_draws = (replace(request, draws=1, seeds=(seed,)) for seed in request.seeds)
        draws = await side_by_side(self._draw(single_draw, on_text) for single_draw in single_draws)
        return Generated(tuple(draws))

    async def score(self, request: ScoreTexts) -> tuple[Score, ...]:
        """Score texts; those that were scored before cost nothing."""
        _require_readers(request.model, request.query)
        cache = self.context.cache
        scored_texts = (None,) if request.texts is None else request.texts
        content = self.context.digests.of
        keys = {text: score_key(request, text, content) for text in scored_texts}
        kept = {}
        if cache is not None and request.detail is None:
            kept = {text: score for text, key in keys.items() if (score := cache.get_score(key))}
        calls = {text: self._open_score(request, kept.get(text)) for text in keys}
        new = [text for text in keys if text not in kept]
        if new:
            texts = None if request.texts is None else tuple(text or "" for text in new)
            open_calls = [calls[text] for text in new]
            with self._records.lasting(*open_calls):
                scores = await self._score(replace(request, texts=texts), open_calls)
            kept |= dict(zip(new, scores, strict=True))
            if cache is not None:
                for text in new:
                    cache.put_score(score_key(request, text, content), kept[text])
        return tuple(kept[text] for text in scored_texts)

    async def embed(self, request: Embed) -> Embedded:
        """Let a model embed texts."""
        call = self._records.open(request.model, "embedded by", None)
        with self._records.lasting(call):
            read = most_tokens(None, *request.texts)
            embedded = await self._within_budget(request, call, read)
            self._spend(call, counted(len(request.texts), "text"), embedded.usage)
        return embedded

    async def reward(self, request: Reward) -> Rewarded:
        """Let a model say how good answers are."""
        _require_readers(request.model, request.query)
        call = self._records.open(request.model, "rewarded by", request.query)
        with self._records.lasting(call):
            read = sum(most_tokens(request.query, text) for text in request.texts)
            rewarded = await self._within_budget(request, call, read)
            rewards = ", ".join(f"{value:.4f}" for value in rewarded.values)
            self._spend(call, rewards, rewarded.usage)
        return rewarded

    async def next_tokens(self, request: NextTokens) -> NextDistributions:
        """Let a model say what may come next."""
        call = self._records.open(request.model, "asked for", None)
        with self._records.lasting(call):
            read, written = sum(map(len, request.prompts)), len(request.prompts) * request.ahead
            distributions = await self._within_budget(request, call, read, written)
            summary = counted(len(request.prompts), "next token")
            self._spend(call, summary, distributions.usage)
        return distributions

    async def _draw(self, request: Generate, on_text: Callable[[str], None] | None) -> Completion:
        call = self._records.open(request.model, "asked", request.query)
        try:
            live = LiveCall(self._records, call, request, on_text)
            completion = _with_finite_numbers(await self._cached_or_new(live))
            if completion.choices:
                live.tell_rest(completion.choices)
            self._records.answer(call, completion)
            if completion.cached:
                completion = self._saved(request.model, completion, call)
            else:
                for name, usage in completion.usage.items():
                    self.trace.spend(name, usage, call)
        except BaseException as error:
            self.trace.close_call(self.event, call, error)
            raise
        self.trace.close_call(self.event, call)
        return completion

    def _saved(self, model: Model, completion: Completion, call: TracedCall) -> Completion:
        """Count what a kept answer would cost at the prices of today; it costs nothing now."""
        for name, kept in completion.usage.items():
            if self.context.prices.get(name):
                cost = self._cost(name, kept.prompt_tokens, kept.completion_tokens)
                self.trace.save(replace(kept, cost=cost, unpriced=0))
            else:
                self.trace.save(kept)
        usage = {leaf.name: Usage() for leaf in leaves(model)}
        for name, nothing in usage.items():
            self.trace.spend(name, nothing, call)
        return replace(completion, usage=usage)

    async def _cached_or_new(self, live: LiveCall) -> Completion:
        """Return a kept answer, or a new one; what members said of its tokens is never kept."""
        request = live.request
        cache, client = self.context.cache, await self.context.clients.of(request.model)
        if cache is None or not client.keeps:
            return await self._new(client, live)
        content = self.context.digests.of
        key = answer_key(request, content)
        of_members = request.detail is not None and request.detail.members > 0
        cached = None if of_members else cache.get(key)
        if cached is not None:
            if live.tell_text is not None:
                live.tell_text(cached.text)
            return cached
        completion = await self._new(client, live)
        if any(leaf.is_local for leaf in leaves(request.model)):
            key = answer_key(request, content)  # of a hub's model, known since it is here
        if not of_members:
            cache.put(key, completion)
        if request.detail is not None:
            plain = replace(request, detail=None)
            cache.put(answer_key(plain, content), replace(completion, choices=()))
        return completion

    async def _new(self, client: Client, live: LiveCall) -> Completion:
        """Let a client answer, together with other draws of the question if it can do that."""
        request, ask = live.request, partial(self._generate, client, live.call)
        if client.most_draws > 1 and live.on_text is None and request.sampling.temperature > 0:
            silent = replace(request, on_token=None)
            return await self.context.draws.draw(self.trace, silent, client.most_draws, ask)
        (completion,) = (await ask(request, live.tell_text)).draws
        return completion

    async def _generate(
        self,
        client: Client,
        call: TracedCall,
        request: Generate,
        on_text: Callable[[str], None] | None = None,
    ) -> Generated:
        worst = self._highest_cost(client, request)
        async with self._counted(client, call, request, worst) as ledger:
            generated = await client.generate(request, on_text)
            ledger.pay(sum(usage.cost for draw in generated.draws for usage in draw.usage.values()))
        return generated

    def _open_score(self, request: ScoreTexts, kept: Score | None) -> TracedCall:
        """Record that a text is scored, or that its score was kept."""
        what = "prompt read by" if request.texts is None else "scored by"
        call = self._records.open(request.model, what, request.query)
        if kept is not None:
            with self._records.lasting(call):
                self._note_score(request.model, call, kept, cached=True)
        return call

    async def _score(self, request: ScoreTexts, calls: Sequence[TracedCall]) -> tuple[Score, ...]:
        """Let a client score; its attempts tell what that took, or the texts' lengths do."""
        client = await self.context.clients.of(request.model)
        texts = ("",) if request.texts is None else request.texts
        most = self._costs(
            request.model, sum(most_tokens(request.query, request.prefix, text) for text in texts)
        )
        async with self._counted(client, calls[0], request, most) as ledger:
            scores = await client.score(request)
            read = sum(len(score.logprobs) for score in scores)
            ledger.pay(self._costs(request.model, read))
        if ledger.told:
            ledger.spend_answers()
        for call, score in zip(calls, scores, strict=True):
            self._note_score(request.model, call, score, told=ledger.told)
        return scores

    def _note_score(
        self,
        model: Model,
        call: TracedCall,
        score: Score,
        *,
        cached: bool = False,
        told: bool = False,
    ) -> None:
        """Record a score, and what it took or would have taken."""
        self._records.score(call, score, cached=cached)
        for name in (leaf.name for leaf in leaves(model)):
            usage = Usage.at(self.context.prices.get(name), 1, call.tokens, 0)
            self.trace.spend(name, Usage() if cached or told else usage, call)
            self.trace.save(usage if cached else Usage())

    async def _within_budget(
        self, request: Request[T], call: TracedCall, read: int, written: int = 0
    ) -> T:
        """Put a request that reads and writes at most so many tokens to its client."""
        client = await self.context.clients.of(request.model)
        worst = self._costs(request.model, read, written)
        async with self._counted(client, call, request, worst) as ledger:
            result = await request.put(client)
            ledger.pay(0.0 if ledger.told else worst)
        return result

    @asynccontextmanager
    async def _counted(
        self, client: Client, call: TracedCall, request: Request[Any], worst: float
    ) -> AsyncIterator[RunLedger]:
        """Hold room in the budget, a ledger and the model's time limit over one request."""
        budget, limit = self.context.budget, CALL_LIMIT.get()
        if limit is not None:
            limit.take()
        async with nullcontext() if budget is None else budget.room(worst) as room:
            ledger = RunLedger(self.trace, self.event, call, room)
            token = LEDGER.set(ledger)
            try:
                async with self.context.clients.within(request.model):
                    yield ledger
            except BaseException as error:
                unknown = not client.tells_attempts and getattr(error, "code", "") != CANNOT
                ledger.give_up(request.model, worst if unknown else 0.0)
                raise
            finally:
                LEDGER.reset(token)

    def _spend(self, call: TracedCall, summary: str, usage: Mapping[str, Usage]) -> None:
        """Record what a call gave, and what it took."""
        call.text = summary
        for name, model_usage in usage.items():
            self.trace.spend(name, model_usage, call)

    def _highest_cost(self, client: Client, request: Generate) -> float:
        """Return an upper bound of the cost of a request, in dollars; its prompt is read once."""
        declared_cost = client.cost(request)
        if declared_cost is not None:
            return declared_cost
        read = most_tokens(request.query, request.prefix)
        most = request.sampling.max_tokens * len(request.seeds)
        return self._costs(request.model, read, most)

    def _costs(self, model: Model, read: int, written: int = 0) -> float:
        """Return the cost if each model of a fuse reads and writes so many tokens."""
        return sum(self._cost(leaf.name, read, written) for leaf in leaves(model))

    def _cost(self, name: str, read: int, written: int) -> float:
        price = self.context.prices.get(name)
        return (read * price[0] + written * price[1]) / 1e6 if price else 0.0


def _require_readers(model: Model, query: Query | None) -> None:
    """Raise ModelError (E722) where a model that reads only text would be given something else."""
    if query is not None and query.media:
        for leaf, messages in readers(model, query):
            if not leaf.reads_media:
                text = "\n".join(content for _, content in messages)
                refuse_media(leaf.name, query.id, text, query.media)


def _with_finite_numbers(completion: Completion) -> Completion:
    """Drop the confidence, or the log-probabilities, of an answer where they are not numbers.

    A log-probability may be minus infinity, but not NaN or plus infinity.
    """
    confidence = finite(completion.confidence)
    logprobs = (
        completion.logprobs if all(logprob < math.inf for logprob in completion.logprobs) else ()
    )
    if confidence is completion.confidence and logprobs is completion.logprobs:
        return completion
    return replace(completion, confidence=confidence, logprobs=logprobs)
