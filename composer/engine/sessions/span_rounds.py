"""One round of a span fuse: what members make of the candidates, which is best, and its record."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from composer.engine.sessions.span_parts import Reading, ScoredRound
from composer.values.errors import ModelError
from composer.values.flow import unique
from composer.values.results import Span

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from composer.engine.sessions.span_asking import Candidate, SpanMember
    from composer.engine.sessions.span_parts import Filter, Measure

__all__ = ["Judgement", "Round", "judge", "pooled"]

FUSED = "fused"
"""The name, in a record, of a candidate that no member has proposed: what they fused so far."""


@dataclass(frozen=True, slots=True)
class Judgement:
    """What a member made of candidates, and its scores; none where it could not read one."""

    readings: Mapping[Candidate, Reading]
    scores: Mapping[Candidate, float]


async def judge(member: SpanMember, candidates: Sequence[Candidate], measure: Measure) -> Judgement:
    """Let a member read candidates, and score them.

    Raises ModelError (E704) where a score is NaN or plus infinity; minus infinity is allowed.
    """
    pairs = zip(candidates, await member.score(candidates), strict=True)
    readings = {each: Reading(each.text, tuple(own)) for each, own in pairs if own}
    scores = measure.scores(list(readings.values())) if readings else []
    if any(not score < math.inf for score in scores):
        raise ModelError(
            "E704",
            f"`{member.name}` gave a score of a span that is not a number",
            "its number type may be too small: try `dtype = float32`",
        )
    return Judgement(readings, dict(zip(readings, scores, strict=True)))


def pooled(proposals: Mapping[int, Iterable[Candidate]]) -> dict[Candidate, list[int]]:
    """Return the candidates of some members, by their places, each with those who proposed it."""
    pool: dict[Candidate, list[int]] = {}
    for place, proposed in proposals.items():
        for candidate in dict.fromkeys(proposed):
            pool.setdefault(candidate, []).append(place)
    return pool


class Round:
    """What some members proposed and scored, all by the members' places, and which is best.

    Only proposals of members that have scored count. `weights` are those of all members. `given`
    are candidates that nobody proposed.
    """

    def __init__(
        self,
        proposals: Mapping[int, Sequence[Candidate]],
        judged: Mapping[int, Judgement],
        weights: Sequence[float],
        filter_: Filter | None,
        given: Sequence[Candidate] = (),
    ) -> None:
        self._proposals = [proposals[place] for place in judged]
        pool = {each: list[int]() for each in given} | pooled({n: proposals[n] for n in judged})
        self.candidates, self._given = list(pool), given
        self.shares = [weights[place] for place in judged]
        scores = [[own.scores.get(each) for each in pool] for own in judged.values()]
        if filter_ is not None:
            scores = _filtered(scores, filter_.kept(scores))
        totals = tuple(_weighted_mean(self.shares, column) for column in zip(*scores, strict=True))
        self.scored = ScoredRound(
            tuple(judged),
            tuple(map(tuple, pool.values())),
            tuple(map(tuple, scores)),
            totals,
            max(range(len(totals)), key=totals.__getitem__),
            tuple(tuple(own.readings.get(each) for each in pool) for own in judged.values()),
        )
        self.best = self.candidates[self.scored.best]

    @property
    def logprob(self) -> float:
        """The weighted mean, over the members, of the best candidate's mean log-probability."""
        own = [row[self.scored.best] for row in self.scored.readings]
        means = [None if each is None else each.mean for each in own]
        return _weighted_mean(self.shares, means)

    def record(self, names: Sequence[str]) -> Span:
        """Return the round as the trace has it; further proposals of a member are numbered.

        `names` are those of the members that took part.
        """
        pairs = [(FUSED, each) for each in self._given]
        pairs += [(n, each) for n, own in zip(names, self._proposals, strict=True) for each in own]
        labels = unique(name for name, _ in pairs)
        label_of = dict(zip(labels, (each for _, each in pairs), strict=True))
        table = {
            name: {
                label: score
                for label, each in label_of.items()
                if (score := own[self.candidates.index(each)]) is not None
            }
            for name, own in zip(names, self.scored.scores, strict=True)
        }
        texts = {label: each.text.decode(errors="replace") for label, each in label_of.items()}
        best = next(label for label, each in label_of.items() if each == self.best)
        writers = self.scored.proposers[self.scored.best]
        writer = names[self.scored.members.index(writers[0])] if writers else FUSED
        return Span(texts[best], writer, texts, table, dict(zip(names, self.shares, strict=True)))


def _weighted_mean(shares: Sequence[float], scores: Iterable[float | None]) -> float:
    """The weighted mean of scores, over the members that have one; minus infinity if none has."""
    weighted = [(w, s) for w, s in zip(shares, scores, strict=True) if s is not None and w]
    if not weighted:
        return -math.inf
    return sum(w * s for w, s in weighted) / sum(w for w, _ in weighted)


def _filtered(
    scores: Sequence[Sequence[float | None]], kept: Sequence[Sequence[bool]]
) -> list[list[float | None]]:
    return [
        [score if counts else None for score, counts in zip(*pair, strict=True)]
        for pair in zip(scores, kept, strict=True)
    ]
