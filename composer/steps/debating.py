"""Debate: models see each other's answers and answer again, until they agree or time is over."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Annotated

from pydantic import Field

from composer.diagnostics import did_you_mean
from composer.diagnostics.amounts import counted
from composer.methods import TEMPLATES, Agreement, Exact, Reader, Template
from composer.methods.agreements.base import Comparison
from composer.steps.asking import PER_QUERY, Count, Temperature
from composer.steps.declare import step
from composer.steps.site import Complaint
from composer.values import (
    Asker,
    Candidates,
    MissingAnswer,
    Model,
    Port,
    Query,
    Quorum,
    Sampling,
    Text,
)
from composer.values.capability import Capability
from composer.values.flow import unique
from composer.values.gather import attempts, failure_notes, require_quorum
from composer.values.ledger import CallLimit

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from composer.steps.site import Site

ROLES = {
    "proponent": "You defend the answer that you hold to be right. Give your reasons, and change "
    "your answer only where somebody shows that it is wrong.",
    "critic": "You look for mistakes: doubt what the others take for granted, test each step, and "
    "say what is wrong. Then give the answer that you hold to be right.",
    "analyst": "You solve the question step by step from the beginning, without regard to who says "
    "what.",
    "judge": "You weigh the arguments of the others, say which of them hold, and give the answer "
    "that they support best.",
}
"""What the system tells a model in each role that has a name."""

PAIR = 2


@step(
    paper="arXiv:2305.14325", needs=Capability.TEXT, hidden=("draw",), per_query=PER_QUERY,
    one_call=True, exchanges=True,
)  # fmt: skip
async def debate(
    query: Query,
    *models: Model,
    rounds: Count = 2,
    by: Agreement = Exact(),
    read: Reader | None = None,
    template: Template = TEMPLATES["debate"],
    roles: tuple[Annotated[str, Field(min_length=1)], ...] = (),
    turns: bool = False,
    temperature: Temperature = 0.0,
    max_tokens: Count = 512,
    calls: Count | None = None,
    min: Quorum = "most",  # noqa: A002 - the word of the language
    draw: int = 0,  # noqa: ARG001 - as in `generate`
    ask: Asker,
) -> Candidates:
    """Let models answer, see the answers of the others, and answer again: `rounds` times at most.

    It ends early when all agree `by` an agreement, over what `read` reads out of the answers. It
    gives the last answer of each model; `vote` or `regenerate` behind it makes one of them. A model
    sees the others without their names, in a random order, and its own last answer. `roles` has one
    role for each model: `proponent`, `critic`, `analyst`, `judge`, or a text that the system tells
    it. With `turns` they speak one after the other, and each sees what was said before in the same
    round. No more than `calls` calls are made, with those that are put again after a failure. In
    the first round `min` models must answer; later on, a model that fails keeps its last answer.
    The trace has who changed its answer in which round.
    """
    floor = Floor(query, unique(model.name for model in models), template, [None] * len(models))
    limit = CallLimit(calls or len(models) * rounds)
    changes: dict[str, list[str]] = {}
    agreed, number = False, 0
    while number < rounds and not agreed:
        number += 1
        before = list(floor.texts)
        groups = [[at] for at in range(len(models))] if turns else [list(range(len(models)))]
        for group in groups:
            requests = []
            for at in group:
                prompt = floor.prompt(at, _system(roles, at), ask)
                seed = ask.rng.getrandbits(62) if temperature else 0
                sampling = Sampling(temperature, max_tokens=max_tokens, seed=seed)
                requests.append((floor.names[at], ask.generate(models[at], prompt, sampling)))
            with limit.counting():
                for at, answer in zip(group, await attempts(requests, 0), strict=True):
                    floor.receive(at, answer, number)
        require_quorum(min, len(models), list(floor.missing.values()))
        voices = await _voices((*before, *floor.texts), read, ask)
        comparison = await by.compare(voices, query, ask)
        opinions = floor.opinions(comparison)
        if number > 1:
            changes[f"round {number}"] = floor.changed(opinions)
        agreed = floor.agreed(opinions)
    notes = {"rounds": number, "agreed": agreed, "changed": changes, "calls": limit.calls}
    ask.note(**notes, **failure_notes([*floor.missing.values(), *floor.failures]))
    return floor.candidates()


@dataclass(eq=False)
class Floor:
    """Who debates, and what each has said last; None for one that has not said anything."""

    query: Query
    names: tuple[str, ...]
    template: Template
    texts: list[Text | None]
    missing: dict[int, MissingAnswer] = field(default_factory=dict)
    failures: list[MissingAnswer] = field(default_factory=list)

    def prompt(self, at: int, system: str, ask: Asker) -> Query:
        """Return what a model is asked now: the question, or what the others have said with it."""
        others = [text for i, text in enumerate(self.texts) if i != at and text is not None]
        own = self.texts[at] or Text(self.query, "")
        prompt = self.query
        if others:
            ask.rng.shuffle(others)
            seen = Candidates(self.query, (*others, own))
            prompt = self.template.query(seen)
        if not system:
            return prompt
        return replace(prompt, messages=(("system", system), *prompt.messages))

    def receive(self, at: int, answer: Text | MissingAnswer, number: int) -> None:
        """Take an answer; one that failed leaves what its model has said before."""
        if isinstance(answer, Text):
            self.texts[at] = replace(answer, query=self.query)
            self.missing.pop(at, None)
        elif self.texts[at] is None:
            self.missing[at] = replace(answer, at=at)
        else:
            self.failures.append(replace(answer, name=f"{answer.name} in round {number}"))

    def opinions(self, comparison: Comparison) -> list[tuple[int | None, int | None]]:
        """Number equal answers alike: of each model the one before and the one now."""
        numbers = {at: n for n, group in enumerate(comparison.groups) for at in group}
        count = len(self.texts)
        return [(numbers.get(at), numbers.get(at + count)) for at in range(count)]

    def changed(self, opinions: Sequence[tuple[int | None, int | None]]) -> list[str]:
        """Return who says something else than before."""
        pairs = zip(self.names, opinions, strict=True)
        return [name for name, (before, now) in pairs if before != now]

    def agreed(self, opinions: Sequence[tuple[int | None, int | None]]) -> bool:
        """Say whether several have answered, and all of these the same."""
        pairs = zip(self.texts, opinions, strict=True)
        now = [opinion for text, (_, opinion) in pairs if text is not None]
        return len(now) >= PAIR and len(set(now)) == 1 and now[0] is not None

    def candidates(self) -> Candidates:
        """Return what each has said last."""
        pairs = [(n, t) for n, t in zip(self.names, self.texts, strict=True) if t is not None]
        names, texts = tuple(n for n, _ in pairs), tuple(t for _, t in pairs)
        return Candidates(self.query, texts, names, tuple(self.missing.values()))


async def _voices(
    texts: Sequence[Text | None], read: Reader | None, ask: Asker
) -> list[str | None]:
    """Return what is compared of each answer; None for one without a value, or for none."""
    answers = [text for text in texts if text is not None]
    if read is None:
        values: list[str | None] = [text.answer for text in answers]
    else:
        values = await read.read_all(answers, ask)
    each = iter(values)
    return [None if text is None else next(each) for text in texts]


def _system(roles: Sequence[str], at: int) -> str:
    """Return what the system tells a model."""
    return ROLES.get(roles[at], roles[at]) if roles else ""


@debate.counts
def one_of_each(site: Site) -> int:
    """As many as there are models."""
    return len(site.models)


@debate.calls
def once_a_round(site: Site) -> int:
    """Each model answers once a round."""
    return int(site.get("rounds"))


@debate.enough
def those_who_debate(given: Sequence[Port]) -> Complaint | None:
    """A debate is among two or more."""
    if sum(port is Port.MODEL for port in given) >= PAIR:
        return None
    text = "`debate` needs two models or more: `debate(A, B)`"
    return Complaint("E206", text, "nobody to debate with")


@debate.check
def each_has_a_role(site: Site) -> Iterator[Complaint]:
    """There is one role for each model, and one without a space is the name of a shipped role."""
    roles, models = site.get("roles"), len(site.models)
    if roles and len(roles) != models:
        text = f"`debate` has {counted(len(roles), 'role')} for {counted(models, 'model')}"
        yield Complaint("E403", text, "uses these roles", "give one for each model", "roles")
    for role in roles:
        if role not in ROLES and " " not in role.strip():
            text = f"unknown role `{role}`"
            help_ = f"{did_you_mean(role, ROLES)}; or write what the system tells the model"
            yield Complaint("E402", text, "no such role", help_, "roles")
            return


@debate.check
def its_calls_are_enough(site: Site) -> Iterator[Complaint]:
    """Each model can answer once."""
    calls, models = site.get("calls"), len(site.models)
    if calls is not None and calls < models:
        text = f"`calls` allows {counted(calls, 'call')} for {counted(models, 'model')}"
        yield Complaint("E403", text, "too few", "raise `calls`", "calls")
