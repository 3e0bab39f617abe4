"""Voting: values are read out of answers, and the answer that most agree with is kept."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from composer.diagnostics.amounts import counted
from composer.methods import (
    Agreement,
    Count,
    Exact,
    Number,
    Reader,
    Reduction,
    Seeded,
    Stopping,
    Ties,
)
from composer.methods.selecting import ready_part
from composer.steps.branching import TIED, with_fact
from composer.steps.counting import ROUTE_BEFORE, ballots_of, elect, require_answers
from composer.steps.declare import SAME, step
from composer.steps.site import Complaint
from composer.values import ANSWER_PORTS, Asker, Candidates, Port, Ranking, Text

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from composer.steps.site import Site


@step(gives=SAME, selects=True, may_abstain=True, reads=True)
async def extract(
    given: Text | Candidates | Ranking,
    by: Reader = Number(),
    *,
    ask: Asker,
) -> Text | Candidates | Ranking:
    """Read a value from each answer; an answer without a value abstains from votes."""
    texts = (given,) if isinstance(given, Text) else given.texts
    read = await _read_all(texts, by, ask)
    return read[0] if isinstance(given, Text) else replace(given, texts=read)


@extract.counts
def all_of_them(site: Site) -> int | None:
    """As many as it is given."""
    return site.inputs[0].count


async def _read_all(texts: Sequence[Text], by: Reader, ask: Asker) -> tuple[Text, ...]:
    """Read all answers, and those that tie with one as well."""
    read = []
    for text, value in zip(texts, await by.read_all(texts, ask), strict=True):
        tied = text.facts.get(TIED)
        kept = with_fact(text, TIED, await _read_all(tied, by, ask)) if tied else text
        read.append(replace(kept, value=value, extracted=True))
    return tuple(read)


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
    until: Stopping | None = None,  # noqa: ARG001 - `poll` asks in turn; here all have answered
    ask: Asker,
) -> Text:
    """Keep the answer that most of the others agree with.

    Abstentions do not vote. `weights` has one weight for each answer, in order. In a `soft` vote,
    an answer that won an earlier soft vote counts with the shares of that vote, not as one full
    vote. In a `routed` vote, each answer has the weight that the route before gave to its branch.
    `until` says when the vote stops asking: with `decided()` members are asked in order, and not
    at all once no other vote can change who wins.
    """
    ballots = ballots_of(answers, weights, soft=soft, routed=routed)
    require_answers(ballots)
    reduce = await ready_part(reduce, answers, by, ask)
    comparison = await by.compare([ballot.answer for ballot in ballots], answers.query, ask)
    return await elect(ballots, comparison, reduce, ties, ask, soft=soft)


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
            yield Complaint("E403", text, "one answer", ROUTE_BEFORE)
            return
        if site_ not in visited:
            visited.add(site_)
            waiting.extend(site_.inputs)
    if site.get("routed"):
        text = "`routed = true` needs a route before the vote"
        yield Complaint("E403", text, "no route before it", ROUTE_BEFORE)


@vote.check
def a_vote_that_stops_early_can_know_when(site: Site) -> Iterator[Complaint]:
    """While some are not asked yet, it must be known what they could change."""
    if site.get("until") is None:
        return
    for why, advice in (*_uncountable(site), *_at_once(site)):
        text = f"this vote cannot stop early: {why}"
        yield Complaint("E403", text, "stops early", advice, "until")
        return


def _uncountable(site: Site) -> Iterator[tuple[str, str]]:
    """Yield why a vote's options need all answers, and what to write instead."""
    reduce, by, ties = site.get("reduce"), site.get("by"), site.get("ties")
    if site.get("soft"):
        yield "a `soft` vote hands on the shares of all answers", "leave out `soft` or `until`"
    if type(reduce).worth is Reduction.worth:
        yield (
            f"with `reduce = {reduce.name}()` every answer can change the outcome",
            "count the votes, with weights or without: `reduce = count()`",
        )
    if by.key("0") is None:
        yield (
            f"with `by = {by.name}()` answers agree by degree, so every answer can change groups",
            "read values out, and compare these: `extract(number()) -> vote(until = decided())`",
        )
    if not ties.early:
        yield (
            f"with `ties = {ties.name}()` all who gave the winning answer are compared",
            "use `ties = seeded()` or `ties = first()`",
        )


def _at_once(site: Site) -> Iterator[tuple[str, str]]:
    """Yield why answers cannot be asked for in turn, and what to write instead."""
    source = site.inputs[0]
    while source.reads:
        source = source.inputs[0]
    if not source.in_turn:
        yield (
            f"the answers of `{source.name}` come all at once",
            "vote on a bank, on `sample` or on the branches of a route, with `extract` between",
        )
    if None in [each.count for each in source.inputs if each.port in ANSWER_PORTS]:
        yield (
            "how many answers a branch gives is not known",
            "vote on branches of which it is known how many answers they give",
        )
    if getattr(source.options, "min", None) == "all":
        yield "with `min = all` every branch must answer", "leave out `min = all` or `until`"
