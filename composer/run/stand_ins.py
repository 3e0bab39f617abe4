"""Clients of a rehearsal: kept and recorded answers where there are some, else stand-ins.

A stand-in has no content, only a length. Nothing is loaded, and nobody is asked.
"""

from __future__ import annotations

from collections import Counter
from contextlib import nullcontext
from contextvars import ContextVar
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import TYPE_CHECKING, Protocol

from composer.run.cache import answer_key, score_key
from composer.run.clients import ModelClients
from composer.specs import Declared, leaves, readers
from composer.values import (
    Client,
    Completion,
    Distribution,
    Embedded,
    Generated,
    NextDistributions,
    Rewarded,
    Score,
    Usage,
)

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractAsyncContextManager

    from composer.run.cache import AnswerCache
    from composer.run.model_digests import ModelDigests
    from composer.specs import Checkpoint
    from composer.values import Embed, Generate, Model, NextTokens, Query, Reward, ScoreTexts
    from composer.values.flow import Message

__all__ = ["ESTIMATED", "Assumption", "RehearsalClients", "Tally", "Tokens", "current", "unsure"]

ESTIMATED = "estimated"
"""The fact under which a stand-in says that it is one."""


class Tokens(Protocol):
    """Counts the tokens of texts for a model, and knows how long its answers are."""

    def count(self, model: Checkpoint, messages: tuple[Message, ...]) -> int:
        """Return how many tokens a model reads for messages."""

    def mean_answer(self, name: str) -> float | None:
        """Return the mean tokens of a model's known answers, None where none is known."""


@dataclass(frozen=True)
class Assumption:
    """What is assumed where only real answers would tell: one end of a range.

    With `most`, answers are as long as they may be and no stage of a cascade is accepted; otherwise
    answers are short and the first stage is accepted. `pick` is the branch that an unknown decision
    takes.
    """

    most: bool
    pick: int = 0


@dataclass
class Tally:
    """What one query would take: new calls by model, and kept or recorded answers by model.

    `branches` is how many branches the widest decision has that could not be made, 0 where all
    were made; `unsure` says that something was assumed. `stages` is how many stages of the last
    cascade are waited for. `error` says why the query would fail.
    """

    usage: dict[str, Usage] = field(default_factory=dict)
    answers: Counter[str] = field(default_factory=Counter)
    free: Counter[str] = field(default_factory=Counter)
    branches: int = 0
    unsure: bool = False
    stages: int = 0
    error: str | None = None

    def spend(self, name: str, usage: Usage) -> None:
        """Count a new call of a model."""
        self.usage[name] = self.usage.get(name, Usage()) + usage


current: ContextVar[Tally] = ContextVar("tally")
"""The tally of the query whose walk this is."""

unsure: ContextVar[list[str]] = ContextVar("unsure")
"""The stand-ins that the step which runs was given: their models."""


class RehearsalClients(ModelClients):
    """Gives every model the client of a rehearsal."""

    def __init__(
        self,
        clients: ModelClients,
        cache: AnswerCache | None,
        digests: ModelDigests,
        tokens: Tokens,
        assumption: Assumption,
    ) -> None:
        self._client = StandInClient(clients, cache, digests, tokens, assumption)

    async def of(self, model: Model) -> Client:
        """Return the client, which puts draws together as the model's own would."""
        known = model.declaration.most_draws if isinstance(model, Declared) else 1
        return replace(self._client, most_draws=known)

    def within(self, model: Model) -> AbstractAsyncContextManager[None]:
        """Hold no time limit: nothing takes time."""
        del model
        return nullcontext()


@dataclass(eq=False)
class StandInClient(Client):
    """Answers with what was kept or recorded, else with stand-ins that it counts."""

    tells_attempts = True

    clients: ModelClients
    cache: AnswerCache | None
    digests: ModelDigests
    tokens: Tokens
    assumption: Assumption
    most_draws: int = 1

    keeps = False

    async def generate(
        self, request: Generate, on_text: Callable[[str], None] | None = None
    ) -> Generated:
        """Answer once for each seed; new answers to one request read its prompt once."""
        del on_text
        draws: list[Completion] = []
        for seed in request.seeds:
            single = replace(request, draws=1, seeds=(seed,))
            draws.append(
                await self._replayed_or_kept(single)
                or self._stand_in(single, reads=not any(ESTIMATED in e.facts for e in draws))
            )
        return Generated(tuple(draws))

    async def score(self, request: ScoreTexts) -> tuple[Score, ...]:
        """Score texts as unlikely ones."""
        texts = (None,) if request.texts is None else request.texts
        return tuple(self._score(request, text) for text in texts)

    async def embed(self, request: Embed) -> Embedded:
        """Give each text the same vector."""
        for text in request.texts:
            self._read(request.model, None, text)
        return Embedded(((0.0,),) * len(request.texts))

    async def reward(self, request: Reward) -> Rewarded:
        """Find all texts equally good."""
        for text in request.texts:
            self._read(request.model, request.query, text)
        return Rewarded((0.0,) * len(request.texts))

    async def next_tokens(self, request: NextTokens) -> NextDistributions:
        """Find one token certain, whatever the prompt is."""
        self._read(request.model, None, "")
        return NextDistributions(((Distribution({0: 0.0}),),) * len(request.prompts))

    async def _replayed_or_kept(self, request: Generate) -> Completion | None:
        model = request.model
        if isinstance(model, Declared) and model.declaration.replays:
            client = await self.clients.of(model)
            (completion,) = (await client.generate(request)).draws
            current.get().free[model.name] += 1
            return replace(completion, usage={})
        kept = None
        if self.cache is not None:
            kept = self.cache.get(answer_key(request, self.digests.of))
        if kept is None:
            return None
        for leaf in leaves(model):
            current.get().free[leaf.name] += 1
        return replace(kept, usage={})

    def _stand_in(self, request: Generate, *, reads: bool) -> Completion:
        """Write nothing of a certain length, and count who would have written it.

        `reads` says whether the prompt is read for it.
        """
        model, how, most = request.model, request.sampling, self.assumption.most
        asked = list(readers(model, request.query))
        if getattr(model, "gate", None) is not None and not most:
            asked = asked[:1]
        written = self._length(request)
        for leaf, messages in asked:
            read = self.tokens.count(leaf, (*messages, ("assistant", request.prefix)))
            context = min(leaf.card.context or read + written, how.max_length or read + written)
            wrote = max(0, min(written, context - read))
            current.get().spend(leaf.name, Usage(1, read if reads else 0, wrote))
            current.get().answers[leaf.name] += 1
        self._mark(model)
        number = sum(current.get().answers.values())
        text = f"{number}" + " the" * max(0, written - 1)
        ending = how.stop[0] if how.keep_stop and how.stop and most else ""
        return Completion(text + ending, facts=MappingProxyType({ESTIMATED: True}))

    def _length(self, request: Generate) -> int:
        """Say how many tokens an answer has: the most, or as many as known answers, or one."""
        longest = request.sampling.max_tokens
        if self.assumption.most:
            return longest
        known = (self.tokens.mean_answer(leaf.name) for leaf in leaves(request.model))
        mean = next((each for each in known if each is not None), 1.0)
        return max(1, min(longest, round(mean)))

    def _score(self, request: ScoreTexts, text: str | None) -> Score:
        if self.cache is not None:
            kept = self.cache.get_score(score_key(request, text, self.digests.of))
            if kept is not None:
                return kept
        count = self._read(request.model, request.query, request.prefix + (text or ""))
        return Score(("",) * count, (-1.0,) * count)

    def _read(self, model: Model, query: Query | None, text: str) -> int:
        """Count who reads a text after a query; return the tokens of the first reader."""
        counts = []
        for leaf, messages in readers(model, query):
            counts.append(self.tokens.count(leaf, (*messages, ("assistant", text))))
            current.get().spend(leaf.name, Usage(1, counts[-1]))
        self._mark(model)
        return counts[0]

    def _mark(self, model: Model) -> None:
        unsure.get().append(model.name)
        current.get().unsure = True
