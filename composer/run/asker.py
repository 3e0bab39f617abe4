"""The Asker of a step: it gives requests their seeds and puts them to the metered client.

One is made for each step of each query, so that randomness and notes belong to that step. What
happens to a request next is in `metered_client.py`.
"""

from __future__ import annotations

import asyncio
import random
from dataclasses import dataclass, field, replace
from functools import cached_property
from itertools import accumulate
from typing import TYPE_CHECKING, TypeVar

from composer.run.metered_client import MeteredClient
from composer.run.stand_ins import ESTIMATED
from composer.specs import thinking_of
from composer.values import (
    Generate,
    Query,
    Reward,
    ScoreTexts,
    Text,
)
from composer.values.gather import failure_notes, side_by_side
from composer.values.gathering import Gathering
from composer.values.thinking import ThoughtFilter

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from composer.run.metered_client import RunContext
    from composer.run.trace import StepEvent, Trace
    from composer.values import (
        JSON,
        Model,
        Request,
        Sampling,
        Score,
        Usage,
    )
    from composer.values.details import TokenChoice, TokenDetail
    from composer.values.thinking import Thinking

T = TypeVar("T")
Item = TypeVar("Item")


@dataclass(eq=False)
class RunAsker:
    """Asks models for one step of one query; see `composer.values.asker`.

    The answers of a step that writes go on from `prefix`, with `detail` of each token.
    `sampling_options` are those of the query for which the step has no option.
    """

    context: RunContext
    trace: Trace
    event: StepEvent
    seed: str
    on_text: Callable[[str], None] | None = None
    on_token: Callable[[TokenChoice], None] | None = None
    prefix: str = ""
    detail: TokenDetail | None = None
    sampling_options: Mapping[str, object] = field(default_factory=dict)
    _shown: bool = field(default=False, init=False)

    @cached_property
    def rng(self) -> random.Random:
        """Randomness that depends only on the run's seed, the query and the step."""
        return random.Random(self.seed)

    def note(self, **facts: JSON) -> None:
        """Record facts in the trace."""
        self.event.notes.update(facts)

    def keep(self, value: object) -> None:
        """Keep a value with this step's event, for reports."""
        self.event.kept = value

    def spent(self) -> tuple[Usage, float]:
        """Return what the query has taken so far, kept answers with it, and the seconds."""
        return sum(self.trace.usage.values(), self.trace.cache_savings), self.trace.now()

    async def compute(self, function: Callable[[], T]) -> T:
        """Run slow arithmetic in a thread."""
        return await asyncio.to_thread(_call, function)

    async def together(
        self, work: Callable[[Sequence[Item]], Sequence[T]], item: Item, part: str = ""
    ) -> T:
        """Run slow arithmetic on an item, together with those of other queries at this step."""
        gatherings, key = self.context.gatherings, (self.event.id, part)
        gathering: Gathering[Item, T] = gatherings.setdefault(key, Gathering(work))
        return await gathering.outcome(item)

    async def ask(self, request: Request[T]) -> T:
        """Ask a model something."""
        return await request.seeded(self._next_seed).put(self._metered)

    async def many(self, requests: Sequence[Request[T]]) -> list[T]:
        """Ask several things side by side; seeds go by the order of the requests."""
        seeded = [request.seeded(self._next_seed) for request in requests]
        return await side_by_side(request.put(self._metered) for request in seeded)

    @property
    def shown(self) -> bool:
        """Whether a piece of the answer was shown."""
        return self._shown

    def _show(self, piece: str) -> None:
        assert self.on_text is not None
        self._shown = True
        self.on_text(piece)

    async def generate(
        self, model: Model, query: Query, sampling: Sampling, *, draft: bool = False
    ) -> Text:
        """Let a model, or an ensemble, answer a query; what is a `draft` is nobody's answer.

        Raises ModelError (E720) where the answer does not follow the schema that it must follow.
        """
        if draft:
            aside = replace(self, on_text=None, on_token=None, prefix="", detail=None)
            aside.sampling_options = {}
            return await aside.generate(model, query, sampling)
        if self.sampling_options:
            sampling = sampling.changed(self.sampling_options)
            sampling = replace(sampling, seed=self._next_seed() if sampling.temperature else 0)
        thinking = thinking_of(model, query)
        request = Generate(
            model,
            query,
            sampling,
            self.prefix,
            seeds=(sampling.seed,),
            detail=self.detail,
            on_token=self.on_token if thinking is None else None,
        )
        show = None if self.on_text is None else self._show
        thought_filter = ThoughtFilter(thinking, show) if thinking and show else None
        (completion,) = (await self._metered.generate(request, thought_filter or show)).draws
        if thought_filter is not None:
            thought_filter.close()
        finish = {} if completion.finish is None else {"finish": completion.finish}
        dropped = {"left": dict(completion.left)} if completion.left else {}
        text = Text(
            query,
            completion.text,
            model.name,
            completion.tokens,
            completion.logprobs,
            completion.confidence,
            value=completion.value,
            extracted=completion.extracted,
            facts={**finish, **dropped, **completion.facts},
            choices=completion.choices,
        )
        if thinking is not None:
            text = _without_thoughts(text, thinking)
            if self.on_token is not None:
                for choice in text.choices:
                    self.on_token(choice)
        if sampling.schema is not None and ESTIMATED not in text.facts:
            from composer.methods.json_schema import require_schema

            cut = completion.finish == "length"
            require_schema(text.text, sampling.schema, model.name, cut=cut)
        return text

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
        self.event.notes.update(failure_notes(rewarded.failed))
        return rewarded.values

    @cached_property
    def _metered(self) -> MeteredClient:
        return MeteredClient(self.context, self.trace, self.event)

    def _next_seed(self) -> int:
        return self.rng.getrandbits(62)


def _call(function: Callable[[], T]) -> T:
    """Call a function; StopIteration would get lost on the way out of a thread."""
    try:
        return function()
    except StopIteration as error:
        raise RuntimeError("StopIteration") from error


def _without_thoughts(text: Text, thinking: Thinking) -> Text:
    """Take the thoughts out of an answer; one that never gets past them abstains."""
    answer, thoughts = thinking.split(text.text)
    if answer == text.text:
        return text
    facts = {**text.facts, "thinking": thoughts}
    if answer is None:
        return replace(text, text="", value=None, extracted=True, facts=facts, choices=())
    return replace(text, text=answer, facts=facts, choices=_choices_behind(text, answer))


def _choices_behind(text: Text, answer: str) -> tuple[TokenChoice, ...]:
    """Return the tokens of an answer that ends a text; none where it does not."""
    if not text.text.endswith(answer):
        return ()
    thoughts = len(text.text.encode()) - len(answer.encode())
    ends = accumulate(len(choice.chosen.piece) for choice in text.choices)
    return tuple(each for each, end in zip(text.choices, ends, strict=True) if end > thoughts)
