"""A member of a span fuse that a client answers for."""

from __future__ import annotations

import random
from dataclasses import replace
from functools import partial
from itertools import zip_longest
from typing import TYPE_CHECKING

from composer.engine.sessions.span_asking import Candidate
from composer.engine.sessions.span_parts import SpanText, margin_of
from composer.engine.sessions.writers import Writers
from composer.run.told_spans import (
    beginning,
    logprobs_of,
    pieces_of,
    rest_of,
    tokens_of,
    whole_tokens,
)
from composer.specs import leaves
from composer.values import Generate, ScoreTexts, Usage
from composer.values.details import TokenDetail
from composer.values.errors import ModelError
from composer.values.flow import REPLACED
from composer.values.gather import side_by_side

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from composer.engine.sessions.span_asking import SpanRequest
    from composer.engine.sessions.span_parts import Branching
    from composer.run.span_context import MemberContext
    from composer.values import Completion
    from composer.values.details import TokenChoice

__all__ = ["ClientMember"]


class ClientMember:
    """A member that a client answers for: the text so far is the prefix of all that it is asked.

    What it proposes is cut by the same boundary. Its prompt is read anew in every round. Not asked
    again is what it has told: the log-probabilities of its own span, and, where that span is kept
    and nothing is drawn, how it goes on.
    """

    def __init__(self, context: MemberContext) -> None:
        self.name, self.weight, self.tokenizers = context.name, context.weight, context.tokenizers
        self.anew = partial(ClientMember, context)
        self.dropped: Mapping[str, str] = {}
        request, self._sampling = context.request, context.request.sampling
        self._context, self._model, self._query = context, context.asked, context.query
        self._prefix, self._bytes = request.prefix, b""
        self._rng = random.Random(f"{request.sampling.seed}/{context.name}")
        self._writers = Writers(context.names, None, request.detail)
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
        self._client = await self._context.clients.of(self._model)

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
        if not ends and self._end(request, pieces_of(rest), rest.choices) is None:
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
        end = self._end(request, [*begun, *pieces_of(completion)], choices)
        full = completion.finish == "length" or (
            completion.finish is None and len(completion.tokens) >= most - len(begun)
        )
        ended = end is None and not full
        if end is None and full:
            end = len(text.rstrip(REPLACED))
        text = text[: end or None]
        tokens = (*tokens_of(completion, "".join(begun), text), *("",) * ended)
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
        async with self._context.clients.within(self._model):
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
        async with self._context.clients.within(self._model):
            scores = await self._client.score(request)
        read = sum(len(score.logprobs) for score in scores)
        for leaf in leaves(self._model):
            price = self._context.prices.get(leaf.name)
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
