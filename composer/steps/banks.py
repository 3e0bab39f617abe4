"""Banks of branches, choosing among them, and falling back when one fails."""

from __future__ import annotations

from dataclasses import replace
from types import MappingProxyType
from typing import TYPE_CHECKING

from composer.ports import Asker, Candidates, Decision, Later, Ranking, Text
from composer.ports.values import unique
from composer.steps.declare import LONE_SAME, SAME, step

if TYPE_CHECKING:
    from composer.steps.site import Site

WEIGHT = "weight"
"""The fact under which an answer keeps the weight that a route gave its branch."""


@step(sign="`[a, b]`", gives=LONE_SAME, hidden=("names",), lines=True)
def bank(*branches: Text | Candidates | Ranking, names: tuple[str, ...]) -> Candidates:
    """Gather the answers of all branches; candidates among them are spliced in."""
    texts: list[Text] = []
    named: list[str] = []
    for name, branch in zip(names, branches, strict=True):
        if isinstance(branch, Text):
            texts.append(branch)
            named.append(name)
        else:
            texts.extend(branch.texts)
            named.extend(f"{name}.{inner}" for inner in branch.names)
    return Candidates(branches[0].query, tuple(texts), unique(named))


@bank.counts
def those_of_all_branches(site: Site) -> int | None:
    """The sum, where all are known."""
    counts = [branch.count for branch in site.inputs]
    return None if None in counts else sum(filter(None, counts))


@step(sign="`route -> [a, b]`", hidden=("names",))
async def choose(
    decision: Decision, *branches: Later[Text], names: tuple[str, ...], ask: Asker
) -> Text:
    """Ask only the branch that the decision chose."""
    chosen = decision.chosen[0]
    ask.note(chosen=chosen)
    return await branches[names.index(chosen)]()


@step(sign="`route(policy = ...) -> [a, b]`", hidden=("names",))
async def choose_many(
    decision: Decision, *branches: Later[Text], names: tuple[str, ...], ask: Asker
) -> Candidates:
    """Ask only the branches that the decision chose; several answers, even when one comes."""
    import asyncio

    chosen = decision.chosen
    ask.note(chosen=list(chosen))
    texts = await asyncio.gather(*(branches[names.index(name)]() for name in chosen))
    weighed = [
        replace(text, facts=MappingProxyType({**text.facts, WEIGHT: decision.weights[name]}))
        for text, name in zip(texts, chosen, strict=True)
    ]
    return Candidates(decision.query, tuple(weighed), chosen)


@step(sign="`a | b`", gives=SAME, hidden=("names",), tries_first=True)
async def fallback(
    *choices: Later[Text | Candidates | Ranking], names: tuple[str, ...], ask: Asker
) -> Text | Candidates | Ranking:
    """Run the next choice when one fails; never because its answer is poor."""
    failures: dict[str, str] = {}
    for name, choice in zip(names[:-1], choices[:-1], strict=True):
        try:
            return await choice()
        except Exception as failure:  # noqa: BLE001 - whatever went wrong, the next one is asked
            failures[name] = str(failure)
            ask.note(failed=dict(failures))
    return await choices[-1]()
