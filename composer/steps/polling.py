"""Votes that stop early: candidates are asked in turn, until the others cannot change who wins."""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace
from itertools import accumulate
from typing import TYPE_CHECKING, TypeAlias

from composer.diagnostics.amounts import counted
from composer.methods import (
    Agreement,
    Count,
    Decided,
    Exact,
    Reduction,
    Seeded,
    Standing,
    Stopping,
    Ties,
)
from composer.steps.branching import splice, weighed
from composer.steps.counting import (
    ballots_of,
    can_count,
    elect,
    require_answers,
    wrong_weights,
)
from composer.steps.declare import step
from composer.values import (
    Asker,
    Candidates,
    Decision,
    LazyBranch,
    MaybeMissing,
    MissingAnswer,
    Query,
    Quorum,
    Ranking,
    Text,
)
from composer.values.gather import (
    attempt,
    failure_notes,
    needed_answers,
    require_quorum,
    side_by_side,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from composer.methods.agreements.base import Comparison
    from composer.methods.reductions.base import Ballot

Answer: TypeAlias = "MaybeMissing[Text | Candidates | Ranking]"
"""What a branch gives, or how it failed."""


@dataclass(frozen=True, slots=True)
class Turn:
    """A branch that is asked when its turn comes, and the weight of each of its answers."""

    name: str
    branch: LazyBranch[Text | Candidates | Ranking]
    weights: tuple[float, ...]
    routed: float | None = None

    async def answer(self) -> Answer:
        """Ask it; a failure is a missing answer."""
        answer = await attempt(self.name, self.branch())
        if isinstance(answer, MissingAnswer):
            return replace(answer, count=len(self.weights))
        if self.routed is not None and isinstance(answer, Text):
            return weighed(answer, self.routed)
        return answer

    def swing(self, reduce: Reduction) -> float:
        """Return by how much its votes can change a lead at most."""
        return swing(self.name, self.weights, reduce)


def swing(name: str, weights: Sequence[float], reduce: Reduction) -> float:
    """Return by how much the votes of a branch can change a lead at most."""
    worths = [reduce.worth(name, weight) for weight in weights if can_count(weight)]
    return sum(math.inf if worth is None else abs(worth) for worth in worths)


@dataclass(slots=True)
class Poll:
    """A vote under way: whose turn it is, and what those before answered."""

    turns: Sequence[Turn]
    even: bool
    answers: list[Answer] = field(default_factory=list)
    batches: list[list[str]] = field(default_factory=list)

    @property
    def done(self) -> Sequence[Turn]:
        """Those that were asked."""
        return self.turns[: len(self.answers)]

    @property
    def waiting(self) -> Sequence[Turn]:
        """Those that were not."""
        return self.turns[len(self.answers) :]

    @property
    def lost(self) -> list[MissingAnswer]:
        """Those that were asked and failed."""
        return [answer for answer in self.answers if isinstance(answer, MissingAnswer)]

    async def ask_next(self, count: int) -> None:
        """Ask the next ones side by side."""
        batch = self.waiting[:count]
        self.answers += await side_by_side(turn.answer() for turn in batch)
        self.batches.append([turn.name for turn in batch])

    def ballots(self, *, routed: bool) -> tuple[list[Ballot], Sequence[Text]]:
        """Return the votes so far, and all answers."""
        if len(self.lost) == len(self.answers):
            return [], ()
        candidates = splice([turn.name for turn in self.done], self.answers)
        weights = tuple(weight for turn in self.done for weight in turn.weights)
        ballots = ballots_of(candidates, None if self.even else weights, routed=routed)
        return ballots, candidates.texts

    def standing(
        self,
        ballots: Sequence[Ballot],
        texts: Sequence[Text],
        comparison: Comparison,
        reduce: Reduction,
    ) -> Standing:
        """Return what each answer has, and what those can change who have not been asked."""
        if comparison.keys is None:
            return Standing((), (math.inf,) * len(self.waiting), texts=texts)
        worths = [reduce.worth(ballot.name, ballot.weight) or 0.0 for ballot in ballots]
        return Standing(
            tuple(sum(worths[at] for at in group) for group in comparison.groups),
            tuple(turn.swing(reduce) for turn in self.waiting),
            sum(turn.swing(reduce) for turn in self.done),
            texts,
        )


@step(
    sign="`vote(until = ...)`",
    selects=True,
    votes=True,
    draws_as="vote",
    hidden=("names", "sizes"),
)
async def poll(
    source: Query | Decision,
    *branches: LazyBranch[Text | Candidates | Ranking],
    names: tuple[str, ...],
    sizes: tuple[int, ...],
    min: Quorum = "most",  # noqa: A002 - as in `bank`
    by: Agreement = Exact(),
    reduce: Reduction = Count(),
    weights: tuple[float, ...] | None = None,
    ties: Ties = Seeded(),
    routed: bool = False,
    until: Stopping = Decided(),
    ask: Asker,
) -> Text:
    """Ask the branches in turn, and vote as soon as `until` allows it and `min` have answered.

    The winner is that of the vote over all branches. `names` and `sizes` are the names of the
    branches, and how many answers each gives.
    """
    query = source if isinstance(source, Query) else source.query
    by_name = {name: (b, size) for name, b, size in zip(names, branches, sizes, strict=True)}
    chosen = names if isinstance(source, Query) else source.chosen
    own = shared_out([by_name[name][1] for name in chosen], weights)
    routes = source.weights if routed and isinstance(source, Decision) else {}
    turns = [
        Turn(n, by_name[n][0], (routes[n],) if n in routes else w, routes.get(n))
        for n, w in zip(chosen, own, strict=True)
    ]
    vote_ = Poll(turns, even=weights is None)
    while True:
        ask.note(**failure_notes(vote_.lost))
        require_quorum(min, len(turns), vote_.lost)
        ballots, texts = vote_.ballots(routed=routed)
        comparison = await by.compare([ballot.answer for ballot in ballots], query, ask)
        answered = len(vote_.answers) - len(vote_.lost)
        lacking = needed_answers(min, len(turns)) - answered
        count = max(until.next(vote_.standing(ballots, texts, comparison, reduce)), lacking)
        if not count or not vote_.waiting:
            break
        await vote_.ask_next(count)
    ask.note(asked=vote_.batches, saved=[turn.name for turn in vote_.waiting])
    require_answers(ballots)
    return await elect(ballots, comparison, reduce, ties, ask)


def fewest(swings: Sequence[float], minimum: Quorum, until: Stopping) -> int:
    """Return how many branches are asked where all agree, by what each can change a lead by."""
    asked = 0
    while asked < len(swings):
        standing = Standing((sum(swings[:asked]),), tuple(swings[asked:]))
        count = max(until.next(standing), needed_answers(minimum, len(swings)) - asked)
        if not count:
            break
        asked += count
    return min(asked, len(swings))


def shared_out(sizes: Sequence[int], weights: tuple[float, ...] | None) -> list[tuple[float, ...]]:
    """Share the weights out among branches that give so many answers each."""
    total = sum(sizes)
    if weights is not None and len(weights) != total:
        raise wrong_weights(weights, counted(total, "answer"))
    values = weights or (1.0,) * total
    ends = list(accumulate(sizes))
    return [values[end - size : end] for size, end in zip(sizes, ends, strict=True)]
