"""What may be asked of a model: one request a verb, which a client answers with a result.

A step puts a request to an Asker. The engine is the client of models whose weights are in this
process; every other model has a client of its own. A step cannot tell which of them answered.
"""

from __future__ import annotations

import hashlib
import json
import re
from dataclasses import dataclass, field, fields, replace
from typing import TYPE_CHECKING, Any, ClassVar, Generic, Self, TypeVar

from composer.values.errors import ModelError
from composer.values.processing import NO_PROCESSING, Processing
from composer.values.results import Embedded, Generated, NextDistributions, Rewarded, Score

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

    from composer.values.details import TokenChoice, TokenDetail
    from composer.values.flow import JSON, Model, Query

Result_co = TypeVar("Result_co", covariant=True)


@dataclass(frozen=True, slots=True)
class AnswerSchema:
    """A JSON Schema that an answer must follow, as JSON text."""

    text: str

    @property
    def response_format(self) -> dict[str, JSON]:
        """The `response_format` of a chat with an OpenAI-compatible server."""
        schema = json.loads(self.text)
        title = schema.get("title") if isinstance(schema, dict) else None
        name = re.sub(r"[^a-zA-Z0-9_-]+", "_", str(title or "answer"))[:64]
        return {
            "type": "json_schema",
            "json_schema": {"name": name, "schema": schema, "strict": True},
        }


@dataclass(frozen=True, slots=True)
class Sampling:
    """How tokens are drawn. A temperature of 0 is greedy; `seed` makes a draw repeatable.

    An answer ends before the first of the `stop` strings, or behind it with `keep_stop`. Each
    model's logits are processed before they are fused. With `max_length` an answer ends where
    prompt and answer have so many tokens. With a `schema` it is JSON that follows it.
    """

    temperature: float = 0.0
    top_p: float = 1.0
    top_k: int = 0
    min_p: float = 0.0
    max_tokens: int = 512
    stop: tuple[str, ...] = ()
    seed: int = 0
    keep_stop: bool = False
    processing: Processing = NO_PROCESSING
    max_length: int | None = None
    schema: AnswerSchema | None = None

    def changed(self, options: Mapping[str, object]) -> Sampling:
        """Return it with options of `generate` by their names in recipes."""
        names = {each.name for each in fields(self)}
        own = {name: value for name, value in options.items() if name in names}
        others: dict[str, Any] = {n: value for n, value in options.items() if n not in names}
        changes: dict[str, Any] = {**own, "processing": replace(self.processing, **others)}
        return replace(self, **changes)

    @property
    def min_tokens(self) -> int:
        """How many tokens an answer has before it may end."""
        return self.processing.min_tokens or 0


@dataclass(frozen=True, slots=True)
class Request(Generic[Result_co]):
    """A request to a model; its type parameter is the type of the result."""

    verb: ClassVar[str]

    model: Model

    def put(self, client: Client) -> Awaitable[Result_co]:
        """Put the request to a client, by its verb."""
        raise NotImplementedError

    def seeded(self, next_seed: Callable[[], int]) -> Self:
        """Return the request with a seed for each draw; one that draws nothing stays as it is."""
        del next_seed
        return self


@dataclass(frozen=True, slots=True)
class Generate(Request[Generated]):
    """Answer a query, or go on from `prefix`, a partial answer, which the result does not repeat.

    The prefix follows the rendered prompt, in tokens of each member's own. `seeds` has one
    for each of `draws` answers; if it is empty, the step's seeds are used. `detail` is what is
    wanted of each token; `on_token` is then called with each, in the engine's thread.
    """

    verb: ClassVar[str] = "generate"

    query: Query
    sampling: Sampling = field(default_factory=Sampling)
    prefix: str = ""
    draws: int = 1
    seeds: tuple[int, ...] = ()
    detail: TokenDetail | None = None
    on_token: Callable[[TokenChoice], None] | None = field(default=None, compare=False)

    def put(self, client: Client) -> Awaitable[Generated]:
        """Put it to a client."""
        return client.generate(self)

    def seeded(self, next_seed: Callable[[], int]) -> Self:
        """Give each draw its own seed, or 0 if it is greedy, so that equal requests are shared.

        After a partial answer the seed depends on that too.
        """
        if self.seeds:
            return self
        is_sampled = self.sampling.temperature > 0
        seeds = [
            _seed_after_prefix(self.prefix, next_seed()) if is_sampled else 0
            for _ in range(self.draws)
        ]
        return replace(self, seeds=tuple(seeds))


@dataclass(frozen=True, slots=True)
class ScoreTexts(Request[tuple[Score, ...]]):
    """Give the log-probabilities of texts, each as the answer to the query, behind `prefix`.

    Without a query a text stands on its own, behind the token that begins texts. Without `texts`
    the query's own tokens are scored: as the model's template renders them, or those of a raw
    query, its text behind the token that begins texts, or exactly its ids. `detail` is what is
    wanted of each token.
    """

    verb: ClassVar[str] = "score"

    query: Query | None
    texts: tuple[str, ...] | None
    prefix: str = ""
    detail: TokenDetail | None = None

    def put(self, client: Client) -> Awaitable[tuple[Score, ...]]:
        """Put it to a client."""
        return client.score(self)


@dataclass(frozen=True, slots=True)
class Embed(Request[Embedded]):
    """Give a vector for each text."""

    verb: ClassVar[str] = "embed"

    texts: tuple[str, ...]

    def put(self, client: Client) -> Awaitable[Embedded]:
        """Put it to a client."""
        return client.embed(self)


@dataclass(frozen=True, slots=True)
class Reward(Request[Rewarded]):
    """Say how good each text is as an answer to the query; greater is better."""

    verb: ClassVar[str] = "reward"

    query: Query
    texts: tuple[str, ...]

    def put(self, client: Client) -> Awaitable[Rewarded]:
        """Put it to a client."""
        return client.reward(self)


@dataclass(frozen=True, slots=True)
class NextTokens(Request[NextDistributions]):
    """Give the next-token distribution behind each prompt, a sequence of the model's token ids.

    For each, the `top` likeliest tokens are wanted, and the chosen `ids` beside them. With `ahead`
    above 1 the model goes on greedily, and gives a distribution at each token that it writes.
    """

    verb: ClassVar[str] = "give next-token probabilities"

    prompts: tuple[tuple[int, ...], ...]
    top: int = 1
    ids: tuple[int, ...] = ()
    ahead: int = 1

    def put(self, client: Client) -> Awaitable[NextDistributions]:
        """Put it to a client."""
        return client.next_tokens(self)


class Client:
    """Answers requests for a model. A request that it cannot answer raises E302.

    `keeps` says whether its answers may be cached; those of a recording need no cache.
    `tells_attempts` says that it tells the ledger (`ledger.py`) of each attempt that may be billed;
    a failed or cancelled request to another one counts with its highest cost. `most_draws`
    is how many answers one request may have: from 2 on, sampled draws of a question are asked for
    together. The usage of the first of them then has the tokens of the prompt, which is read once.
    """

    keeps: ClassVar[bool] = True
    tells_attempts: ClassVar[bool] = False
    most_draws: int = 1

    async def generate(
        self, request: Generate, on_text: Callable[[str], None] | None = None
    ) -> Generated:
        """Answer a query, once for each seed."""
        del on_text
        raise cannot(request)

    async def score(self, request: ScoreTexts) -> tuple[Score, ...]:
        """Score texts."""
        raise cannot(request)

    async def embed(self, request: Embed) -> Embedded:
        """Embed texts."""
        raise cannot(request)

    async def reward(self, request: Reward) -> Rewarded:
        """Say how good answers are."""
        raise cannot(request)

    async def next_tokens(self, request: NextTokens) -> NextDistributions:
        """Give next-token distributions."""
        raise cannot(request)

    async def load(self, model: Model) -> None:
        """Get ready to answer for a model, so that its first request need not wait for that."""
        del model

    def cost(self, request: Generate) -> float | None:
        """Return the cost of a request in dollars, if it is known beforehand."""
        del request
        return None

    async def close(self) -> None:
        """Close what was opened."""


def _seed_after_prefix(prefix: str, seed: int) -> int:
    """Return the seed of a draw that goes on from a partial answer."""
    if not prefix:
        return seed
    return int.from_bytes(hashlib.sha256(f"{seed}/{prefix}".encode()).digest()[:8], "big") >> 2


def cannot(request: Request[object]) -> ModelError:
    """Return the error of a request that a client cannot answer."""
    return ModelError("E302", f"`{request.model.name}` cannot {request.verb}")
