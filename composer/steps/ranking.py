"""Ranking candidates, keeping some or one, or writing a new answer from them."""

from __future__ import annotations

import math
import re
from dataclasses import replace
from itertools import groupby
from types import MappingProxyType
from typing import TYPE_CHECKING, Annotated

from pydantic import Field

from composer.methods import TEMPLATES, Confident, Exact, Judge, Scorer, Seeded, Template, Ties
from composer.methods.agreements.base import Comparison
from composer.methods.scorers.basic import SCORE
from composer.steps.asking import PER_QUERY
from composer.steps.declare import step
from composer.steps.site import Complaint
from composer.values import Asker, Candidates, Model, Ranking, Sampling, Text
from composer.values.capability import Capability
from composer.values.finite import descending, finite

_NUMBER = re.compile(r"(?<![\d.])[0-9]{1,9}(?![\d.]*\d)")
_NAMED = re.compile(
    r"(?:response|answer|candidate|option|number)s?\W{0,5}(?:number\W{0,3}|is\W{0,3})?([0-9]{1,9})\b",
    re.IGNORECASE,
)

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from composer.steps.site import Site


@step(
    paper="arXiv:2306.02561",
    selects=True,
    instead="use another score: `rank(by = consensus())` or `rank(D, by = judge())`",
)
async def rank(
    answers: Candidates,
    *judges: Model,
    by: Scorer | None = None,
    ties: Ties = Seeded(),
    ask: Asker,
) -> Ranking:
    """Order the candidates by a score, best first.

    With models in brackets, the models judge (`by = judge()`); without, the score is the confidence
    of each answer. `ties` says which of two equal scores comes first. A score that is not a number
    comes last.
    """
    scorer = by or default_scorer(judges=bool(judges))
    scores = await scorer.score(answers, ask, judges)
    order = _ordered(answers, scores, descending(scores, f"`{scorer.name}`"), ties, ask)
    finite_scores = {answers.names[at]: finite(scores[at]) for at in order}
    unscored = [name for name, score in finite_scores.items() if score is None]
    ask.note(scores=finite_scores, **({"unscored": unscored} if unscored else {}))
    return answers.ranked(order, [-math.inf if finite(s) is None else s for s in scores])


def _ordered(
    answers: Candidates, scores: Sequence[float], order: Sequence[int], ties: Ties, ask: Asker
) -> list[int]:
    """Return the places of candidates in order, equals as `ties` says."""
    groups = [list(group) for finite_, group in groupby(order, lambda at: finite(scores[at]))]
    if len(groups[0]) > 1:
        ask.note(tie=[answers.texts[at].answer for at in groups[0]], ties=ties.name)
    return [
        group[at]
        for group in groups
        for at in ties.order([answers.texts[place] for place in group], ask.rng)
    ]


def default_scorer(*, judges: bool) -> Scorer:
    """Return the score of a ranking that names none."""
    return Judge() if judges else Confident()


@rank.counts
def all_of_them(site: Site) -> int | None:
    """As many as it is given."""
    return site.inputs[0].count


@rank.calls
def as_often_as_its_score_asks(site: Site) -> int | None:
    """What the score takes for so many answers."""
    scorer = site.get("by") or default_scorer(judges=bool(site.models))
    count = site.inputs[0].count
    return None if count is None else scorer.calls(count)


@rank.check
def it_can_know_what_it_scores_by(site: Site) -> Iterator[Complaint]:
    """The judges are wanted, and can do what the scorer asks; so can those who wrote."""
    judges, writers = site.models, site.inputs[0].writers
    scorer = site.get("by") or default_scorer(judges=bool(judges))
    if scorer.of_judges is None and judges:
        text = f"`{scorer.name}` does not ask a model, but `rank` is given one"
        yield Complaint(
            "E206", text, "asks no model", "leave the model out, or write `by = judge()`"
        )
    if scorer.of_judges is not None and not judges:
        text = f"`{scorer.asker}` needs a model to ask"
        written = f"{scorer.name}()" if scorer.asker == scorer.name else "..."
        help_ = f"name the model: `rank(D, by = {written})`"
        yield Complaint("E206", text, "no model given", help_)
    for model in judges:
        yield from site.lacks(model, Capability.named(scorer.of_judges or ()))
    for model in writers:
        yield from site.lacks(model, Capability.named(scorer.of_writers))


@step(selects=True)
def top(ranking: Ranking, k: Annotated[int, Field(ge=1)] = 3) -> Candidates:
    """Keep the `k` best answers."""
    failed, room = [], k - len(ranking.texts)
    for failure in ranking.failed:
        if room > 0:
            failed.append(
                failure
                if failure.count is None
                else replace(failure, count=min(failure.count, room))
            )
            room -= failure.count or 0
    texts, names = ranking.texts[:k], ranking.names[:k]
    return Candidates(ranking.query, texts, names, tuple(failed), ranking.facts)


@top.counts
def no_more_than_there_are(site: Site) -> int | None:
    """The k best, or all."""
    count = site.inputs[0].count
    return None if count is None else min(count, int(site.get("k")))


@step(selects=True, ranks=True)
def best(ranking: Ranking, *, ask: Asker) -> Text:
    """Keep the first answer of a ranking, with its score, which rules know as `score`."""
    ask.note(winner=ranking.names[0])
    first, score = ranking.texts[0], finite(ranking.scores[0])
    return replace(first, facts=MappingProxyType({**first.facts, SCORE: score}))


@step(paper="arXiv:2311.17311", needs=Capability.TEXT, selects=True)
async def select(
    answers: Candidates,
    model: Model,
    template: Template = TEMPLATES["select"],
    *,
    max_tokens: Annotated[int, Field(ge=1)] = 16,
    ask: Asker,
) -> Text:
    """Let a model choose the best candidate: it reads all of them and writes a number.

    A reply that names several candidates, or none, is not understood. Then the candidate is kept
    that most others repeat word for word, of equals a random one, and the trace shows this.
    """
    reply = await ask.generate(model, template.query(answers), Sampling(max_tokens=max_tokens))
    at = named(reply.text, len(answers.texts))
    ask.note(reply=reply.text, understood=at is not None)
    if at is None:
        groups = Comparison(Exact(), [text.text for text in answers.texts]).groups
        most = max(map(len, groups))
        at = ask.rng.choice([group[0] for group in groups if len(group) == most])
    ask.note(winner=answers.names[at])
    return answers.texts[at]


@step(
    paper="arXiv:2306.02561",
    needs=Capability.TEXT,
    per_query=(*PER_QUERY, "prefix"),
    one_call=True,
    streams=True,
)
async def regenerate(
    answers: Text | Candidates | Ranking,
    model: Model,
    template: Template = TEMPLATES["merge"],
    *,
    max_tokens: Annotated[int, Field(ge=1)] = 512,
    window: Annotated[int, Field(ge=2)] | None = None,
    ask: Asker,
) -> Text:
    """Let a model write a new answer from the candidates, like `prompt(...) -> M`.

    It has its own options: those of `default generate(...)` do not apply. With a `window`, it reads
    at most so many texts at once: the first candidates, then what it wrote of them with the next
    ones, until all are read (Self-MoA-Seq, arXiv:2502.00674).
    """
    sampling, shown = Sampling(max_tokens=max_tokens), answers
    if window is not None and not isinstance(answers, Text):
        firsts, others = answers.texts[:window], answers.texts[window:]
        while others:
            shown = Candidates(answers.query, firsts, facts=answers.facts)
            so_far = await ask.generate(model, template.query(shown), sampling, draft=True)
            firsts = (replace(so_far, query=answers.query), *others[: window - 1])
            others = others[window - 1 :]
            shown = Candidates(answers.query, firsts, facts=answers.facts)
    text = await ask.generate(model, template.query(shown), sampling)
    return replace(text, query=answers.query)


@regenerate.calls
def once_a_window(site: Site) -> int | None:
    """One for the first window, and one for each that follows; told where there are windows."""
    window, count = site.get("window"), site.inputs[0].count
    if window is None or count is None:
        return None
    return 1 + math.ceil(max(count - int(window), 0) / (int(window) - 1))


def named(reply: str, count: int) -> int | None:
    """Return the index of the one candidate that a reply names, counted from 1 in the reply.

    Of several numbers those count that stand behind a word such as `response`; None where these
    are not one.
    """
    for pattern in (_NAMED, _NUMBER):
        numbers = {int(word) for word in pattern.findall(reply)} & {*range(1, count + 1)}
        if numbers:
            return numbers.pop() - 1 if len(numbers) == 1 else None
    return None
