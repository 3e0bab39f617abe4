"""One answer out of a ranking in which each candidate counts by its score."""

from __future__ import annotations

import math
from dataclasses import replace
from types import MappingProxyType
from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field

from composer.methods import Agreement, Ballot, Count, Exact, PartError, Seeded, Ties
from composer.methods.policies.base import softmax
from composer.methods.scorers.basic import SCORE
from composer.steps.counting import require_answers
from composer.steps.declare import step
from composer.values import Asker, Ranking, Text
from composer.values.finite import finite

if TYPE_CHECKING:
    from collections.abc import Sequence

    from composer.methods.policies.base import Weights


@step(selects=True, votes=True, ranks=True)
async def weighted(
    ranking: Ranking,
    *,
    weights: Literal["softmax", "shares"] = "softmax",
    temperature: Annotated[float, Field(gt=0)] = 1.0,
    by: Agreement = Exact(),
    ties: Ties = Seeded(),
    sampled: bool = False,
    ask: Asker,
) -> Text:
    """Make one answer of a ranking, where each candidate counts by its score.

    A weight is exp(score / temperature), or with `weights = "shares"` the score itself, which must
    not be negative. The weights of equal answers are added, and the heaviest answer wins, as its
    best candidate wrote it. With `sampled` a candidate is drawn by its weight instead. Candidates
    that abstain or have no score do not count.
    """
    scored = [
        (text, name, score)
        for text, name, score in zip(ranking.texts, ranking.names, ranking.scores, strict=True)
        if finite(score) is not None and text.answer is not None
    ]
    if not scored:
        require_answers([Ballot(text) for text in ranking.texts])
        raise PartError("E704", "none of the answers has a score", "add a fallback: `(...) | D`")
    scores = [score for _, _, score in scored]
    parts = softmax(scores, temperature) if weights == "softmax" else _shares(scores)
    ballots = [Ballot(text, name, w) for (text, name, _), w in zip(scored, parts, strict=True)]
    voices = [ballot.answer for ballot in ballots]
    comparison = await by.compare(voices, ranking.query, ask)
    shares = await ask.compute(lambda: Count().shares(ballots, comparison))
    if sampled:
        (winner,) = ask.rng.choices(range(len(ballots)), parts)
    else:
        winner = ties.pick([ballot.text for ballot in ballots], shares, ask.rng)
        if len(leaders := shares.leaders()) > 1:
            ask.note(tie=[voices[group[0]] for group in leaders], ties=ties.name)
    tally = shares.tally(voices)
    by_name = {ballot.name: ballot.weight for ballot in ballots}
    ask.note(weights=by_name, tally=tally, winner=ballots[winner].name)
    text = ballots[winner].text
    facts = MappingProxyType({**text.facts, SCORE: scores[winner]})
    return replace(text, tally=MappingProxyType(tally), facts=facts)


def _shares(scores: Sequence[float]) -> Weights:
    """Return each score's part of the sum, equal parts where that is 0."""
    if min(scores) < 0:
        raise PartError(
            "E704",
            f"a score is negative ({min(scores):g}), and has no share",
            'leave out `weights = "shares"`: `weighted()` takes any scores',
        )
    total = math.fsum(scores)
    return tuple(score / total if total else 1 / len(scores) for score in scores)
