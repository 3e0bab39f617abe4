"""Fusing spans where a member is behind a client: the same algorithm, as an asynchronous task."""

from __future__ import annotations

import asyncio
import math
import random
from dataclasses import replace
from functools import partial
from itertools import accumulate, zip_longest
from typing import TYPE_CHECKING, Protocol, TypeVar, cast

from composer.engine.generation import GenerationState
from composer.engine.sessions.span_asking import Candidate
from composer.engine.sessions.span_fuse import fuse_spans
from composer.engine.sessions.span_parts import SpanText, margin_of
from composer.engine.sessions.writers import Writers
from composer.engine.weights.tokenizers import load_tokens
from composer.run.span_engine import EngineMember
from composer.run.told_spans import beginning, logprobs_of, rest_of, whole_tokens
from composer.specs import Declared, Prompted, TokenAccess, bare, leaves
from composer.values import Client, Generate, Generated, ScoreTexts, Usage
from composer.values.bounds import most_tokens
from composer.values.details import TokenDetail
from composer.values.errors import ModelError
from composer.values.flow import REPLACED
from composer.values.gather import side_by_side

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping, Sequence
    from contextlib import AbstractAsyncContextManager

    from composer.engine.sessions.span_asking import SpanRequest
    from composer.engine.sessions.span_parts import Boundary, Branching, Splitter
    from composer.specs import SpanFuse
    from composer.values import Completion, Model, Query
    from composer.values.details import TokenChoice

    Limit = Callable[[Model], AbstractAsyncContextManager[None]]
    Prices = Mapping[str, tuple[float, float] | None]

__all__ = ["ClientMember", "SpanClient"]

T = TypeVar("T")


class ClientSource(Protocol):
    """What answers for models: the client of each, and how long it may take for one request."""

    async def of(self, model: Model) -> Client:
        """Return what answers for a model."""

    def within(self, model: Model) -> AbstractAsyncContextManager[None]:
        """Hold a model's time limit over one request."""


class SpanClient(Client):
    """Answers for a span fuse with members that others answer for, each within its time limit."""

    tells_attempts = True

    def __init__(self, fuse: SpanFuse, clients: ClientSource, prices: Prices) -> None:
        self.fuse, self._clients, self._prices = fuse, clients, prices
        self._loaded: dict[Model, Sequence[Splitter]] = {}

    def cost(self, request: Generate) -> float:
        """Return the most that it may cost: in each round a member writes a span and reads all.

        Every round reads the prompt and the text anew, since a client holds nothing. With `rerank`
        each member also writes a whole answer, and reads all of them.
        """
        rounds, count = request.sampling.max_tokens, len(self.fuse.members)
        read = (count + 1) * (most_tokens(request.query, request.prefix) + rounds)
        prices = [self._prices.get(leaf.name) or (0.0, 0.0) for leaf in leaves(self.fuse)]
        round_cost = sum(read * price[0] + self.fuse.max_span_tokens * price[1] for price in prices)
        again = sum(2 * read * price[0] + rounds * price[1] for price in prices)
        return (rounds * round_cost + again * self.fuse.rerank) / 1e6

    async def load(self, model: Model) -> None:
        """Load the members."""
        for member in model.members:
            await (await self._clients.of(member)).load(member)

    async def generate(
        self, request: Generate, on_text: Callable[[str], None] | None = None
    ) -> Generated:
        """Write the answers side by side, each at its own pace."""
        samplings = [replace(request.sampling, seed=seed) for seed in request.seeds]
        requests = [replace(request, sampling=sampling) for sampling in samplings]
        return Generated(
            tuple(await side_by_side(self._write(single, on_text) for single in requests))
        )

    async def _tokenizers_of(self, member: Model) -> Sequence[Splitter]:
        """Return the tokenizers of a member, loaded once, if the boundary reads them."""
        if not cast("Boundary", self.fuse.span).reads_tokenizers:
            return ()
        if member not in self._loaded:
            self._loaded[member] = await _tokenizers(member)
        return self._loaded[member]

    async def _write(self, request: Generate, on_text: Callable[[str], None] | None) -> Completion:
        fuse, weights = self.fuse, self.fuse.normalized_weights()
        named = zip(fuse.names, weights, fuse.members, strict=True)
        members = [
            (EngineMember if all(leaf.is_local for leaf in leaves(member)) else ClientMember)(
                name,
                weight,
                member,
                partial(self._clients.of, _unprompted(member)),
                request,
                self._clients.within,
                self._prices,
                fuse.names,
                await self._tokenizers_of(member),
            )
            for name, weight, member in named
            if weight
        ]
        answer = GenerationState.of(request, on_text)
        return await fuse_spans(fuse, members, side_by_side, answer, request.query)


async def _tokenizers(model: Model) -> Sequence[Splitter]:
    """Load the tokenizers of the models that answer for a member."""
    accesses = {
        leaf.name: leaf.token_access or TokenAccess(leaf.weights, 0) for leaf in leaves(model)
    }
    loaded = [await asyncio.to_thread(load_tokens, *each) for each in accesses.items()]
    return [each.vocabulary for each in loaded]


class ClientMember:
    """A member that a client answers for: the text so far is the prefix of all that it is asked.

    What it proposes is cut by the same boundary. Its prompt is read anew in every round. Not asked
    again is what it has told: the log-probabilities of its own span, and, where that span is kept
    and nothing is drawn, how it goes on.
    """

    def __init__(  # noqa: PLR0913 - who it is, who answers, and what is asked
        self,
        name: str,
        weight: float,
        model: Model,
        find: Callable[[], Awaitable[Client]],
        request: Generate,
        limit: Limit,
        prices: Prices,
        names: Sequence[str],
        tokenizers: Sequence[Splitter] = (),
    ) -> None:
        self.name, self.weight, self.tokenizers = name, weight, tokenizers
        self.anew = partial(
            ClientMember, name, weight, model, find, request, limit, prices, names, tokenizers
        )
        self.dropped: Mapping[str, str] = {}
        self._find, self._model, self._limit = find, _unprompted(model), limit
        self._query, self._sampling = _prompted_query(model, request.query), request.sampling
        self._prefix, self._bytes = request.prefix, b""
        self._rng = random.Random(f"{request.sampling.seed}/{name}")
        self._prices, self._writers = prices, Writers(names, None, request.detail)
        self._written = 0
        self._known: dict[Candidate, tuple[float, ...]] = {}
        self._rests: dict[Candidate, Completion] = {}
        self._rest: Completion | None = None
        self._usage: dict[str, Usage] = {}

    @property
    def _text(self) -> str:
        """The text so far; a character that is cut in two is replaced until the rest has come."""
        return self._prefix + self._bytes.decode(errors="replace")

    async def open(self) -> None:
        """Find the client; nothing is read before it is asked."""
        self._client = await self._find()

    def has_room(self) -> bool:
        """Return True: a client itself refuses what is too long."""
        return True

    async def propose(self, request: SpanRequest) -> list[Candidate]:
        """Go on from the text, and keep what comes before the end of a span."""
        if request.branching is None:
            return [self._written_before(request) or await self._write(request)]
        firsts = await self._firsts(request.branching, request.top)
        if not firsts:
            return [await self._write(request)]
        return await side_by_side(self._write(request, first) for first in firsts)

    def _written_before(self, request: SpanRequest) -> Candidate | None:
        """Return the span with which the last completion goes on, if it shows where it ends."""
        if self._rest is None:
            return None
        rest = beginning(self._rest, request.most_tokens)
        ends = rest.finish == "stop" or len(rest.tokens) == request.most_tokens
        if not ends and self._end(request, _pieces(rest), rest.choices) is None:
            return None
        return self._cut(request, (), rest, rest.choices)

    async def _firsts(self, branching: Branching, top: int) -> list[TokenChoice]:
        """Return the first token of each span; none to write one span as usual.

        A part of a character is no text to go on from, so no span begins with one. Raises
        ModelError (E302) where the likeliest tokens are not told.
        """
        written = await self._generate(1, "", TokenDetail(top=top))
        if written.text and not written.choices:
            raise ModelError(
                "E302",
                f"`{self.name}` does not tell the likeliest tokens, which `{branching.name}` needs",
                "leave `explore` out, or declare a local model",
            )
        return [
            replace(choice, chosen=token)
            for choice in written.choices[:1]
            for token in branching.firsts(choice)
            if REPLACED not in token.piece.decode(errors="replace")
        ]

    async def _write(self, request: SpanRequest, first: TokenChoice | None = None) -> Candidate:
        """Write a span that begins with a given token, if there is one."""
        begun = [] if first is None else [first]
        pieces = [each.chosen.piece.decode() for each in begun]
        most = request.most_tokens
        if pieces == [""] or len(pieces) == most:
            text = "".join(pieces).encode()
            return Candidate(text, not text, tuple(pieces), self._signed(begun))
        detail = TokenDetail(top=request.top) if request.top else None
        completion = await self._generate(most - len(pieces), "".join(pieces), detail)
        return self._cut(request, pieces, completion, (*begun, *completion.choices))

    def _cut(
        self,
        request: SpanRequest,
        begun: Sequence[str],
        completion: Completion,
        choices: Sequence[TokenChoice],
    ) -> Candidate:
        """Return what comes before the end of the span, of a text behind the token `begun`."""
        most = request.most_tokens
        text = "".join((*begun, completion.text))
        end = self._end(request, [*begun, *_pieces(completion)], choices)
        full = completion.finish == "length" or (
            completion.finish is None and len(completion.tokens) >= most - len(begun)
        )
        ended = end is None and not full
        if end is None and full:
            end = len(text.rstrip(REPLACED))
        text = text[: end or None]
        tokens = (*_tokens(completion, "".join(begun), text), *("",) * ended)
        details = self._signed(choices[: len(tokens)], tokens)
        candidate = Candidate(text.encode(), ended, tokens, details)
        if not begun:
            self._keep(candidate, completion, text)
        return candidate

    def _keep(self, candidate: Candidate, completion: Completion, text: str) -> None:
        """Keep what a completion tells of a proposal and of what follows it."""
        count = whole_tokens(completion, text)
        if count is None:
            return
        logprobs = logprobs_of(completion, count)
        if logprobs is not None:
            self._known[candidate] = logprobs
        if not candidate.ended and self._sampling.temperature <= 0:
            self._rests[candidate] = rest_of(completion, count)

    def _end(
        self, request: SpanRequest, pieces: Sequence[str], choices: Sequence[TokenChoice]
    ) -> int | None:
        """Return where the span ends in its text; None where it does not.

        It ends behind a whole token, unless the text came as one piece.
        """
        span = SpanText(request.before, request.others(self.tokenizers))
        for piece, choice in zip_longest(pieces, choices[: len(pieces)]):
            span.add(piece.encode(), margin_of(choice))
            if len(pieces) == 1:
                return request.boundary.end(span)
            kept = span.cut(request.boundary)
            if kept is not None:
                return len("".join(pieces[:kept]))
        return None

    async def _generate(
        self, max_tokens: int, begun: str, detail: TokenDetail | None
    ) -> Completion:
        """Ask for what follows the text and a piece that is begun."""
        seed = self._rng.getrandbits(62) if self._sampling.temperature > 0 else 0
        min_tokens = max(0, self._sampling.min_tokens - self._written) or None
        processing = replace(self._sampling.processing, min_tokens=min_tokens)
        sampling = replace(self._sampling, max_tokens=max_tokens, seed=seed, processing=processing)
        wanted = self._writers.detail
        detail = detail if wanted is None or detail is None else wanted | detail
        request = Generate(
            self._model,
            self._query,
            sampling,
            self._text + begun,
            seeds=(seed,),
            detail=detail or wanted,
        )
        async with self._limit(self._model):
            (completion,) = (await self._client.generate(request)).draws
        for name, usage in completion.usage.items():
            self._spend(name, usage)
        return completion

    def _signed(
        self, choices: Sequence[TokenChoice], tokens: Sequence[str] = ("",)
    ) -> tuple[TokenChoice, ...]:
        """Return the details of tokens, where they are wanted; none where some lack."""
        wanted = self._writers.detail
        if wanted is None or len(choices) < len(tokens):
            return ()
        return tuple(self._writers.sign(wanted.trimmed(each), self.name) for each in choices)

    async def score(self, candidates: Sequence[Candidate]) -> list[Sequence[float]]:
        """Log-probabilities of the tokens of each; the end of an answer is not scored."""
        unknown = [each for each in candidates if each not in self._known]
        found = dict(zip(unknown, await self._scored(unknown), strict=True)) if unknown else {}
        return [self._known[each] if each in self._known else found[each] for each in candidates]

    async def _scored(self, candidates: Sequence[Candidate]) -> list[Sequence[float]]:
        """Ask for the log-probabilities of candidates by one request."""
        texts = tuple(candidate.text.decode(errors="replace") for candidate in candidates)
        request = ScoreTexts(self._model, self._query, texts, self._text)
        async with self._limit(self._model):
            scores = await self._client.score(request)
        read = sum(len(score.logprobs) for score in scores)
        for leaf in leaves(self._model):
            price = self._prices.get(leaf.name)
            self._spend(leaf.name, Usage.at(price, len(scores), read, 0))
        return [score.logprobs for score in scores]

    def accept(self, candidate: Candidate) -> None:
        """Go on behind a candidate."""
        self._rest = self._rests.get(candidate)
        self._known, self._rests = {}, {}
        self._written += len(candidate.tokens)
        self._bytes += candidate.text

    def usage(self) -> Mapping[str, Usage]:
        """What was asked so far."""
        return self._usage

    def _spend(self, name: str, usage: Usage) -> None:
        self._usage[name] = self._usage.get(name, Usage()) + usage

    def close(self) -> None:
        """Nothing is held between two questions."""


def _unprompted(model: Model) -> Model:
    """Return the model that a client knows, where its prompt is made here."""
    lone = isinstance(model, Prompted) and isinstance(model.model, Declared)
    return bare(model) if lone else model


def _prompted_query(model: Model, query: Query) -> Query:
    """Return what a member reads: the query, or what its own prompt makes of it."""
    if isinstance(model, Prompted) and isinstance(model.model, Declared):
        return query.rewritten(model.template.render(query))
    return query


def _pieces(completion: Completion) -> Sequence[str]:
    """Return the tokens of a completion; where they are not known, its text as one piece."""
    known = "".join(completion.tokens) == completion.text
    return [token for token in completion.tokens if token] if known else [completion.text]


def _tokens(completion: Completion, first: str, text: str) -> tuple[str, ...]:
    """Return the tokens of the beginning `text` of a completion that `first` stands before.

    Where only the number of its tokens is known, the share of the text. They count for
    `max_tokens`.
    """
    begun, text = ((first,) if first else ()), text[len(first) :]
    if "".join(completion.tokens) == completion.text:
        starts = accumulate(map(len, completion.tokens), initial=0)
        pairs = zip(completion.tokens, starts, strict=False)
        return *begun, *(token[: len(text) - at] for token, at in pairs if at < len(text))
    written = sum(usage.completion_tokens for usage in completion.usage.values())
    count = max(1, math.ceil(written * len(text) / max(1, len(completion.text))))
    return (*begun, *(("",) * (count - 1)), *((text,) if text else ())) if text else begun
