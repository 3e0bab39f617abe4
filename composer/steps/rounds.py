"""Drafts in rounds, each round with the last one's drafts in view; then one answer."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field

from composer.diagnostics.amounts import counted
from composer.methods import TEMPLATES, Template
from composer.steps.asking import PER_QUERY, Count, Temperature, gather_answers
from composer.steps.declare import step
from composer.steps.site import Complaint
from composer.values import (
    Asker,
    Candidates,
    MissingAnswer,
    Model,
    ModelError,
    Port,
    Query,
    Quorum,
    Sampling,
    Text,
)
from composer.values.capability import Capability
from composer.values.flow import unique
from composer.values.gather import attempts, ends_all, require_quorum
from composer.values.ledger import CallLimit

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from composer.steps.site import Site

Share = Literal["equal", "weighted", "round_robin", "first_only"]
"""How the drafts of a round are shared among the models."""

CHARACTERS = 4
"""Characters that count as a token, where the tokens of an answer are not known."""


@step(
    paper="arXiv:2601.05593",
    needs=Capability.TEXT,
    hidden=("draw",),
    streams=True,
    per_query=(*PER_QUERY, "prefix"),
    one_call=True,
    exchanges=True,
)
async def rounds(
    query: Query,
    *models: Model,
    schedule: Annotated[tuple[Count, ...], Field(min_length=1)] = (4,),
    template: Template = TEMPLATES["rounds"],
    share: Share | None = None,
    weights: tuple[Annotated[float, Field(ge=0)], ...] | None = None,
    keep: Count | None = None,
    draft_temperature: Temperature = 1.0,
    draft_tokens: Count = 512,
    max_tokens: Count = 512,
    calls: Count | None = None,
    min: Quorum = 1,  # noqa: A002 - the word of the language
    draw: int = 0,  # noqa: ARG001 - as in `generate`
    ask: Asker,
) -> Text:
    """Let models write drafts in rounds, each round with the last one's drafts in view.

    `schedule` has the number of drafts of each round; then the first model writes the answer from
    the drafts of the last round. Drafts are shown without names, in a random order that the trace
    has; with `keep`, only the last so many tokens of each. `share` says how the drafts of a round
    are shared among the models: `equal`, by `weights` (largest remainder), in turn over all rounds
    (`round_robin`), or all to the first model. No more than `calls` calls are made, with those that
    are put again after a failure; one of them is for the answer. Where fewer than `min` drafts of a
    round come, the next one sees those of the round before. If the last call fails before a piece
    of the answer is shown, the answer is the first draft that the writer was shown.
    """
    limit = CallLimit((calls or sum(schedule) + 1) - 1)
    members = _shares(len(models), schedule, share, weights)
    drafts: Candidates | None = None
    orders: dict[str, list[str]] = {}
    failures: dict[str, str] = {}
    for at, chosen in enumerate(members):
        prompt = query if drafts is None else _prompt(drafts, template, keep)
        names = unique(models[each].name for each in chosen)
        requests = []
        for each in chosen:
            seed = ask.rng.getrandbits(62) if draft_temperature else 0
            sampling = Sampling(draft_temperature, max_tokens=draft_tokens, seed=seed)
            requests.append(ask.generate(models[each], prompt, sampling, draft=True))
        with limit.counting():
            written = await attempts(zip(names, requests, strict=True), 0)
        failed = [each for each in written if isinstance(each, MissingAnswer)]
        failures |= {f"{each.name} in round {at + 1}": str(each) for each in failed}
        try:
            require_quorum(min, len(written), failed)
        except ModelError:
            if drafts is None:
                raise
            continue
        drafts = gather_answers(query, names, written, ask).shuffled(ask.rng)
        orders[f"round {at + 1}"] = list(drafts.names)
    assert drafts is not None
    prompt, rest = _prompt(drafts, template, keep), CallLimit(limit.most + 1 - limit.calls)
    try:
        with rest.counting():
            text = await ask.generate(models[0], prompt, Sampling(max_tokens=max_tokens))
    except Exception as error:
        if ask.shown or ends_all(error):
            raise
        failures |= {models[0].name: str(MissingAnswer(models[0].name, error))}
        text = drafts.texts[0]
    finally:
        notes = {"failed": failures} if failures else {}
        ask.note(orders=orders, calls=limit.calls + rest.calls, **notes)
    return replace(text, query=query)


def _prompt(drafts: Candidates, template: Template, keep: int | None) -> Query:
    """Return the question with drafts in view, each cut to its last tokens."""
    texts = tuple(_end_of(text, keep) for text in drafts.texts)
    return template.query(replace(drafts, texts=texts))


def _end_of(text: Text, keep: int | None) -> Text:
    """Keep the last tokens of a text, by its own tokens where these are known."""
    if keep is None:
        return text
    ends = "".join(text.tokens[-keep:]) if "".join(text.tokens) == text.text else ""
    return replace(text, text=ends or text.text[-keep * CHARACTERS :])


def _shares(
    models: int, schedule: Sequence[int], share: Share | None, weights: Sequence[float] | None
) -> list[list[int]]:
    """Return which models write the drafts of each round, by their places."""
    if share == "first_only":
        return [[0] * breadth for breadth in schedule]
    if share == "round_robin":
        starts = [sum(schedule[:at]) for at in range(len(schedule))]
        return [
            [(start + at) % models for at in range(breadth)]
            for start, breadth in zip(starts, schedule, strict=True)
        ]
    return [largest_remainder(breadth, weights or (1.0,) * models) for breadth in schedule]


def largest_remainder(count: int, weights: Sequence[float]) -> list[int]:
    """Deal so many seats by weights: the place of each seat, those of one place side by side.

    Each has the whole part of its share; the seats that are left go to the largest remainders, of
    equal ones to the first.
    """
    total = sum(weights)
    quotas = [count * weight / total for weight in weights]
    seats = [int(quota + 1e-9) for quota in quotas]
    by_remainder = sorted(range(len(weights)), key=lambda at: (seats[at] - quotas[at], at))
    for at in by_remainder[: count - sum(seats)]:
        seats[at] += 1
    return [at for at, seat in enumerate(seats) for _ in range(seat)]


@rounds.calls
def as_often_as_the_schedule_has_it(site: Site) -> int | None:
    """What the model that is asked most takes, with the answer."""
    share, weights, models = site.get("share"), site.get("weights"), len(site.models)
    if weights is not None and (len(weights) != models or not any(weights)):
        return None
    seats = [at for each in _shares(models, site.get("schedule"), share, weights) for at in each]
    return 1 + max(map(seats.count, range(models)))


@rounds.settles("calls")
def as_many_as_the_schedule_has(schedule: tuple[int, ...]) -> int:
    """All drafts, and the answer."""
    return sum(schedule) + 1


@rounds.settles("share")
def by_weights_if_there_are_any(weights: tuple[float, ...] | None) -> str:
    """Weighted or equal."""
    return "equal" if weights is None else "weighted"


@rounds.enough
def one_who_writes(given: Sequence[Port]) -> Complaint | None:
    """A query alone writes nothing."""
    if Port.MODEL in given:
        return None
    return Complaint("E206", "`rounds` needs models that write: `rounds(A, B)`", "no model")


@rounds.check
def its_calls_are_enough(site: Site) -> Iterator[Complaint]:
    """Every draft of the schedule fits the limit, and each model has a weight."""
    calls, schedule, weights = site.get("calls"), site.get("schedule"), site.get("weights")
    needed = sum(schedule) + 1
    if calls is not None and calls < needed:
        text = f"`calls` allows {counted(calls, 'call')}, and this schedule makes {needed}"
        help_ = "raise `calls`, or shorten the `schedule`"
        yield Complaint("E403", text, "too few", help_, "calls")
    models = len(site.models)
    if weights is not None and len(weights) != models:
        text = f"`rounds` has {counted(len(weights), 'weight')} for {counted(models, 'model')}"
        yield Complaint("E403", text, "uses these weights", "give one for each model", "weights")
    elif weights is not None and not any(weights):
        yield Complaint("E402", "all `weights` are zero", "uses these weights", about="weights")
    if (site.get("share") == "weighted") != (weights is not None) and site.get("share"):
        text = '`share = "weighted"` and `weights` need each other'
        yield Complaint("E403", text, "one without the other", about="share")
