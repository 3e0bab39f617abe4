"""Cascades: asking the next model when the last answer is not good enough."""

from __future__ import annotations

from typing import TYPE_CHECKING

from composer.parts import Confidence, Constant, Operation, Rule
from composer.ports import Asker, Later, Port, Query, Text
from composer.ports.capability import Capability
from composer.steps.declare import step
from composer.steps.site import Complaint

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from composer.steps.site import Site

SURE = Rule(Operation(">=", (Confidence(), Constant(0.6))))


@step(paper="arXiv:2305.05176", tries_first=True, shown=("accept",))
async def cascade(
    first: Query | Text, *stages: Later[Text], accept: Rule = SURE, ask: Asker
) -> Text:
    """Take the first answer that `accept` holds for, asking the next stage until one does.

    Given an answer, that is the first attempt; given a query, the first stage makes it. The last
    stage's answer is taken as it is. Where `accept` cannot be known (a signal that the answer
    lacks), the next stage is asked.
    """
    rest = list(stages)
    answer = first if isinstance(first, Text) else await rest.pop(0)()
    asked: list[dict[str, object]] = []
    for stage in rest:
        verdict = await accept.holds(answer, ask)
        asked.append(
            {
                "answer": answer.text,
                "by": answer.source,
                "accepted": verdict.holds,
                "rule": str(accept),
                "signals": dict(verdict.facts),
                "next": None if verdict.holds else stage.name,
            }
        )
        ask.note(stages=asked)
        if verdict.holds:
            return answer
        answer = await stage()
    return answer


@cascade.enough
def one_to_answer_and_one_to_ask_in_doubt(given: Sequence[Port]) -> Complaint | None:
    """A query needs two stages, an answer one."""
    wire, *stages = given
    if wire is Port.QUERY and not stages[1:]:
        return Complaint(
            "E206",
            "given a query, `cascade` needs two models: one to answer, and one to ask in doubt",
            "has nothing to fall back on",
            "name another one, or let an answer come first: `A -> cascade(D)`",
        )
    return cascade.without(cascade.inputs[1]) if not stages else None


@cascade.check
def its_rule_can_be_known(site: Site) -> Iterator[Complaint]:
    """Each answer that is judged may have the signals that the rule needs."""
    signals = site.get("accept").signals()
    writers = [each.writers for each in site.inputs]
    before = int(site.inputs[0].port is Port.QUERY)
    first, judged = site.inputs[before], writers[before:-1]
    unvoted = {each for each in signals if each.votes and not first.voted}
    for model in dict.fromkeys(model for each in judged for model in each):
        lost = {s for s in signals if Capability.named(s.needs) & ~model.capabilities}
        if lost and site.get("accept").never_known(lost | unvoted):
            leaf, name = model.leaves[0], min(each.name for each in lost)
            text = f"the {name} of `{leaf.name}` cannot be known, so the next stage is always"
            notes = ((leaf, "gives no log-probabilities"),)
            yield Complaint("W301", f"{text} asked", "its rule needs it", notes=notes)
    if unvoted and site.get("accept").never_known(unvoted):
        yield Complaint(
            "W301",
            "no vote comes before this cascade, so its rule is never known",
            "asks the next stage every time",
            "vote first: `sample(A, 5) -> vote() -> cascade(D, accept = agreement >= 0.6)`",
        )
