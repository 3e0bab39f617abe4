"""Banks of branches, choosing among them, and falling back when one fails."""

from __future__ import annotations

from dataclasses import replace
from types import MappingProxyType
from typing import TYPE_CHECKING, TypeGuard

from composer.steps.asking import gather_answers
from composer.steps.declare import LONE_SAME, SAME, step
from composer.values import (
    Asker,
    Candidates,
    Decision,
    LazyBranch,
    MaybeMissing,
    MissingAnswer,
    Quorum,
    Ranking,
    Text,
)
from composer.values.flow import unique
from composer.values.gather import attempts, require_quorum

if TYPE_CHECKING:
    from collections.abc import Sequence

    from composer.steps.site import Site

WEIGHT = "weight"
"""The fact under which an answer keeps the weight that a route gave its branch."""

TIED = "tied"
"""The fact under which a vote's winner keeps all answers that led with the same share.

It is gone where the answer competes with others again, for the tie is then no longer the last word.
"""


@step(
    sign="`[a, b]`",
    gives=LONE_SAME,
    selects=True,
    hidden=("names",),
    lines=True,
    defaulted=True,
    in_turn=True,
)
def bank(
    *branches: MaybeMissing[Text | Candidates | Ranking],
    names: tuple[str, ...],
    min: Quorum = "most",  # noqa: A002 - the word of the language
) -> Candidates:
    """Gather the answers of all branches; candidates among them are spliced in.

    Where branches fail, the others go on, as long as they are more than half, or as many as `min`
    says: a number, or all. A bank with fewer branches than that needs all of them.
    """
    lost = [replace(e, name=n) for n, e in zip(names, branches, strict=True) if _is_lost(e)]
    require_quorum(min, len(branches), lost)
    return splice(names, branches)


def splice(
    names: Sequence[str], branches: Sequence[MaybeMissing[Text | Candidates | Ranking]]
) -> Candidates:
    """Return the answers of branches, of which at least one answered, under their names."""
    slots: list[tuple[str, Text | None]] = []
    failed: list[MissingAnswer] = []
    at = 0
    for name, branch in zip(names, branches, strict=True):
        inside, branch_failures = _spread(name, branch, at)
        slots, failed = slots + inside, failed + branch_failures
        at += sum(text is not None for _, text in inside) + sum(
            e.count or 0 for e in branch_failures
        )
    named = zip(unique(name for name, _ in slots), (text for _, text in slots), strict=True)
    answered = [(name, text) for name, text in named if text is not None]
    texts = tuple(without(text, TIED) for _, text in answered)
    return Candidates(texts[0].query, texts, tuple(name for name, _ in answered), tuple(failed))


def _is_lost(branch: MaybeMissing[Text | Candidates | Ranking]) -> TypeGuard[MissingAnswer]:
    return isinstance(branch, MissingAnswer)


def _spread(
    name: str, branch: MaybeMissing[Text | Candidates | Ranking], at: int
) -> tuple[list[tuple[str, Text | None]], list[MissingAnswer]]:
    """Return the answers of a branch under their names, and what failed, from a place on.

    A draw of a `sample` has its name already.
    """
    if isinstance(branch, MissingAnswer):
        return [(name, None)], [replace(branch, name=name, at=at)]
    if isinstance(branch, Text):
        return [(name, branch)], []
    named = [inner if inner == name else f"{name}.{inner}" for inner in branch.names]
    failures = [replace(e, name=f"{name}.{e.name}", at=at + e.at) for e in branch.failed]
    return list(zip(named, branch.texts, strict=True)), failures


@bank.counts
def those_of_all_branches(site: Site) -> int | None:
    """The sum, where all are known."""
    counts = [branch.count for branch in site.inputs]
    return None if None in counts else sum(filter(None, counts))


@step(sign="`route -> [a, b]`", selects=True, hidden=("names",))
async def choose(
    decision: Decision, *branches: LazyBranch[Text], names: tuple[str, ...], ask: Asker
) -> Text:
    """Ask only the branch that the decision chose."""
    chosen = decision.chosen[0]
    ask.note(chosen=chosen)
    return await branches[names.index(chosen)]()


@step(sign="`route(policy = ...) -> [a, b]`", selects=True, hidden=("names", "min"), in_turn=True)
async def choose_many(
    decision: Decision,
    *branches: LazyBranch[Text],
    names: tuple[str, ...],
    min: Quorum = "most",  # noqa: A002 - as in `bank`
    ask: Asker,
) -> Candidates:
    """Ask only the branches that the decision chose; several answers, even when one comes.

    Where branches fail, the others go on, as in any bank.
    """
    chosen = decision.chosen
    ask.note(chosen=list(chosen))
    requests = [branches[names.index(name)]() for name in chosen]
    answers = await attempts(zip(chosen, requests, strict=True), min)
    texts = [
        weighed(attempt_, decision.weights[name]) if isinstance(attempt_, Text) else attempt_
        for name, attempt_ in zip(chosen, answers, strict=True)
    ]
    return gather_answers(decision.query, chosen, texts, ask)


def without(text: Text, *names: str) -> Text:
    """Return an answer without some of its facts."""
    if not any(name in text.facts for name in names):
        return text
    facts = {name: fact for name, fact in text.facts.items() if name not in names}
    return replace(text, facts=MappingProxyType(facts))


def with_fact(text: Text, name: str, fact: object) -> Text:
    """Return an answer with one more fact."""
    return replace(text, facts=MappingProxyType({**text.facts, name: fact}))


def weighed(text: Text, weight: float) -> Text:
    """Return an answer that keeps the weight which a route gave its branch."""
    return with_fact(without(text, TIED), WEIGHT, weight)


@step(sign="`a | b`", gives=SAME, selects=True, hidden=("names",), tries_first=True)
async def fallback(
    *choices: LazyBranch[Text | Candidates | Ranking], names: tuple[str, ...], ask: Asker
) -> Text | Candidates | Ranking:
    """Run the next choice when one fails; never because its answer is poor."""
    failures: dict[str, str] = {}
    for name, choice in zip(names[:-1], choices[:-1], strict=True):
        try:
            return await choice()
        except Exception as failure:  # noqa: BLE001 - whatever went wrong, the next one is asked
            failures[name] = str(MissingAnswer(name, failure))
            ask.note(failed=dict(failures))
    return await choices[-1]()


CANDIDATES = "candidates"
"""The fact under which a held answer keeps the candidates that it stands for."""


@step(sign="what a fit and a report read", selects=True)
def hold(answers: Candidates) -> Text:
    """Stand for all candidates, where a fit or a report reads what a step is given."""
    facts = MappingProxyType({CANDIDATES: answers})
    return Text(answers.query, "", "candidates", facts=facts)
