"""What a request comes to: the queries that are put, with their options, and what is replied."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from composer.serve.errors import refusal
from composer.serve.protocol.messages import conversation
from composer.serve.protocol.options import chat_detail, completion_detail, options_of
from composer.serve.protocol.prompts import raw_queries
from composer.serve.protocol.token_names import TokenNames

if TYPE_CHECKING:
    from collections.abc import Sequence

    from composer.serve.protocol.bodies import ChatBody, CompletionBody, SampledBody
    from composer.serve.served import ServedModel
    from composer.values import Query
    from composer.values.options import AnswerOptions

__all__ = ["Draw", "Order", "chat_order", "completion_order"]

MOST_DRAWS = 4_096
"""How many answers a request may ask for in all."""

SEEDS = 1 << 63
"""A seed is below this, whatever the request names; behind the last one comes 0."""


@dataclass(frozen=True, slots=True)
class Draw:
    """One answer that is wanted."""

    query: Query
    options: AnswerOptions
    seed: int


@dataclass(frozen=True, slots=True)
class Order:
    """All answers that a request wants of a model.

    `prompt` is the field of the request that holds what is asked. `names` writes tokens, None where
    nobody wants them. `streams` says that the answers come in chunks, `usage` that these end with
    the usage, and `counts` that each of them has a running one. `trace` says that the whole trace
    is wanted.
    """

    served: ServedModel
    draws: Sequence[Draw]
    prompt: str
    names: TokenNames | None = None
    streams: bool = False
    usage: bool = False
    counts: bool = False
    trace: bool = False

    @property
    def queries(self) -> list[Query]:
        """The queries, each once."""
        return list({id(draw.query): draw.query for draw in self.draws}.values())

    @property
    def answers_each(self) -> int:
        """How many answers each query gets."""
        return len(self.draws) // len(self.queries)


def chat_order(served: ServedModel, body: ChatBody) -> Order:
    """Return what a request for a chat wants; raises ProtocolError."""
    query, prefix = conversation(body)
    options = options_of(body, _most_tokens(body), _seed(body, served))
    options = replace(options, prefix=prefix, detail=chat_detail(body, served.tokenizer))
    return _order(served, body, [query], options, "messages")


def completion_order(served: ServedModel, body: CompletionBody) -> Order:
    """Return what a request for completions wants; raises ProtocolError."""
    queries = raw_queries(body.prompt, served.tokenizer)
    options = options_of(body, body.max_tokens, _seed(body, served))
    options = replace(options, detail=completion_detail(body, served.tokenizer))
    if body.max_tokens == 0 and not body.echo:
        raise refusal("max_tokens", "`max_tokens` can only be 0 where `echo` is true")
    return _order(served, body, queries, options, "prompt")


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
    seeds = [(first + number) % SEEDS for number in range(count)]
    draws = [Draw(query, replace(options, seed=seed), seed) for query in queries for seed in seeds]
    wanted = body.stream_options
    if wanted is not None and not body.stream:
        raise refusal("stream_options", "`stream_options` needs `stream: true`")
    return Order(
        served,
        draws,
        prompt,
        None if options.detail is None else _names(served, body),
        streams=bool(body.stream),
        usage=bool(wanted and (wanted.include_usage or wanted.continuous_usage_stats)),
        counts=bool(wanted and wanted.continuous_usage_stats),
        trace=bool(body.trace),
    )


def _names(served: ServedModel, body: SampledBody) -> TokenNames:
    return TokenNames(served.tokenizer, as_ids=bool(body.return_tokens_as_token_ids))


def _seed(body: SampledBody, served: ServedModel) -> int:
    """Return the seed of a request, or else the one that the model chooses."""
    return served.seed() if body.seed is None else body.seed % SEEDS


def _most_tokens(body: ChatBody) -> int | None:
    """Return how many tokens may be written: the field has two names."""
    older, newer = body.max_tokens, body.max_completion_tokens
    if older is not None and newer is not None and older != newer:
        text = "`max_completion_tokens` and `max_tokens` say different things: send one of them"
        raise refusal("max_completion_tokens", text)
    return older if newer is None else newer
