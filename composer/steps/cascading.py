"""Cascades: asking the next model when the answers so far are not good enough."""

from __future__ import annotations

import math
from contextlib import nullcontext
from dataclasses import replace
from types import MappingProxyType
from typing import TYPE_CHECKING

from composer.diagnostics.amounts import number_text
from composer.methods import (
    Acceptance,
    Carry,
    Confidence,
    Constant,
    Estimator,
    One,
    Operation,
    Policy,
    Rule,
)
from composer.methods.rule_range import settled
from composer.methods.signals.base import Signal
from composer.steps.deciding import Accepting, AskingAll, Attempts, Choosing, Decider, choices_of
from composer.steps.declare import step
from composer.steps.early import EarlyStages
from composer.steps.site import Complaint
from composer.values import Asker, LazyBranch, MaybeMissing, Port, Query, Text
from composer.values.capability import Capability
from composer.values.card import Price

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from composer.steps.site import Site

_VOTED = "vote first: `sample(A, 5) -> vote() -> cascade(D, accept = agreement >= 0.6)`"
_RANKED = "rank first: `[A, B] -> rank() -> best() -> cascade(D, accept = score >= 0.6)`"
SURE = Rule(Operation(">=", (Confidence(), Constant(0.6))))

CASCADE = "cascade"
"""The fact under which `every_stage` keeps what every stage answered: a CascadeState."""


@step(
    paper="arXiv:2305.05176",
    instead="`judged`, and `verified` with `draws = 5`, need only answers in text",
    selects=True,
    tries_first=True,
    shown=("accept",),
    hidden=("stage_names", "aliases", "prices", "recorded_costs", "finish"),
)
async def cascade(
    first: MaybeMissing[Query | Text],
    *stages: LazyBranch[Text],
    accept: Rule | Acceptance = SURE,
    by: Estimator | None = None,
    policy: Policy | None = None,
    carry: Carry | None = None,
    ahead: bool | None = None,
    finish: bool | None = None,
    stage_names: tuple[str, ...] | None = None,
    aliases: tuple[tuple[str, ...], ...] | None = None,
    prices: tuple[Price, ...] | None = None,
    recorded_costs: tuple[float | None, ...] | None = None,
    ask: Asker,
) -> Text:
    """Ask one stage after the other, and take the first answer that is good enough.

    If it is given an answer, that is the first attempt; if it is given a query, the first stage
    answers it. Either `accept` decides over each answer, by a rule or by a part that is fitted; the
    answer of the last stage is then always taken. Or `by` estimates after each answer how good
    every stage is, and `policy` chooses one, as in a `route`. If it has answered, its answer is
    taken; an answer that is there costs nothing more. If `accept` is unknown, because the answer
    does not have the signal, the next stage is asked. If a stage fails, another one is asked; if
    none is left, an answer from before is taken.

    A stage is asked the same query as the stages before it. With `carry` it also reads the last
    answer, all answers so far, or demonstrations from a store of solved questions; or a local model
    checks the last answer as a draft.

    With `ahead` each stage begins together with the one before it, and is cancelled where it is not
    needed: an answer that takes two stages comes sooner, and one that takes one costs more.
    """
    decider: Decider
    if by is None:
        judges_last = carry is not None and carry.needs_verdict
        decider = Accepting(accept, ask, judges_last=judges_last)
    else:
        choices = choices_of(stage_names or (), aliases, prices, recorded_costs)
        decider = Choosing(by, policy or One(), choices, ask)
    early = EarlyStages(stages, bool(finish)) if ahead else None
    attempts = Attempts(first, stages, stage_names or (), decider, ask, carry, early)
    async with carry.turn() if carry is not None else nullcontext():
        return await attempts.answer()


@step(
    sign="what a fit and a report read",
    selects=True,
    hidden=("stage_names", "signals", "last", "carry"),
)
async def every_stage(
    first: MaybeMissing[Query | Text],
    *stages: LazyBranch[Text],
    stage_names: tuple[str, ...] | None = None,
    signals: tuple[Signal, ...] = (),
    last: bool = True,
    carry: Carry | None = None,
    ask: Asker,
) -> Text:
    """Ask every stage of a cascade, and measure signals on each answer; of the last if `last`.

    All of it is a fact of the answer.
    """
    decider, reading = AskingAll(signals, ask, last), None if carry is None else carry.reading()
    attempts = Attempts(first, stages, stage_names or (), decider, ask, reading)
    text = await attempts.answer()
    return replace(text, facts=MappingProxyType({**text.facts, CASCADE: attempts.state}))


@cascade.settles("policy")
def default_policy(by: Estimator | None) -> Policy | None:
    """Return the policy of a cascade with estimates that names none."""
    return None if by is None else One()


def rule_of(site: Site) -> Rule | None:
    """Return the rule of a cascade, None where something else decides."""
    accept = site.get("accept")
    return accept if isinstance(accept, Rule) and site.get("by") is None else None


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
    rule = rule_of(site)
    holds = None if rule is None else settled(rule)
    if rule is None or holds is None:
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
    """Each answer that is judged may have the signals without which none is accepted."""
    accept = site.get("accept")
    if site.get("by") is not None:
        return
    by_rule = isinstance(accept, Rule)
    signals = accept.signals() if by_rule else accept.needed
    subject = "the rule of this cascade" if by_rule else f"`{accept.name}`"
    writers = [node.writers for node in site.inputs]
    before = int(site.inputs[0].port is Port.QUERY)
    first, judged = site.inputs[before], writers[before:-1]
    unvoted = {signal for signal in signals if signal.votes and not first.voted}
    unranked = {signal for signal in signals if signal.ranked and not first.ranked}
    for model in dict.fromkeys(model for stage_writers in judged for model in stage_writers):
        lost = {s: reason for s in signals if (reason := _why_unknown(s, model))}
        if lost and accept.never_known(lost.keys() | unvoted | unranked):
            leaf, signal = model.leaves[0], min(lost, key=str)
            text = (
                f"{subject} uses the {signal.name} of `{leaf.name}`, which is never "
                "known, so it always"
            )
            notes = ((leaf, lost[signal]),)
            yield Complaint(
                "W301", f"{text} asks the next stage", "uses it in its rule", notes=notes
            )
    for missing, choice, help_ in ((unvoted, "vote", _VOTED), (unranked, "ranking", _RANKED)):
        if missing and accept.never_known(missing):
            yield Complaint(
                "W301",
                f"{subject} needs a {choice} before it, so it always asks the next stage",
                "always asks the next stage",
                help_,
            )


def _why_unknown(signal: Signal, model: Site) -> str:
    """Say why a signal is never known of what a model writes; empty if it may be."""
    if Capability.named(signal.needs) & ~model.capabilities:
        return "gives no log-probabilities"
    detail = signal.detail if signal.demands_detail else None
    return "" if detail is None else model.missing_detail(detail)


@cascade.check
def its_carry_learns_from_a_rule(site: Site) -> Iterator[Complaint]:
    """What is kept of accepted answers needs something that accepts them."""
    carry = site.get("carry")
    if carry is not None and carry.needs_verdict and site.get("by") is not None:
        text = f"`{carry.name}` keeps the answers that `accept` accepts, and here `by` decides"
        help_ = "decide by `accept`, or only read the store: `learn = false`"
        yield Complaint("E403", text, "accepts no answer", help_, "carry")


@cascade.check
def its_promise_holds_with_what_it_carries(site: Site) -> Iterator[Complaint]:
    """A stage that may be left out is not what the answers of later stages depend on."""
    accept = site.get("accept")
    if site.get("carry") is not None and isinstance(accept, Acceptance) and accept.separate_stages:
        text = (
            f"`{accept.name}` may leave out a stage, and the stages after it would then read "
            "another `carry` than in the fit, so its promise would not hold"
        )
        yield Complaint("E403", text, "both are set", "leave out `skip` or `carry`", "carry")


@cascade.check
def a_later_stage_uses_what_it_carries(site: Site) -> Iterator[Complaint]:
    """What only models of this process use needs such a model behind the first stage."""
    carry = site.get("carry")
    if carry is None or not carry.local:
        return
    later = site.inputs[int(site.inputs[0].port is Port.QUERY) + 1 :]
    leaves = [leaf for stage in later for model in stage.writers for leaf in model.leaves]
    if leaves and not any(leaf.local for leaf in leaves):
        yield Complaint(
            "W304",
            f"`carry = {carry.name}()` changes nothing: no stage behind the first is a model of "
            "this process",
            "changes nothing",
            "leave `carry` out, or ask a local model",
            "carry",
        )


@cascade.check
def its_next_stage_can_begin_ahead(site: Site) -> Iterator[Complaint]:
    """What the next stage is, and what it is asked, is known before the answer."""
    for option, why in (
        ("by", "`by` may choose any stage"),
        ("carry", "`carry` shows it the answer before"),
    ):
        if site.get("ahead") and site.get(option) is not None:
            text = f"`ahead` begins the next stage before there is an answer, and {why}"
            yield Complaint(
                "E403", text, "both are set", f"leave out `ahead` or `{option}`", option
            )
    accept = site.get("accept")
    if site.get("ahead") and isinstance(accept, Acceptance) and accept.limits_cost:
        text = (
            f"`{accept.name}` keeps to a cost of stages that are asked in turn, and with `ahead` "
            "each answer costs more"
        )
        help_ = "leave out `ahead`, or the limit on the cost"
        yield Complaint("E403", text, "limits the cost", help_, "accept")


@cascade.check
def it_decides_in_one_way(site: Site) -> Iterator[Complaint]:
    """A rule decides, or estimates and a policy do."""
    if site.get("accept") != SURE and site.get("by") is not None:
        text = "a cascade decides by `accept`, or by the estimates of `by`, not by both"
        yield Complaint("E403", text, "both are set", "leave out one of them", "accept")
    if site.get("policy") is not None and site.get("by") is None:
        text = "`policy` decides by estimates, and this cascade has none"
        help_ = "add `by = post_hoc()`, or leave out `policy`"
        yield Complaint("E403", text, "has no estimates", help_, "policy")
    policy = site.get("policy")
    if policy is not None and policy.many:
        text = f"a cascade takes one answer, and `{policy.name}` chooses several"
        yield Complaint("E403", text, "chooses several", "write `policy = one()`", "policy")
