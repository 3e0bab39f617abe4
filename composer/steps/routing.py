"""Routing: deciding which branches to ask before any has answered."""

from __future__ import annotations

import random
from dataclasses import replace
from typing import TYPE_CHECKING

from composer.methods import Blend, Choice, Estimator, Judging, One, Perplexity, Policy, Several
from composer.methods.estimators.base import Learned, learned_in
from composer.methods.estimators.costs import unknown_cost_text, without_cost
from composer.steps.declare import step
from composer.steps.site import Complaint
from composer.values import Asker, Decision, Model, Query
from composer.values.capability import Capability
from composer.values.card import Price
from composer.values.finite import require_finite

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from composer.methods.estimators.values import Estimates
    from composer.methods.policies.base import Weights
    from composer.steps.site import Site


@step(
    paper="arXiv:2404.11531",
    instead="use an estimator that reads only the query: `route(by = knn(...))` or `route(by = "
    "uniform())`",
    hidden=("names", "aliases", "prices", "recorded_costs", "fused", "judges"),
    shown=("by",),
)
async def route(
    query: Query,
    *models: Model,
    by: Estimator = Perplexity(),
    policy: Policy | None = None,
    sticky: bool = False,
    names: tuple[str, ...] = (),
    aliases: tuple[tuple[str, ...], ...] = (),
    prices: tuple[Price, ...] = (),
    recorded_costs: tuple[float | None, ...] = (),
    fused: bool = False,
    judges: int = 0,
    ask: Asker,
) -> Decision:
    """Choose among the branches of the bank after it, or weigh the members of the fuse after it.

    `by` estimates how well each choice would answer; `policy` turns the estimates into weights. The
    default of `policy` is `one()` for a bank and `blend()` for a fuse. A `sticky` route decides
    from the first question of a conversation alone, so every turn goes to the same choice, and the
    cache of a server stays useful; a policy that counts what it spends may still change. Models in
    brackets are those that `by` asks: `route(M, by = asked())`.
    """
    policy = policy or default_policy(fused=fused)
    members, judging = models[: len(models) - judges], models[len(models) - judges :]
    choice_models = members or (None,) * len(names)
    costs = recorded_costs or (None,) * len(names)
    choices = tuple(map(Choice, names, aliases, choice_models, prices, costs))
    question = conversation_opening(query) if sticky else query
    if isinstance(by, Judging) and judging:
        estimates = await by.consult(question, choices, judging, ask)
    else:
        estimates = await by.estimate(question, choices, ask)
    rng = draws_of(query, ask.rng, sticky=sticky)
    decision = decision_of(
        query,
        names,
        (by.name, estimates),
        lambda: policy.weigh(estimates, choices, rng),
        many=policy.many,
    )
    ask.note(
        weights=dict(decision.weights),
        estimates=dict(decision.estimates),
        because=decision.because,
        **({} if decision.typicality is None else {"typicality": decision.typicality.as_dict()}),
    )
    return decision


@route.check
def models_can_do_what_its_estimator_asks(site: Site) -> Iterator[Complaint]:
    """The judges can do what is asked of them; so can the choices, or a lone fuse's members."""
    by, at = site.get("by"), len(site.models) - site.get("judges")
    choices, judges = site.models[:at], site.models[at:]
    if len(choices) == 1 and choices[0].weighed:
        choices = choices[0].models
    for judge in judges:
        yield from site.lacks(judge, Capability.named(by.asking))
    for choice in choices:
        yield from site.lacks(choice, Capability.named(by.needs))


@route.check
def its_estimator_reads_no_answers(site: Site) -> Iterator[Complaint]:
    """A route decides before there are answers."""
    by = site.get("by")
    if by.reads_answers:
        text = f"`{by.name}` reads answers, and a route decides before there are any"
        help_ = f"decide after each answer: `cascade(A, B, by = {by.name}())`"
        yield Complaint("E403", text, "reads answers", help_, "by")


@route.check
def its_data_know_its_choices(site: Site) -> Iterator[Complaint]:
    """The rows that an estimator is fitted on have outcomes of every choice."""
    names, aliases = site.get("names"), site.get("aliases")
    prices = site.get("prices") or (None,) * len(names)
    nobody = (None,) * len(names)
    choices = tuple(map(Choice, names, aliases or ((),) * len(names), nobody, prices))
    for part in learned_in(site.get("by")):
        bad = part.mistake(choices) if part.fitted is None else None
        if bad is not None:
            label = "has no outcomes of some choices"
            yield Complaint(bad.code, bad.message, label, bad.help, "by")
            return


@route.check
def its_policy_has_so_many_choices(site: Site) -> Iterator[Complaint]:
    """Several are no more than there are."""
    policy, count = site.get("policy"), len(site.get("names"))
    if isinstance(policy, Several) and policy.k > count > 1:
        yield Complaint(
            "W304",
            f"`several(k = {policy.k})` chooses among {count} branches, so it takes all of them",
            "takes all branches",
            f"lower `k`, or ask all of them without a route: `k` is at most {count}",
            "policy",
        )


@route.check
def its_policy_can_know_the_costs(site: Site) -> Iterator[Complaint]:
    """A policy that decides by cost knows the cost of every choice, from data or from the recipe.

    What an estimator learns from data is not known yet.
    """
    by, policy = site.get("by"), site.get("policy")
    names = site.get("names")
    if policy is None or not policy.needs_costs or isinstance(by, Learned) or len(names) == 1:
        return
    facts = zip(names, site.get("prices"), site.get("recorded_costs"), strict=True)
    choices = (Choice(name, price=price, recorded_cost=cost) for name, price, cost in facts)
    if unknown := without_cost(choices):
        text, advice = unknown_cost_text(f"`{policy.name}`", unknown)
        yield Complaint("E511", text, "needs costs", advice, about="policy")


@route.settles("policy")
def default_policy(*, fused: bool) -> Policy:
    """Return the policy of a route that names none."""
    return Blend() if fused else One()


def conversation_opening(query: Query) -> Query:
    """Return the conversation up to its first question, as the recipe was given it."""
    messages = query.root.messages
    first = next((at for at, (role, _) in enumerate(messages) if role == "user"), len(messages))
    return replace(query.root, messages=messages[: first + 1])


def decision_of(
    query: Query,
    names: tuple[str, ...],
    named_estimates: tuple[str, Estimates],
    weigh: Callable[[], Weights],
    *,
    many: bool,
) -> Decision:
    """Return the decision by estimates and their weights, which `weigh` gives.

    Raises ModelError (E704) where a number is not finite.
    """
    name, estimates = named_estimates
    quality = dict(zip(names, estimates.quality, strict=True))
    require_finite(quality, f"the estimate by `{name}` of")
    weights = dict(zip(names, weigh(), strict=True))
    require_finite(weights, "the weight of")
    return Decision(query, weights, many, quality, estimates.because, estimates.typicality)


def draws_of(query: Query, rng: random.Random, *, sticky: bool) -> random.Random:
    """Return the randomness of a decision: anew for each turn, or one for a conversation.

    `rng` is that of the query at this step.
    """
    messages = query.root.messages
    if sticky:
        return random.Random(repr(conversation_opening(query).messages))
    if len(messages) == 1:
        return rng
    return random.Random(f"{rng.random()}/{messages!r}")
