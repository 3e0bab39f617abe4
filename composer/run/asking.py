"""The Asker that steps are given: it reaches the engine and text models, counts and records."""

from __future__ import annotations

import asyncio
import random
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any, TypeVar

from composer.models import TextModel
from composer.models.recorded import Replay
from composer.ports import Query, Score, Text, Usage
from composer.run.cache import Made, answer_key, leaves, score_key
from composer.run.trace import Asked

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from concurrent.futures import Future

    from composer.fusion.engine import Engine
    from composer.fusion.spec import Generated, Span
    from composer.ports import Model, Sampling
    from composer.run.budget import Budget
    from composer.run.cache import AnswerCache
    from composer.run.trace import Event, Trace

T = TypeVar("T")


OVERHEAD = 256
"""Tokens that a chat template may add to what is said."""


@dataclass(eq=False)
class Means:
    """What a run asks with: the engine, prices by model, answers that are kept, and a budget."""

    engine: Callable[[], Engine]
    prices: Mapping[str, tuple[float, float] | None]
    cache: AnswerCache | None = None
    budget: Budget | None = None


@dataclass(eq=False)
class RunAsker:
    """Asks on behalf of one step for one query."""

    means: Means
    trace: Trace
    event: Event
    seed: str
    on_text: Callable[[str], None] | None = None

    @cached_property
    def rng(self) -> random.Random:
        """Randomness that depends on the run's seed, the query and the occurrence only."""
        return random.Random(self.seed)  # noqa: S311 - draws, not secrets

    def note(self, **facts: Any) -> None:  # noqa: ANN401 - whatever JSON can hold
        """Record facts in the trace."""
        self.event.notes.update(facts)

    async def compute(self, function: Callable[[], T]) -> T:
        """Run slow arithmetic in a thread."""
        return await asyncio.to_thread(function)

    async def generate(self, model: Model, query: Query, sampling: Sampling) -> Text:
        """Let a model, or an ensemble, answer a query; an answer that is kept is not made again."""
        asked = Asked(model.name, "asked", list(query.messages))
        self.event.asked.append(asked)
        began = self.trace.now()
        made = await self._kept_or_made(model, query, sampling)
        asked.text, asked.tokens, asked.spans = made.text, len(made.tokens), made.spans
        asked.cached, asked.seconds = made.cached, self.trace.now() - began
        for name, usage in made.usage.items():
            self.trace.spend(name, usage)
        return Text(
            query, made.text, model.name, made.tokens, made.logprobs, made.confidence,
            value=made.value, extracted=made.extracted, facts=made.facts,
        )  # fmt: skip

    async def score(self, model: Model, query: Query | None, text: str) -> Score:
        """Score a text as the model's answer to a query, or on its own."""
        prompts = None if query is None else prompts_of(model, query)
        found = await self._kept_or_scored(
            model,
            score_key(model, prompts, text),
            lambda: self.means.engine().score(model.member, prompts, text),
            _bytes(query, text),
        )
        said = list(query.messages) if query else []
        return self._scored(model, "scored by", said, found)

    async def perplexity(self, model: Model, query: Query) -> Score:
        """Score the query's own tokens."""
        prompt = prompts_of(model, query)[0]
        found = await self._kept_or_scored(
            model,
            score_key(model, (prompt,), None),
            lambda: self.means.engine().perplexity(model.member, prompt),
            _bytes(query),
        )
        return self._scored(model, "prompt read by", list(query.messages), found)

    async def _kept_or_scored(
        self, model: Model, key: str, make: Callable[[], Future[Score]], read: int
    ) -> tuple[Score, bool]:
        """Return a score, and whether it was kept from before; `read` is what it reads at most."""
        cache = self.means.cache
        kept = None if cache is None else cache.get_score(key)
        if kept is not None:
            return kept, True
        budget = self.means.budget
        if budget is None:
            found = await asyncio.wrap_future(make())
        else:
            worst = sum(self._cost(each.name, read, 0) for each in leaves(model))
            async with budget.room(worst):
                found = await asyncio.wrap_future(make())
                tokens = len(found.logprobs)
                budget.pay(sum(self._cost(each.name, tokens, 0) for each in leaves(model)))
        if cache is not None:
            cache.put_score(key, found)
        return found, False

    def _scored(
        self, model: Model, what: str, prompt: list[tuple[str, str]], found: tuple[Score, bool]
    ) -> Score:
        score, kept = found
        count = len(score.logprobs)
        said = f"{score.mean:.4f} nats a token"
        self.event.asked.append(Asked(model.name, what, prompt, said, count, cached=kept))
        for name in (leaf.name for leaf in leaves(model)):
            read = Usage(1, count, 0, self._cost(name, count, 0))
            self.trace.spend(name, Usage() if kept else read)
        return score

    async def _kept_or_made(self, model: Model, query: Query, sampling: Sampling) -> Made:
        cache = self.means.cache
        if cache is None or not _kept(model):
            return await self._paid(model, query, sampling)
        key = answer_key(model, prompts_of(model, query), sampling)
        kept = cache.get(key)
        if kept is not None:
            if self.on_text is not None:
                self.on_text(kept.text)
            return replace(kept, usage={each.name: Usage() for each in leaves(model)})
        made = await self._paid(model, query, sampling)
        cache.put(key, made)
        return made

    async def _paid(self, model: Model, query: Query, sampling: Sampling) -> Made:
        budget = self.means.budget
        if budget is None:
            return await self._make(model, query, sampling)
        async with budget.room(self._worst(model, query, sampling)):
            made = await self._make(model, query, sampling)
            budget.pay(sum(usage.cost for usage in made.usage.values()))
        return made

    def _worst(self, model: Model, query: Query, sampling: Sampling) -> float:
        """Return what a call costs at most: a token has at least one byte."""
        if isinstance(model.member, Replay):
            return model.member.cost(query)
        read = _bytes(query)
        return sum(self._cost(each.name, read, sampling.max_tokens) for each in leaves(model))

    async def _make(self, model: Model, query: Query, sampling: Sampling) -> Made:
        if isinstance(model.member, TextModel):
            text, usage = await model.member.generate(query, sampling, model.name)
            if self.on_text is not None:
                self.on_text(text.text)
            facts = dict(text.facts)
            spent = {model.name: usage}
            return Made(
                text.text, text.tokens, text.logprobs, text.confidence, facts, spent,
                extracted=text.extracted, value=text.value,
            )  # fmt: skip
        from composer.fusion.spec import Job

        job = Job(model.member, prompts_of(model, query), sampling)
        written = await asyncio.wrap_future(self.means.engine().generate(job, self.on_text))
        told: dict[str, Any] = {"finish": written.finish}
        if written.left:
            told["left"] = dict(written.left)
            self.note(left=told["left"])
        if written.weights:
            self.note(weights=dict(written.weights))
        return Made(
            written.text,
            written.tokens,
            written.logprobs,
            written.confidence,
            told,
            self._usage(model, written),
            [_span(each) for each in written.spans],
        )

    def _usage(self, model: Model, written: Generated) -> dict[str, Usage]:
        """Count what each declared model read and wrote, whatever a fuse calls it."""
        known = declared_names(model)
        total: dict[str, Usage] = {}
        for member, usage in written.usage.items():
            name = known.get(member, member)
            cost = self._cost(name, usage.prompt_tokens, usage.completion_tokens)
            one = Usage(1, usage.prompt_tokens, usage.completion_tokens, cost)
            total[name] = total.get(name, Usage()) + one
        return total

    def _cost(self, name: str, read: int, written: int) -> float:
        price = self.means.prices.get(name)
        return (read * price[0] + written * price[1]) / 1e6 if price else 0.0


def _bytes(query: Query | None, text: str = "") -> int:
    """Return the tokens that reading takes at most: a token has at least one byte."""
    said = "".join(each for _, each in query.messages) if query is not None else ""
    return len((said + text).encode(errors="replace")) + OVERHEAD


def _kept(model: Model) -> bool:
    """Say whether answers are worth keeping: a recording gives its own, by id and by draw."""
    return not isinstance(model.member, Replay)


def _span(span: Span) -> dict[str, Any]:
    return {
        "text": span.text,
        "winner": span.winner,
        "candidates": dict(span.candidates),
        "scores": {name: dict(scores) for name, scores in span.scores.items()},
    }


def prompts_of(model: Model, query: Query) -> tuple[tuple[tuple[str, str], ...], ...]:
    """Return the query's messages, then one prompt for each template of the model's members."""
    made = [(("user", template.render(query)),) for template in model.templates]
    return (query.messages, *made)


def declared_names(model: Model) -> dict[str, str]:
    """Return the declared model behind each name that a fuse gives a member."""
    if not model.members:
        return {}
    member: Any = model.member
    while not hasattr(member, "names"):
        member = member.member
    found: dict[str, str] = {}
    for name, inner in zip(member.names, model.members, strict=True):
        found |= declared_names(inner) if inner.members else {name: inner.name}
    return found
