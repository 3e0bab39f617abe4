"""Span fusion in the engine: a member is a sequence, and each candidate is read by a fork of it.

The member goes on with the fork of the candidate that is kept, so that none of its tokens is read
twice.
"""

from __future__ import annotations

import random
from dataclasses import replace
from typing import TYPE_CHECKING

from composer.engine.generation import GenerationState
from composer.engine.requests.draw import Draw
from composer.engine.requests.rank import ScoreEntries
from composer.engine.requests.read_logits import Prefill
from composer.engine.sessions.base import all_of, together, usage_by_member
from composer.engine.sessions.generate import open_sequence
from composer.engine.sessions.prompt_weights import set_prompt_weights
from composer.engine.sessions.span_fuse import Candidate, fuse_spans, mean
from composer.engine.sessions.writers import Writers

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from composer.engine.group import Group
    from composer.engine.requests.draw import Drawn
    from composer.engine.sequence import SequenceState
    from composer.specs import SpanFuse
    from composer.values.details import TokenChoice
    from composer.values.requests import Generate, Sampling
    from composer.values.results import Completion, Usage

__all__ = ["span_fuse"]


async def span_fuse(
    fuse: SpanFuse, groups: Sequence[Group], job: Generate, on_text: Callable[[str], None] | None
) -> Completion:
    """Open a sequence for each member with a weight, and fuse their spans."""
    weights = fuse.normalized_weights()
    members: list[LocalMember] = []
    writers = Writers.of(fuse.names, groups[0], job.detail)
    try:
        for name, weight, group, model in zip(
            fuse.names, weights, groups, fuse.members, strict=True
        ):
            if weight:
                sequence = open_sequence(group, job, group.weights(model))
                members.append(LocalMember(name, weight, sequence, job.sampling, writers))
                await set_prompt_weights(sequence, job.query)
        await all_of([Prefill(member.sequence) for member in members])
        answer, longest = GenerationState.of(job, on_text), fuse.max_span_tokens
        return await fuse_spans(
            members, together, answer, words=fuse.words, max_span_tokens=longest
        )
    finally:
        for member in members:
            member.close()


class LocalMember:
    """A member whose models the engine runs: its sequence, and the forks that read candidates.

    To see that a word ends, a proposal draws the first token of the next one. That token is used
    if the proposal is kept.
    """

    def __init__(
        self,
        name: str,
        weight: float,
        sequence: SequenceState,
        sampling: Sampling,
        writers: Writers,
    ) -> None:
        self.name, self.weight, self.sequence = name, weight, sequence
        self._sampling, self._writers = sampling, writers
        processing = replace(sampling.processing, min_tokens=0)  # a proposer may end its span
        self._judging = replace(sampling, processing=processing)
        self._written = 0
        self._random = random.Random(f"{sampling.seed}/{name}")  # noqa: S311  # not for secrets
        self._last = b""
        self._ahead: Drawn | None = None
        self._forks: list[SequenceState] = []
        self._ends: dict[Candidate, SequenceState] = {}
        self._own: dict[Candidate, tuple[float | None, Drawn | None]] = {}

    @property
    def dropped(self) -> Mapping[str, str]:
        """The models that were dropped, each with the reason."""
        return self.sequence.dropped

    def has_room(self) -> bool:
        """Drop models whose context is full, if they may be dropped; return whether a span fits."""
        return self.sequence.drop_full_members()

    async def propose(self, words: int, max_tokens: int) -> Candidate:
        """Draw tokens until a new word begins after `words` words, or until the end."""
        sequence, ahead = self._fork(), self._ahead
        tokens: list[str] = []
        drawn: list[Drawn] = []
        text, ended = b"", False
        while len(tokens) < max_tokens and sequence.remaining_context >= 0 and not ended:
            if ahead is None:
                sequence.snapshot()
                ahead = await self._draw(sequence)
            piece = sequence.group.piece(ahead.entry)
            ended = ahead.entry in sequence.group.space.ends
            if not ended and piece[:1].isspace() and len(text.split()) >= words:
                break
            tokens.append(piece.decode(errors="replace"))
            drawn.append(ahead)
            if not ended:
                sequence.append(ahead.entry)
            text, ahead = text + piece, None
        proposal = Candidate(text, ended, tuple(tokens), tuple(self._choices(drawn)))
        score = mean([each.logprob for each in drawn])
        self._ends[proposal], self._own[proposal] = sequence, (score, ahead)
        return proposal

    def _draw(self, sequence: SequenceState) -> Draw:
        uniform, detail = self._random.random(), self._writers.detail
        return Draw(sequence, self._sampling, uniform, detail=detail)

    def _choices(self, drawn: Sequence[Drawn]) -> Iterator[TokenChoice]:
        """Yield the details of tokens, where they are wanted."""
        for choice in (each.choice for each in drawn):
            if choice is not None:
                yield self._writers.sign(choice, self.name, self.sequence.group)

    async def score(self, candidates: Sequence[Candidate]) -> list[float | None]:
        """Return each candidate's mean log-probability of a token; its own is known already."""
        others = [candidate for candidate in candidates if candidate not in self._own]
        requests = {c: request for c in others if (request := self._request(c)) is not None}
        scored = await all_of(list(requests.values()))
        scores = {c: mean(each.logprobs) for c, each in zip(requests, scored, strict=True)}
        return [self._own[c][0] if c in self._own else scores.get(c) for c in candidates]

    def accept(self, candidate: Candidate) -> None:
        """Go on with the fork of a candidate; close the others."""
        kept = self._ends[candidate]
        for sequence in (*self._forks, self.sequence):
            if sequence is not kept:
                sequence.close()
        self.sequence, self._last = kept, candidate.text
        self._written += len(candidate.tokens)
        kept.answer_length = self._written
        self._ahead = self._own[candidate][1] if candidate in self._own else None
        self._forks, self._ends, self._own = [], {}, {}

    def usage(self) -> Mapping[str, Usage]:
        """Return the usage so far by model name."""
        return usage_by_member([(self.name, self.sequence.group, self.sequence.usage())])

    def close(self) -> None:
        """Free all rows."""
        for sequence in (*self._forks, self.sequence):
            sequence.close()

    def _fork(self) -> SequenceState:
        self._forks.append(self.sequence.fork())
        return self._forks[-1]

    def _request(self, candidate: Candidate) -> ScoreEntries | None:
        """Append a candidate to a fork; return the request that scores it, None if none can."""
        sequence = self._ends[candidate] = self._fork()
        start, entries = sequence.continuation(self._last, candidate.text)
        sequence.truncate(start)
        sequence.extend(entries)
        end = candidate.ended and bool(sequence.group.space.ends)
        readable = (entries or end) and sequence.remaining_context >= 0
        return ScoreEntries(sequence, start, end, self._judging) if readable else None
