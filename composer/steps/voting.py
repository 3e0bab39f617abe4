"""Voting: values are read out of answers, and the answer that most agree with is kept."""

from __future__ import annotations

import math
from dataclasses import replace
from types import MappingProxyType
from typing import TYPE_CHECKING

from composer.diagnostics.amounts import counted
from composer.methods import (
    Agreement,
    Ballot,
    Count,
    Exact,
    Number,
    PartError,
    Reader,
    Reduction,
    Seeded,
    Ties,
)
from composer.methods.selecting import taught
from composer.steps.branching import WEIGHT
from composer.steps.declare import SAME, step
from composer.steps.site import Complaint
from composer.values import Asker, Candidates, Port, Ranking, Text
from composer.values.finite import require_finite
from composer.values.gather import drop_missing

if TYPE_CHECKING:
    from collections.abc import Iterator

    from composer.steps.site import Site

_ROUTE_BEFORE = (
    "put a route before the bank: `route(policy = several(k = 2)) -> [A, B, C] -> vote(routed = "
    "true)`"
)
BALLOTS = "ballots"
"""The fact under which a soft vote's winner keeps who voted for what, with the share of each."""


@step(gives=SAME, selects=True, may_abstain=True, reads=True)
def extract(
    given: Text | Candidates | Ranking,
    by: Reader = Number(),
) -> Text | Candidates | Ranking:
    """Read a value from each answer; an answer without a value abstains from votes."""
    if isinstance(given, Text):
        return _read(given, by)
    return replace(given, texts=tuple(_read(text, by) for text in given.texts))


@extract.counts
def all_of_them(site: Site) -> int | None:
    """As many as it is given."""
    return site.inputs[0].count


def _read(text: Text, by: Reader) -> Text:
    return replace(text, value=by.read_answer(text.text, text.query.root.fields), extracted=True)


@step(paper="arXiv:2402.05120", selects=True, votes=True)
async def vote(
    answers: Candidates,
    *,
    by: Agreement = Exact(),
    reduce: Reduction = Count(),
    weights: tuple[float, ...] | None = None,
    ties: Ties = Seeded(),
    soft: bool = False,
    routed: bool = False,
    ask: Asker,
) -> Text:
    """Keep the answer that most of the others agree with.

    Abstentions do not vote. `weights` has one weight for each answer, in order. In a `soft` vote,
    an answer that won an earlier soft vote counts with the shares of that vote, not as one full
    vote. In a `routed` vote, each answer has the weight that the route before gave to its branch.
    """
    if routed:
        weights = tuple(_routed(text) for text in answers.texts)
    elif weights is not None:
        weights = _of_those_that_answered(weights, answers)
    ballots = [b for b in _ballots(answers, weights, soft=soft) if 0 < b.weight < math.inf]
    texts = [ballot.text for ballot in ballots]
    voices = [ballot.answer for ballot in ballots]
    if all(voice is None for voice in voices):
        raise PartError(
            "E705",
            "there is nothing to vote on: every answer abstained",
            "check what `extract` reads from the answers, or add a fallback: `([A, B] -> vote()) "
            "| D`",
        )
    reduce = await taught(reduce, answers, by, ask)
    comparison = await by.compare(voices, answers.query, ask)
    if comparison.keys is None:
        shares = await ask.compute(lambda: reduce.shares(ballots, comparison))
    else:
        shares = reduce.shares(ballots, comparison)
    require_finite(dict(zip(map(str, voices), shares.shares, strict=False)), "the share of")
    winner = texts[ties.pick(texts, shares, ask.rng)]
    tally = shares.tally(voices)
    ask.note(tally=tally, winner=winner.source, **dict(shares.why))
    leaders = shares.leaders()
    if len(leaders) > 1:
        ask.note(tie=[voices[group[0]] for group in leaders], ties=ties.name)
    facts = {name: fact for name, fact in winner.facts.items() if name != BALLOTS}
    if soft:
        firsts = [texts[group[0]] for group in shares.groups]
        facts[BALLOTS] = tuple(zip(firsts, shares.masses, strict=True))
    return replace(winner, tally=MappingProxyType(tally), facts=MappingProxyType(facts))


@vote.check
def as_many_weights_as_answers(site: Site) -> Iterator[Complaint]:
    """A vote has one weight an answer, and can use them."""
    weights, answers = site.get("weights"), site.inputs[0].count
    if weights is None:
        return
    if answers is not None and answers != len(weights):
        text = f"`vote` has {counted(len(weights), 'weight')} for {counted(answers, 'answer')}"
        help_ = "give one weight for each answer, in order"
        yield Complaint("E403", text, "uses these weights", help_)
    elif min(weights, default=0) < 0 or not any(weights):
        why = "one of them is negative" if any(weights) else "all of them are zero"
        text = f"these `weights` cannot be used: {why}"
        yield Complaint("E402", text, "uses these weights")


@vote.check
def there_is_something_to_vote_on(site: Site) -> Iterator[Complaint]:
    """A vote over one answer always keeps it."""
    if site.inputs[0].count == 1 and not site.get("routed"):
        yield Complaint(
            "W304",
            "`vote` has only one answer, and so it always keeps that",
            "one answer",
            "give it several: `[A, B, C] -> vote()`, `sample(A, 5) -> vote()`, or a route with "
            "`policy = several(k = 2)`",
        )


@vote.check
def a_routed_vote_follows_a_route(site: Site) -> Iterator[Complaint]:
    """What counts by the weights of a route has one before it."""
    visited: set[Site]
    waiting, visited = list(site.inputs), set()
    while site.get("routed") and waiting:
        site_ = waiting.pop()
        if site_.port is Port.DECISION:
            return
        if site_.port is Port.TEXT and any(each.port is Port.DECISION for each in site_.inputs):
            text = "`routed = true` needs several answers, but the route before takes one branch"
            yield Complaint("E403", text, "one answer", _ROUTE_BEFORE)
            return
        if site_ not in visited:
            visited.add(site_)
            waiting.extend(site_.inputs)
    if site.get("routed"):
        text = "`routed = true` needs a route before the vote"
        yield Complaint("E403", text, "no route before it", _ROUTE_BEFORE)


def _routed(text: Text) -> float:
    """Return the weight that a route gave an answer's branch."""
    if WEIGHT not in text.facts:
        raise PartError(
            "E403",
            f"the answer of `{text.source}` has no routing weight",
            _ROUTE_BEFORE,
        )
    return float(text.facts[WEIGHT])


def _of_those_that_answered(weights: tuple[float, ...], answers: Candidates) -> tuple[float, ...]:
    """Return the weights of the answers that are there."""
    matching = drop_missing(answers.failed, weights, len(answers.texts))
    if matching is None:
        failed = ", ".join(f"`{failure.name}`" for failure in answers.failed)
        beside = f", and these branches failed: {failed}" if failed else ""
        texts = counted(len(answers.texts), "answer")
        raise PartError(
            "E403",
            f"`vote` has {counted(len(weights), 'weight')} for {texts}{beside}",
            "give one weight for each answer, in order",
        )
    return matching


def _ballots(answers: Candidates, weights: tuple[float, ...] | None, *, soft: bool) -> list[Ballot]:
    """List who votes for what with how much; a soft vote's winner votes by its tally."""
    out: list[Ballot] = []
    even = (1.0,) * len(answers.texts)
    for name, text, weight in zip(answers.names, answers.texts, weights or even, strict=True):
        parts = text.facts.get(BALLOTS, ()) if soft else ()
        if any(each.answer == text.answer for each, _ in parts):
            out += [Ballot(each, name, weight * share) for each, share in parts]
        else:
            out.append(Ballot(text, name, weight))
    return out
