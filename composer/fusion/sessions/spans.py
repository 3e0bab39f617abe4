"""Writing an answer span by span: all members propose, all judge, one proposal is kept.

Cool-Fusion, arXiv:2407.19807; SweetSpan. A member's own tokens are never thrown away: what is
judged is read by a fork of its cursor, and the fork of the kept proposal is where it goes on.
"""

from __future__ import annotations

import math
import random
from dataclasses import dataclass
from typing import TYPE_CHECKING

from composer.fusion.requests.entries import Draw, Drawn, ReadAhead, ScoreEntries
from composer.fusion.sessions.base import ask, ask_all, given, left, together
from composer.fusion.sessions.settle import settle
from composer.fusion.sessions.write import begin, confidence
from composer.fusion.text import Writer
from composer.ports.requests import Completion, Span

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from composer.fusion.cursor import Cursor
    from composer.fusion.group import Group
    from composer.fusion.sessions.base import Session
    from composer.fusion.sessions.write import Finish
    from composer.ports.requests import Generate, Sampling
    from composer.specs import SpanFuse

__all__ = ["span_write"]


@dataclass(eq=False)
class Member:
    """One member of a span fuse: where it is in the text, what it weighs, its own luck.

    `ahead` is what it has drawn already of the next span.
    """

    name: str
    weight: float
    cursor: Cursor
    luck: random.Random
    ahead: Drawn | None = None


@dataclass(eq=False)
class Proposal:
    """A span that a member wrote, and how likely it finds it itself."""

    cursor: Cursor
    tokens: list[int]
    logprobs: list[float]
    ended: bool = False
    ahead: Drawn | None = None

    @property
    def text(self) -> bytes:
        """The span's bytes."""
        return self.cursor.group.spell(self.tokens)


@dataclass(eq=False)
class Judged:
    """A proposal as another member read it; None if it cannot say how likely it is."""

    cursor: Cursor
    score: float | None


def span_write(
    fuse: SpanFuse, groups: Sequence[Group], job: Generate, on_text: Callable[[str], None] | None
) -> Session[Completion]:
    """Keep the likeliest span, round after round, until the answer ends."""
    weights = fuse.shares()
    members: list[Member] = []
    try:
        for name, weight, group, part in zip(
            fuse.names, weights, groups, fuse.members, strict=True
        ):
            if weight:
                luck = random.Random(f"{job.sampling.seed}/{name}")  # noqa: S311
                cursor = begin(group, job, group.weights(part))
                members.append(Member(name, weight, cursor, luck))
                yield from settle(cursor, job.query)
        return (yield from _write(fuse, members, job.sampling, on_text))
    finally:
        for member in members:
            member.cursor.close()


def _write(
    fuse: SpanFuse,
    members: Sequence[Member],
    how: Sampling,
    on_text: Callable[[str], None] | None,
) -> Session[Completion]:
    writer = Writer(how.stop, on_text)
    spans: list[Span] = []
    tokens: list[str] = []
    logprobs: list[float] = []
    finish: Finish | None = None
    last = b""
    yield from ask_all([ReadAhead(member.cursor) for member in members])
    while finish is None:
        most = min(fuse.max_span_tokens, how.max_tokens - len(tokens))
        if most <= 0 or not all(member.cursor.make_room() for member in members):
            finish = "length" if most <= 0 else "context"
            break
        span, kept, score = yield from _round(fuse, members, how, most, last)
        spans.append(span)
        last = kept.text
        names = [kept.cursor.group.piece(e).decode(errors="replace") for e in kept.tokens]
        names += [""] * kept.ended
        tokens += names
        logprobs += [score] * len(names)
        writer.add(last)
        if kept.ended or writer.stopped:
            finish = "stop"
        elif not names:
            finish = "context"
    usage = given((m.name, m.cursor.group, m.cursor.usage()) for m in members)
    text, certain = writer.close(), confidence(logprobs)
    gone = left(member.cursor for member in members)
    return Completion(
        text, tuple(tokens), tuple(logprobs), certain, finish, usage, tuple(spans), gone
    )


def _round(
    fuse: SpanFuse, members: Sequence[Member], how: Sampling, most: int, last: bytes
) -> Session[tuple[Span, Proposal, float]]:
    """One span: proposals, judgements, and every member moved to where the best one ends."""
    open_: list[Cursor] = []
    try:
        made = yield from together([_propose(m, how, fuse.words, most, open_) for m in members])
        own = {member.name: proposal for member, proposal in zip(members, made, strict=True)}
        choices = _unlike(own)
        judged = yield from together(
            [_judge(m, own[m.name], choices, last, open_) for m in members]
        )
        totals = {name: _total(members, judged, name) for name in choices}
        winner = max(choices, key=lambda name: totals[name])
        for member, seen in zip(members, judged, strict=True):
            open_.append(member.cursor)
            mine, member.cursor = own[member.name], seen[winner].cursor
            member.ahead = mine.ahead if member.cursor is mine.cursor else None
            open_.remove(member.cursor)
    finally:
        for cursor in open_:
            cursor.close()
    return _span(members, own, judged, winner), choices[winner], totals[winner]


def _propose(
    member: Member, how: Sampling, words: int, most: int, open_: list[Cursor]
) -> Session[Proposal]:
    """Write up to where a word begins after enough words, or to the end."""
    cursor = member.cursor.fork()
    open_.append(cursor)
    found = Proposal(cursor, [], [], ahead=member.ahead)
    text = b""
    while len(found.tokens) < most and cursor.room >= 0:
        if found.ahead is None:
            cursor.mark()
            found.ahead = yield from ask(Draw(cursor, how, member.luck.random()))
        answer = found.ahead
        piece = cursor.group.piece(answer.entry)
        found.ended = answer.entry in cursor.group.space.ends
        if not found.ended and piece[:1].isspace() and len(text.split()) >= words:
            return found  # what was drawn stays ahead: it begins the next span
        found.logprobs.append(answer.logprob)
        if found.ended:
            return found
        found.tokens.append(answer.entry)
        cursor.push(answer.entry)
        found.ahead = None
        text += piece
    return found


def _judge(
    member: Member,
    own: Proposal,
    choices: Mapping[str, Proposal],
    last: bytes,
    open_: list[Cursor],
) -> Session[dict[str, Judged]]:
    """Read every proposal but one's own: mean log-probability of a token, in one's own tokens."""
    mine = own.text, own.ended
    found: dict[str, Judged] = {}
    reads: dict[str, ScoreEntries] = {}
    for name, choice in choices.items():
        if (choice.text, choice.ended) == mine:
            found[name] = Judged(own.cursor, _mean(own.logprobs))
            continue
        cursor = member.cursor.fork()
        open_.append(cursor)
        found[name] = Judged(cursor, None)
        start, entries = cursor.continuation(last, choice.text)
        cursor.cut(start)
        cursor.extend(entries)
        end = choice.ended and bool(cursor.group.space.ends)
        if (entries or end) and cursor.room >= 0:
            reads[name] = ScoreEntries(cursor, start, end)
    answers = yield from ask_all(list(reads.values()))
    for name, values in zip(reads, answers, strict=True):
        found[name].score = _mean(values)
    return found


def _mean(logprobs: Sequence[float]) -> float | None:
    return math.fsum(logprobs) / len(logprobs) if logprobs else None


def _unlike(own: Mapping[str, Proposal]) -> dict[str, Proposal]:
    """One proposal of each text, by the name of the first who made it."""
    found: dict[tuple[bytes, bool], tuple[str, Proposal]] = {}
    for name, proposal in own.items():
        found.setdefault((proposal.text, proposal.ended), (name, proposal))
    return dict(found.values())


def _total(members: Sequence[Member], judged: Sequence[Mapping[str, Judged]], name: str) -> float:
    """The weighted mean of the scores of those who can say one."""
    said = [(m.weight, j[name].score) for m, j in zip(members, judged, strict=True)]
    known = [(weight, score) for weight, score in said if score is not None]
    if not known:
        return -math.inf
    return sum(w * s for w, s in known) / sum(w for w, _ in known)


def _span(
    members: Sequence[Member],
    own: Mapping[str, Proposal],
    judged: Sequence[Mapping[str, Judged]],
    winner: str,
) -> Span:
    """The round as it is told afterwards; a text that two proposed has its scores twice."""
    same = {(p.text, p.ended): name for name, p in _unlike(own).items()}
    first = {name: same[p.text, p.ended] for name, p in own.items()}
    scores = {
        member.name: {name: s for name in own if (s := seen[first[name]].score) is not None}
        for member, seen in zip(members, judged, strict=True)
    }
    texts = {name: p.text.decode(errors="replace") for name, p in own.items()}
    return Span(texts[winner], winner, texts, scores)
