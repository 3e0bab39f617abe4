"""Routing: deciding which branches to ask before any has answered."""

from __future__ import annotations

from composer.parts import Blend, Choice, Estimator, One, Perplexity, Policy
from composer.ports import Asker, Decision, Model, Query
from composer.steps.declare import step


@step(paper="arXiv:2404.11531", hidden=("names", "aliases", "prices", "fused"))
async def route(  # noqa: PLR0913 - the hidden options describe the choices
    query: Query,
    *models: Model,
    by: Estimator = Perplexity(),
    policy: Policy | None = None,
    names: tuple[str, ...] = (),
    aliases: tuple[tuple[str, ...], ...] = (),
    prices: tuple[float | None, ...] = (),
    fused: bool = False,
    ask: Asker,
) -> Decision:
    """Decide among the branches of the bank that follows, or weigh the members of a fuse.

    `by` estimates how well each choice would answer; `policy` turns estimates into weights. The
    policy's default is `one()` for a bank and `blend()` for a fuse.
    """
    policy = policy or default_policy(fused=fused)
    known = models or (None,) * len(names)
    choices = tuple(map(Choice, names, aliases, known, prices))
    estimates = await by.estimate(query, choices, ask)
    weights = policy.weigh(estimates, choices, ask.rng)
    decision = Decision(
        query,
        dict(zip(names, weights, strict=True)),
        policy.many,
        dict(zip(names, estimates.quality, strict=True)),
        estimates.because,
        estimates.foreign,
    )
    ask.note(
        weights=dict(decision.weights),
        estimates=dict(decision.estimates),
        because=decision.because,
        **({} if decision.foreign is None else {"foreign": decision.foreign}),
    )
    return decision


def default_policy(*, fused: bool) -> Policy:
    """Return the policy of a route that names none."""
    return Blend() if fused else One()
