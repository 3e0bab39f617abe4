"""The Asker that steps are given: it reaches the engine and text models, counts and records."""

from __future__ import annotations

import asyncio
import random
import time
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, TypeVar

from composer.models import TextModel
from composer.ports import Query, Score, Text, Usage
from composer.run.trace import Asked

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from composer.fusion.engine import Engine
    from composer.fusion.spec import Generated, Job
    from composer.ports import Model, Sampling
    from composer.run.trace import Event, Trace

T = TypeVar("T")


@dataclass(eq=False)
class RunAsker:
    """Asks on behalf of one step for one query."""

    engine: Callable[[], Engine]
    prices: Mapping[str, tuple[float, float] | None]
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
        """Let a model, or an ensemble, answer a query."""
        asked = Asked(model.name, "asked", list(query.messages))
        self.event.asked.append(asked)
        began = time.perf_counter()
        text = await self._answer(model, query, sampling, asked)
        asked.text, asked.seconds = text.text, time.perf_counter() - began
        asked.tokens = len(text.tokens)
        return text

    async def score(self, model: Model, query: Query | None, text: str) -> Score:
        """Score a text as the model's answer to a query, or on its own."""
        prompts = None if query is None else prompts_of(model, query)
        found = await asyncio.wrap_future(self.engine().score(model.member, prompts, text))
        return self._scored(model, "scored by", list(query.messages) if query else [], found)

    async def perplexity(self, model: Model, query: Query) -> Score:
        """Score the query's own tokens."""
        future = self.engine().perplexity(model.member, prompts_of(model, query)[0])
        found = await asyncio.wrap_future(future)
        return self._scored(model, "prompt read by", list(query.messages), found)

    def _scored(
        self, model: Model, what: str, prompt: list[tuple[str, str]], score: Score
    ) -> Score:
        count = len(score.logprobs)
        said = f"{score.mean:.4f} nats a token"
        self.event.asked.append(Asked(model.name, what, prompt, said, count))
        for name in leaves(model):
            self.trace.spend(name, Usage(1, count, 0, self._cost(name, count, 0)))
        return score

    async def _answer(self, model: Model, query: Query, sampling: Sampling, asked: Asked) -> Text:
        if isinstance(model.member, TextModel):
            text, usage = await model.member.generate(query, sampling, model.name)
            self.trace.spend(model.name, usage)
            if self.on_text is not None:
                self.on_text(text.text)
            return text
        from composer.fusion.spec import Job

        job = Job(model.member, prompts_of(model, query), sampling)
        return await self._written(job, model, query, asked)

    async def _written(self, job: Job, model: Model, query: Query, asked: Asked) -> Text:
        made: Generated = await asyncio.wrap_future(self.engine().generate(job, self.on_text))
        known = declared_names(model)
        for member, usage in made.usage.items():
            name = known.get(member, member)
            cost = self._cost(name, usage.prompt_tokens, usage.completion_tokens)
            self.trace.spend(name, Usage(1, usage.prompt_tokens, usage.completion_tokens, cost))
        asked.spans = [
            {
                "text": span.text,
                "winner": span.winner,
                "candidates": dict(span.candidates),
                "scores": {name: dict(scores) for name, scores in span.scores.items()},
            }
            for span in made.spans
        ]
        return Text(
            query, made.text, model.name, made.tokens, made.logprobs, made.confidence,
            facts={"finish": made.finish},
        )  # fmt: skip

    def _cost(self, name: str, read: int, written: int) -> float:
        price = self.prices.get(name)
        return (read * price[0] + written * price[1]) / 1e6 if price else 0.0


def prompts_of(model: Model, query: Query) -> tuple[tuple[tuple[str, str], ...], ...]:
    """Return the query's messages, then one prompt for each template of the model's members."""
    made = [(("user", template.render(query)),) for template in model.templates]
    return (query.messages, *made)


def leaves(model: Model) -> list[str]:
    """Return the names of the declared models that a model is made of."""
    if not model.members:
        return [model.name]
    return [name for member in model.members for name in leaves(member)]


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
