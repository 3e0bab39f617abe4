"""Counting a vote: who votes for what with how much, and who wins."""

from __future__ import annotations

import math
from dataclasses import replace
from types import MappingProxyType
from typing import TYPE_CHECKING

from composer.diagnostics.amounts import counted
from composer.methods import Ballot, PartError
from composer.methods.agreements.base import COMPARISON
from composer.steps.branching import TIED, WEIGHT, without
from composer.values import Text
from composer.values.finite import require_finite
from composer.values.gather import drop_missing

if TYPE_CHECKING:
    from collections.abc import Sequence

    from composer.methods import Reduction, Ties
    from composer.methods.agreements.base import Comparison
    from composer.values import JSON, Asker, Candidates

ROUTE_BEFORE = (
    "put a route before the bank: `route(policy = several(k = 2)) -> [A, B, C] -> vote(routed = "
    "true)`"
)
BALLOTS = "ballots"
"""The fact under which a soft vote's winner keeps who voted for what, with the share of each."""


def require_answers(ballots: Sequence[Ballot]) -> None:
    """Raise PartError (E705) where nobody has an answer to vote for."""
    if all(ballot.answer is None for ballot in ballots):
        raise PartError(
            "E705",
            "there is nothing to vote on: every answer abstained",
            "check what `extract` reads from the answers, or add a fallback: `([A, B] -> vote()) "
            "| D`",
        )


async def elect(
    ballots: Sequence[Ballot],
    comparison: Comparison,
    reduce: Reduction,
    ties: Ties,
    ask: Asker,
    *,
    soft: bool = False,
) -> Text:
    """Count ballots, and return the winner's answer with the tally."""
    texts = [ballot.text for ballot in ballots]
    voices = [ballot.answer for ballot in ballots]
    if comparison.keys is None:
        shares = await ask.compute(lambda: reduce.shares(ballots, comparison))
    else:
        shares = reduce.shares(ballots, comparison)
    require_finite(dict(zip(map(str, voices), shares.shares, strict=False)), "the share of")
    winner = texts[ties.pick(texts, shares, ask.rng)]
    tally = shares.tally(voices)
    ask.note(tally=tally, winner=winner.source, **_circumstances(ballots), **dict(shares.why))
    facts = {**without(winner, BALLOTS, TIED).facts, COMPARISON: comparison}
    leaders = shares.leaders()
    if len(leaders) > 1:
        ask.note(tie=[voices[group[0]] for group in leaders], ties=ties.name)
        facts[TIED] = tuple(without(texts[group[0]], BALLOTS, TIED) for group in leaders)
    if soft:
        firsts = [texts[group[0]] for group in shares.groups]
        facts[BALLOTS] = tuple(zip(firsts, shares.masses, strict=True))
    return replace(winner, tally=MappingProxyType(tally), facts=MappingProxyType(facts))


def _circumstances(ballots: Sequence[Ballot]) -> dict[str, JSON]:
    """Return who abstained, and the weights where these differ."""
    notes: dict[str, JSON] = {}
    abstained: list[JSON] = [ballot.name for ballot in ballots if ballot.answer is None]
    if abstained:
        notes["abstained"] = abstained
    if len({ballot.weight for ballot in ballots}) > 1:
        notes["ballots"] = {ballot.name: ballot.weight for ballot in ballots}
    return notes


def _routed(text: Text) -> float:
    """Return the weight that a route gave an answer's branch."""
    if WEIGHT not in text.facts:
        raise PartError(
            "E403",
            f"the answer of `{text.source}` has no routing weight",
            ROUTE_BEFORE,
        )
    return float(text.facts[WEIGHT])


def _of_those_that_answered(weights: tuple[float, ...], answers: Candidates) -> tuple[float, ...]:
    """Return the weights of the answers that are there."""
    matching = drop_missing(answers.failed, weights, len(answers.texts))
    if matching is None:
        failed = ", ".join(f"`{failure.name}`" for failure in answers.failed)
        beside = f", and these branches failed: {failed}" if failed else ""
        raise wrong_weights(weights, f"{counted(len(answers.texts), 'answer')}{beside}")
    return matching


def wrong_weights(weights: tuple[float, ...], answers: str) -> PartError:
    """Return the error of a vote that has not one weight for each of its answers."""
    return PartError(
        "E403",
        f"`vote` has {counted(len(weights), 'weight')} for {answers}",
        "give one weight for each answer, in order",
    )


def ballots_of(
    answers: Candidates,
    weights: tuple[float, ...] | None,
    *,
    soft: bool = False,
    routed: bool = False,
) -> list[Ballot]:
    """List who votes for what, with a weight that counts.

    `weights` has one for each answer that was asked for; raises PartError (E403) where it has not.
    A soft vote's winner votes by its tally.
    """
    if routed:
        weights = tuple(_routed(text) for text in answers.texts)
    elif weights is not None:
        weights = _of_those_that_answered(weights, answers)
    out: list[Ballot] = []
    even = (1.0,) * len(answers.texts)
    for name, text, weight in zip(answers.names, answers.texts, weights or even, strict=True):
        parts = text.facts.get(BALLOTS, ()) if soft else ()
        if any(each.answer == text.answer for each, _ in parts):
            out += [Ballot(each, name, weight * share) for each, share in parts]
        else:
            out.append(Ballot(text, name, weight))
    return [ballot for ballot in out if can_count(ballot.weight)]


def can_count(weight: float) -> bool:
    """Say whether an answer of this weight has a vote."""
    return 0 < weight < math.inf
