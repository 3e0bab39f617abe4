"""Span fusion in the engine: a member is a sequence, and each candidate is read by a fork of it.

The member goes on with the fork of the candidate that is kept, so that none of its tokens is read
twice.
"""

from __future__ import annotations

import random
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

from composer.engine.generation import GenerationState
from composer.engine.requests.draw import Draw, Drawn
from composer.engine.requests.rank import ScoreEntries
from composer.engine.requests.read_logits import Prefill
from composer.engine.sessions.base import all_of, together, usage_by_member
from composer.engine.sessions.generate import open_sequence
from composer.engine.sessions.prompt_weights import set_prompt_weights
from composer.engine.sessions.span_asking import Candidate
from composer.engine.sessions.span_fuse import fuse_spans
from composer.engine.sessions.span_parts import SpanText, margin_of
from composer.engine.sessions.writers import Writers
from composer.values.details import TokenDetail

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence

    from composer.engine.group import Group
    from composer.engine.sequence import SequenceState
    from composer.engine.sessions.span_asking import SpanRequest
    from composer.engine.sessions.span_parts import Splitter
    from composer.specs import SpanFuse
    from composer.values.details import LikelyToken, TokenChoice
    from composer.values.flow import Model
    from composer.values.requests import Generate, Sampling
    from composer.values.results import Completion, Usage

__all__ = ["LocalMember", "begun", "span_fuse"]


async def span_fuse(
    fuse: SpanFuse, groups: Sequence[Group], job: Generate, on_text: Callable[[str], None] | None
) -> Completion:
    """Fuse the spans of the members with a weight."""
    weights = fuse.normalized_weights()
    writers = Writers.of(fuse.names, groups[0], job.detail)
    members = [
        LocalMember(name, weight, partial(begun, group, job, model), job.sampling, writers)
        for name, weight, group, model in zip(
            fuse.names, weights, groups, fuse.members, strict=True
        )
        if weight
    ]
    answer = GenerationState.of(job, on_text)
    return await fuse_spans(fuse, members, together, answer, job.query)


async def begun(group: Group, job: Generate, model: Model) -> SequenceState:
    """Open a sequence after a job's prompt, and read the prompt."""
    sequence = open_sequence(group, job, group.weights(model))
    try:
        await set_prompt_weights(sequence, job.query)
        await Prefill(sequence)
    except BaseException:
        sequence.close()
        raise
    return sequence


class LocalMember:
    """A member whose models the engine runs: its sequence, and the forks that read candidates.

    Forks that are not kept stay open as `_spare`, each with how many entries it shares with the
    sequence: the next candidates are read by them, and no more than the last span is copied.
    To see that a span ends, a proposal may draw the first token of the next one. That token is used
    if the proposal is kept. `start` begins a sequence.
    """

    sequence: SequenceState

    def __init__(
        self,
        name: str,
        weight: float,
        start: Callable[[], Awaitable[SequenceState]],
        sampling: Sampling,
        writers: Writers,
    ) -> None:
        self.name, self.weight, self._start = name, weight, start
        self._sampling, self._writers = sampling, writers
        processing = replace(sampling.processing, min_tokens=0)  # a proposer may end its span
        self._judging = replace(sampling, processing=processing)
        self._written = 0
        self._random = random.Random(f"{sampling.seed}/{name}")  # noqa: S311  # not for secrets
        self._last = b""
        self._ahead: Drawn | None = None
        self._held: list[SequenceState] = []
        self._spare: dict[SequenceState, int] = {}
        self._shared = 0
        self._ends: dict[Candidate, SequenceState] = {}
        self._own: dict[Candidate, tuple[Sequence[float], Drawn | None]] = {}

    @property
    def dropped(self) -> Mapping[str, str]:
        """The models that were dropped, each with the reason."""
        return self.sequence.dropped if self._held else {}

    def anew(self) -> LocalMember:
        """Return the same member before its answer has begun."""
        return LocalMember(self.name, self.weight, self._start, self._sampling, self._writers)

    async def open(self) -> None:
        """Read the prompt."""
        self.sequence = await self._start()
        self._held = [self.sequence]

    @property
    def tokenizers(self) -> Sequence[Splitter]:
        """Those of its models; the first one splits what it writes."""
        return [state.slot.runner.model.vocabulary for state in self.sequence.states.values()]

    def has_room(self) -> bool:
        """Drop models whose context is full, if they may be dropped; return whether a span fits."""
        return self.sequence.drop_full_members()

    async def propose(self, request: SpanRequest) -> list[Candidate]:
        """Write on until the span ends; where the member is unsure, once from each first token."""
        branching = request.branching
        if branching is None:
            return [await self._write(request, self._fork(), self._ahead)]
        first = await self._first(branching.top)
        assert first.choice is not None
        firsts = branching.firsts(first.choice)
        starts = [drawn for each in firsts if (drawn := self._forced(each, first.choice))]
        return await together(
            [self._write(request, self._fork(), drawn) for drawn in starts or [first]]
        )

    async def _first(self, top: int) -> Drawn:
        """Return the first token of a span, with the likeliest ones in its place."""
        ahead = self._ahead
        if ahead is None or ahead.choice is None or len(ahead.choice.top) < top:
            self.sequence.snapshot()
            ahead = self._ahead = await self._draw(self.sequence, TokenDetail(top=top))
        return ahead

    def _forced(self, token: LikelyToken, choice: TokenChoice) -> Drawn | None:
        """Return a draw of a chosen token; None where the group cannot write it."""
        group = self.sequence.group
        entry = group.space.ids.get(token.piece)
        if token.id is not None:
            entry = group.entry_of_id(token.id)
        if entry is None:
            return None
        return Drawn(entry, token.logprob, replace(choice, chosen=token))

    async def _write(
        self, request: SpanRequest, sequence: SequenceState, ahead: Drawn | None
    ) -> Candidate:
        """Draw tokens until the span ends; `ahead` is its first token, if that was drawn before.

        Where `max_tokens` ends it, one more token is drawn, to cut no character in two.
        """
        start = len(sequence.entries)
        span = SpanText(request.before, request.others(self.tokenizers))
        detail = TokenDetail(top=request.top) if request.top else None
        drawn: list[Drawn] = []
        kept: int | None = None
        while kept is None and sequence.remaining_context >= 0:
            if ahead is None:
                sequence.snapshot()
                ahead = await self._draw(sequence, detail)
            drawn.append(ahead)
            ended, full = ahead.entry in sequence.group.space.ends, len(drawn) > request.max_tokens
            if ended and not full:
                return self._candidate(sequence, drawn, None, ended=True)
            if not ended:
                span.add(sequence.group.piece(ahead.entry), margin_of(ahead.choice))
                kept = span.cut(request.boundary)
            if full:
                break
            if kept is None:
                sequence.append(ahead.entry)
            ahead = None
        if kept is None or kept > request.max_tokens:
            kept = span.most_kept(min(len(drawn), request.max_tokens))
        return self._cut(sequence, start, drawn, kept)

    def _cut(
        self, sequence: SequenceState, start: int, drawn: Sequence[Drawn], kept: int
    ) -> Candidate:
        """Return the span of the first tokens; a token behind them begins the next one."""
        sequence.truncate(start + kept)
        sequence.extend(each.entry for each in drawn[len(sequence.entries) - start : kept])
        ahead = drawn[kept] if kept < len(drawn) else None
        return self._candidate(sequence, drawn[:kept], ahead, ended=False)

    def _candidate(
        self,
        sequence: SequenceState,
        drawn: Sequence[Drawn],
        ahead: Drawn | None,
        *,
        ended: bool,
    ) -> Candidate:
        """Return a span of whole tokens, whose log-probabilities are known already."""
        text = b"".join(self.sequence.group.piece(each.entry) for each in drawn)
        proposal = Candidate(text, ended, self._texts(drawn), tuple(self._choices(drawn)))
        self._ends[proposal] = sequence
        self._own[proposal] = [each.logprob for each in drawn], ahead
        return proposal

    def _texts(self, drawn: Sequence[Drawn]) -> tuple[str, ...]:
        group = self.sequence.group
        return tuple(group.piece(each.entry).decode(errors="replace") for each in drawn)

    def _draw(self, sequence: SequenceState, detail: TokenDetail | None) -> Draw:
        wanted = self._writers.detail
        detail = detail if wanted is None or detail is None else wanted | detail
        return Draw(sequence, self._sampling, self._random.random(), detail=detail or wanted)

    def _choices(self, drawn: Sequence[Drawn]) -> Iterator[TokenChoice]:
        """Yield the details of tokens, where they are wanted."""
        for choice in (each.choice for each in drawn):
            if choice is not None and (wanted := self._writers.detail) is not None:
                yield self._writers.sign(wanted.trimmed(choice), self.name, self.sequence.group)

    async def score(self, candidates: Sequence[Candidate]) -> list[Sequence[float]]:
        """Return the log-probabilities of each candidate's tokens; its own are known already."""
        others = [candidate for candidate in candidates if candidate not in self._own]
        requests = {c: request for c in others if (request := self._request(c)) is not None}
        scored = await all_of(list(requests.values()))
        logprobs = {c: each.logprobs for c, each in zip(requests, scored, strict=True)}
        return [self._own[c][0] if c in self._own else logprobs.get(c, ()) for c in candidates]

    def accept(self, candidate: Candidate) -> None:
        """Go on with the fork of a candidate, if one has read it; the others are spare."""
        kept = self._ends.get(candidate, self.sequence)
        if candidate not in self._ends:
            self._append(kept, candidate)
        counts = {each: self._spare.get(each, self._shared) for each in self._held}
        self._spare = {
            each: min(count, self._shared) for each, count in counts.items() if each is not kept
        }
        self._shared = len(kept.entries)
        self.sequence, self._last = kept, candidate.text
        self._written += len(candidate.tokens)
        kept.answer_length = self._written
        self._ahead = self._own[candidate][1] if candidate in self._own else None
        self._ends, self._own = {}, {}

    def rooms(self) -> dict[Candidate, bool]:
        """Return for each candidate that was read whether a span fits behind it.

        As in `has_room`, models whose context is full are dropped, if they may be.
        """
        return {each: sequence.drop_full_members() for each, sequence in self._ends.items()}

    def usage(self) -> Mapping[str, Usage]:
        """Return the usage so far by model name."""
        if not self._held:
            return {}
        return usage_by_member([(self.name, self.sequence.group, self.sequence.usage())])

    def close(self) -> None:
        """Free all rows."""
        for sequence in self._held:
            sequence.close()
        self._held, self._spare = [], {}

    def _fork(self) -> SequenceState:
        """Return a copy of the sequence: a spare one where there is one."""
        while self._spare:
            spare, count = self._spare.popitem()
            if spare.rejoin(self.sequence, count):
                return spare
            self._held.remove(spare)
            spare.close()
        self._held.append(self.sequence.fork())
        return self._held[-1]

    def _request(self, candidate: Candidate) -> ScoreEntries | None:
        """Append a candidate to a fork; return the request that scores it, None if none can."""
        sequence = self._ends[candidate] = self._fork()
        start, entries = self._append(sequence, candidate)
        end = candidate.ended and bool(sequence.group.space.ends)
        readable = (entries or end) and sequence.remaining_context >= 0
        return ScoreEntries(sequence, start, end, self._judging) if readable else None

    def _append(self, sequence: SequenceState, candidate: Candidate) -> tuple[int, list[int]]:
        """Append a candidate; return how many entries stay before it, and those that are new."""
        start, entries = sequence.continuation(self._last, candidate.text)
        self._shared = min(self._shared, start)
        sequence.truncate(start)
        sequence.extend(entries)
        return start, entries
