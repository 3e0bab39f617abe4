"""Writing an answer span by span in the engine: members are cursors, proposals are forks of them.

A member's own tokens are never thrown away: what is judged is read by a fork of its cursor, and
the fork of the kept proposal is where it goes on.
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

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from composer.engine.group import Group
    from composer.engine.requests.draw import Drawn
    from composer.engine.sequence import SequenceState
    from composer.specs import SpanFuse
    from composer.values.requests import Completion, Generate, Sampling, Usage

__all__ = ["span_fuse"]


async def span_fuse(
    fuse: SpanFuse, groups: Sequence[Group], job: Generate, on_text: Callable[[str], None] | None
) -> Completion:
    """Open the members that have a weight, and fuse their spans."""
    weights = fuse.normalized_weights()
    members: list[LocalMember] = []
    try:
        for name, weight, group, part in zip(
            fuse.names, weights, groups, fuse.members, strict=True
        ):
            if weight:
                sequence = open_sequence(group, job, group.weights(part))
                members.append(LocalMember(name, weight, sequence, job.sampling))
                await set_prompt_weights(sequence, job.query)
        await all_of([Prefill(member.sequence) for member in members])
        answer, most = GenerationState(job.sampling, on_text), fuse.max_span_tokens
        return await fuse_spans(members, together, answer, words=fuse.words, max_span_tokens=most)
    finally:
        for member in members:
            member.close()


class LocalMember:
    """A member whose models the engine runs: where its cursor is, and where candidates end.

    A token that was drawn beyond a proposal begins the next one, if that proposal is kept.
    """

    def __init__(self, name: str, weight: float, sequence: SequenceState, how: Sampling) -> None:
        self.name, self.weight, self.sequence = name, weight, sequence
        self._how = how
        processing = replace(how.processing, min_tokens=0)  # who proposed an end was free to
        self._judging = replace(how, processing=processing)
        self._written = 0
        self._luck = random.Random(f"{how.seed}/{name}")  # noqa: S311  # not for secrets
        self._last = b""
        self._ahead: Drawn | None = None
        self._forks: list[SequenceState] = []
        self._ends: dict[Candidate, SequenceState] = {}
        self._own: dict[Candidate, tuple[float | None, Drawn | None]] = {}

    @property
    def left(self) -> Mapping[str, str]:
        """Who left on the way, and why."""
        return self.sequence.dropped

    def make_room(self) -> bool:
        """Go on without models that have no room left; say whether there is room then."""
        return self.sequence.drop_full_members()

    async def propose(self, words: int, most: int) -> Candidate:
        """Write up to where a word begins after enough words, or to the end."""
        sequence, ahead = self._fork(), self._ahead
        tokens: list[str] = []
        logprobs: list[float] = []
        text, ended = b"", False
        while len(tokens) < most and sequence.remaining_context >= 0 and not ended:
            if ahead is None:
                sequence.snapshot()
                ahead = await Draw(sequence, self._how, self._luck.random())
            piece = sequence.group.piece(ahead.entry)
            ended = ahead.entry in sequence.group.space.ends
            if not ended and piece[:1].isspace() and len(text.split()) >= words:
                break
            tokens.append(piece.decode(errors="replace"))
            logprobs.append(ahead.logprob)
            if not ended:
                sequence.append(ahead.entry)
            text, ahead = text + piece, None
        made = Candidate(text, ended, tuple(tokens))
        self._ends[made], self._own[made] = sequence, (mean(logprobs), ahead)
        return made

    async def score(self, candidates: Sequence[Candidate]) -> list[float | None]:
        """Read every candidate but one's own: mean log-probability of a token."""
        others = [each for each in candidates if each not in self._own]
        reads = {each: read for each in others if (read := self._place(each)) is not None}
        scores = dict(zip(reads, map(mean, await all_of(list(reads.values()))), strict=True))
        return [self._own[c][0] if c in self._own else scores.get(c) for c in candidates]

    def accept(self, candidate: Candidate) -> None:
        """Go on where the fork of a candidate ends."""
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
        """What the models were given so far."""
        return usage_by_member([(self.name, self.sequence.group, self.sequence.usage())])

    def close(self) -> None:
        """Give all rows back."""
        for sequence in (*self._forks, self.sequence):
            sequence.close()

    def _fork(self) -> SequenceState:
        self._forks.append(self.sequence.fork())
        return self._forks[-1]

    def _place(self, candidate: Candidate) -> ScoreEntries | None:
        """Put a fork to where a candidate ends; what reads it there, if anything can."""
        sequence = self._ends[candidate] = self._fork()
        start, entries = sequence.continuation(self._last, candidate.text)
        sequence.truncate(start)
        sequence.extend(entries)
        end = candidate.ended and bool(sequence.group.space.ends)
        readable = (entries or end) and sequence.remaining_context >= 0
        return ScoreEntries(sequence, start, end, self._judging) if readable else None
