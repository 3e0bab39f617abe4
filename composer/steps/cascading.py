"""Cascades: asking the next model when the last answer is not good enough."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from composer.diagnostics.amounts import number_text
from composer.methods import Confidence, Constant, Operation, Rule, Verdict
from composer.methods.rule_range import settled
from composer.steps.declare import step
from composer.steps.site import Complaint
from composer.values import Asker, LazyBranch, MaybeMissing, MissingAnswer, Port, Query, Text
from composer.values.capability import Capability
from composer.values.gather import TooFewError, attempt, failure_notes

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from composer.methods.signals.base import Signal
    from composer.steps.site import Site

_VOTED = "vote first: `sample(A, 5) -> vote() -> cascade(D, accept = agreement >= 0.6)`"
_RANKED = "rank first: `[A, B] -> rank() -> best() -> cascade(D, accept = score >= 0.6)`"
SURE = Rule(Operation(">=", (Confidence(), Constant(0.6))))


@step(paper="arXiv:2305.05176", selects=True, tries_first=True, shown=("accept",))
async def cascade(
    first: MaybeMissing[Query | Text], *stages: LazyBranch[Text], accept: Rule = SURE, ask: Asker
) -> Text:
    """Ask one stage after the other, and take the first answer that `accept` is true for.

    If it is given an answer, that is the first attempt; if it is given a query, the first stage
    answers it. The answer of the last stage is always taken. If `accept` is unknown, because the
    answer does not have the signal, the next stage is asked. If a stage fails, the next one is
    asked; if the last ones fail, the answer before them is taken.
    """
    answer = first if isinstance(first, Text) else None
    failed = [first] if isinstance(first, MissingAnswer) else []
    verdicts: list[dict[str, object]] = []
    judged: Text | None = None
    for stage in stages:
        ask.note(**failure_notes(failed))
        if answer is not None and answer is not judged:
            judged = answer
            verdict = await _verdict(accept, answer, ask, failed)
            verdicts.append(
                {
                    "answer": answer.text,
                    "by": answer.source,
                    "accepted": verdict.holds,
                    "rule": str(accept),
                    "signals": dict(verdict.facts),
                    "next": None if verdict.holds else stage.name,
                }
            )
            ask.note(stages=verdicts)
            if verdict.holds:
                return answer
        attempt_ = await attempt(stage.name, stage())
        if isinstance(attempt_, Text):
            answer = attempt_
        else:
            failed.append(attempt_)
    ask.note(**failure_notes(failed))
    if answer is None:
        raise TooFewError(failed, "every attempt failed", "add a fallback: `cascade(A, B) | C`")
    return answer


async def _verdict(accept: Rule, answer: Text, ask: Asker, failed: list[MissingAnswer]) -> Verdict:
    """Decide over an answer; where what decides fails, that cannot be known."""
    verdict = await attempt("accept", accept.holds(answer, ask))
    if isinstance(verdict, Verdict):
        return verdict
    failed.append(verdict)
    ask.note(**failure_notes(failed))
    return Verdict(None, {})


@cascade.enough
def one_to_answer_and_one_to_ask_in_doubt(given: Sequence[Port]) -> Complaint | None:
    """A query needs two stages, an answer one."""
    wire, *stages = given
    if wire is Port.QUERY and not stages[1:]:
        return Complaint(
            "E206",
            "`cascade` needs two models when it is given a query: one to answer first, and one "
            "to ask next",
            "has only one model",
            "add a model, or put an answer before it: `A -> cascade(D)`",
        )
    return cascade.without(cascade.inputs[1]) if not stages else None


@cascade.check
def its_rule_decides(site: Site) -> Iterator[Complaint]:
    """The limits of its signals leave room for both."""
    rule = site.get("accept")
    holds = settled(rule)
    if holds is None:
        return
    ranges = "; ".join(sorted({_range(signal) for signal in rule.signals()}))
    end = "the first answer is always taken" if holds else "the next stage is always asked"
    yield Complaint(
        "W303",
        f"`{rule}` {'always' if holds else 'never'} holds, so {end}",
        f"{'always' if holds else 'never'} holds",
        f"choose a threshold between the limits: {ranges}",
        "accept",
    )


def _range(signal: Signal) -> str:
    low, high = signal.limits
    if math.isfinite(low) and math.isfinite(high):
        return f"`{signal}` is from {number_text(low)} to {number_text(high)}"
    limit = f"at least {number_text(low)}" if math.isfinite(low) else f"at most {number_text(high)}"
    return f"`{signal}` is {limit}"


@cascade.check
def its_rule_can_be_known(site: Site) -> Iterator[Complaint]:
    """Each answer that is judged may have the signals that the rule needs."""
    signals = site.get("accept").signals()
    writers = [node.writers for node in site.inputs]
    before = int(site.inputs[0].port is Port.QUERY)
    first, judged = site.inputs[before], writers[before:-1]
    unvoted = {signal for signal in signals if signal.votes and not first.voted}
    unranked = {signal for signal in signals if signal.ranked and not first.ranked}
    for model in dict.fromkeys(model for stage_writers in judged for model in stage_writers):
        lost = {s for s in signals if Capability.named(s.needs) & ~model.capabilities}
        if lost and site.get("accept").never_known(lost | unvoted | unranked):
            leaf, name = model.leaves[0], min(signal.name for signal in lost)
            text = (
                f"the rule of this cascade uses the {name} of `{leaf.name}`, which is never "
                "known, so it always"
            )
            notes = ((leaf, "gives no log-probabilities"),)
            yield Complaint(
                "W301", f"{text} asks the next stage", "uses it in its rule", notes=notes
            )
    for missing, choice, help_ in ((unvoted, "vote", _VOTED), (unranked, "ranking", _RANKED)):
        if missing and site.get("accept").never_known(missing):
            yield Complaint(
                "W301",
                f"the rule of this cascade needs a {choice} before it, so it always asks the next "
                "stage",
                "always asks the next stage",
                help_,
            )
