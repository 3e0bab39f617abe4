"""Fusing models while they write: next-token distributions, bytes, spans, and handing over."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Annotated

from pydantic import Field

from composer.models.capability import Capability
from composer.parts import Align, Combine, Doubt, Draft, Gate, Handover, Mean, Shared, Weigh, Words
from composer.ports import Decision, Model
from composer.ports.values import unique
from composer.steps.asking import share_prompts
from composer.steps.declare import step
from composer.steps.site import Complaint

if TYPE_CHECKING:
    from collections.abc import Iterator

    from composer.fusion.spec import Part
    from composer.steps.site import Site


SPANS = Capability.TEXT | Capability.LOGPROBS | Capability.CONTINUE
"""What fuses of text can do."""

WHOLE_ANSWERS = "fuse whole answers instead: `[{name}, ...] -> vote()`, or declare a local model"


@step(
    paper="arXiv:2406.12585",
    needs=Capability.LOGITS,
    instead=WHOLE_ANSWERS,
    offers=SPANS | Capability.LOGITS | Capability.SCORE,
    formula=True,
    weighed=True,
    hidden=("together", "lazy", "names"),
    told=("together",),
)
def token_fuse(  # noqa: PLR0913 - each is a part of its own
    *members: Model,
    weights: tuple[float, ...] | None = None,
    combine: Combine = Mean(),
    align: Align = Shared(),
    weigh: Weigh | None = None,
    gate: Gate | None = None,
    draft: Draft | None = None,
    normalize: bool = True,
    plausible: Annotated[float, Field(ge=0, le=1)] = 0.0,
    leave: bool = False,
    together: bool = False,
    lazy: bool = False,
    names: tuple[str, ...] = (),
) -> Model:
    """Fuse the members' next-token distributions at every step.

    `mean` is sum w_i p_i, `logs` is softmax(sum w_i log p_i); a formula such as
    `base + 0.8 * (expert - novice)` is a sum of log-probabilities followed by log-softmax, not
    divided by the sum of its coefficients unless `normalize = true` (arXiv:2401.08565). Members
    of unlike vocabularies need an `align`. `weigh` multiplies the weights, at every token or once
    by what the members make of the prompt. With a `gate` the first member leads, and the others
    are asked only where it opens (a text that is scored is read by all); with a `draft` one member
    writes ahead, and the others read what it wrote in one pass. With `leave` a member that fails
    leaves, and the others go on.
    `plausible` rules out what has less than that part of the first member's largest probability.
    """
    from composer.fusion.spec import TokenFuse

    named = dict(zip(names or unique(m.name for m in members), members, strict=True))
    parts, templates = share_prompts(named)
    group = TokenFuse(
        tuple(parts.values()),
        tuple(parts),
        weights,
        combine=_plausible(combine.part(), plausible),
        normalize=normalize,
        align=align.part(),
        weigh=None if weigh is None or weigh.once else weigh.part(),
        prior=weigh.part() if weigh is not None and weigh.once else None,
        gate=None if gate is None else gate.part(),
        draft=None if draft is None else draft.part(),
        together=together,
        lazy=lazy,
        leave=leave,
    )
    return Model(f"token_fuse({', '.join(parts)})", group, tuple(named.values()), templates)


@token_fuse.check
def its_members_tokens_are_the_same(site: Site) -> Iterator[Complaint]:
    """Members have one vocabulary where nothing aligns them, or a draft is judged by token."""
    draft = site.get("draft")
    drafted = draft is not None and draft.alike
    if not (site.get("align").alike or drafted):
        return
    known = {leaf: leaf.vocabulary for leaf in site.leaves}
    if None in known.values() or len(set(known.values())) == 1:
        return
    first = site.leaves[0]
    other = next(leaf for leaf in site.leaves if known[leaf] != known[first])
    yield Complaint(
        "E305",
        f"`{first.name}` and `{other.name}` have different vocabularies",
        "fuses them token by token",
        "equal vocabularies allow drafting: leave `draft` out, or say `draft = safe()`"
        if drafted
        else "say how they meet: `align = union()`, or fuse bytes or spans: `byte_fuse(...)`",
        notes=((first, "declared here"), (other, "declared here")),
    )


def _plausible(combine: Part, alpha: float) -> Part:
    """Return a way to combine that keeps to what the first member finds plausible."""
    from composer.fusion.spec import Part

    if not alpha:
        return combine
    return Part("composer.fusion.combine:plausible", (("of", combine), ("alpha", alpha)))


@step(
    paper="arXiv:2407.19807",
    needs=Capability.TEXT | Capability.SCORE,
    instead="let whole answers compete: `[{name}, ...] -> rank(...) -> best()`",
    offers=SPANS,
    weighed=True,
    hidden=("names",),
)
def span_fuse(
    *members: Model,
    weights: tuple[float, ...] | None = None,
    span: Words = Words(),
    max_span_tokens: Annotated[int, Field(ge=1)] = 32,
    names: tuple[str, ...] = (),
) -> Model:
    """Fuse spans: each member proposes one, every member scores every candidate, the best is kept.

    A score is the mean log-probability of the span's tokens; the candidate with the largest
    weighted sum over the members wins (Cool-Fusion, SweetSpan).
    """
    from composer.fusion.spec import SpanFuse

    named = dict(zip(names or unique(m.name for m in members), members, strict=True))
    parts, templates = share_prompts(named)
    group = SpanFuse(
        tuple(parts.values()), tuple(parts), weights, words=span.n, max_span_tokens=max_span_tokens
    )
    return Model(f"span_fuse({', '.join(parts)})", group, tuple(named.values()), templates)


@step(
    paper="arXiv:2502.21265",
    needs=Capability.LOGITS,
    instead=WHOLE_ANSWERS,
    offers=SPANS,
    weighed=True,
    hidden=("names",),
)
def byte_fuse(
    *members: Model,
    weights: tuple[float, ...] | None = None,
    top: Annotated[int, Field(ge=1)] = 64,
    names: tuple[str, ...] = (),
) -> Model:
    """Fuse members that agree byte by byte, each in its own tokens, which are never cut anew.

    The text goes on with what maximises sum w_i log p_i over tokens that agree: one of them begins
    with all the others. Who is ahead waits; `top` tokens of each member are weighed up. It gives
    text, no next-token distribution.
    """
    from composer.fusion.spec import ByteFuse

    named = dict(zip(names or unique(m.name for m in members), members, strict=True))
    parts, templates = share_prompts(named)
    group = ByteFuse(tuple(parts.values()), tuple(parts), weights, top)
    return Model(f"byte_fuse({', '.join(parts)})", group, tuple(named.values()), templates)


@step(
    paper="arXiv:2403.16854",
    needs=Capability.LOGPROBS | Capability.CONTINUE,
    instead=WHOLE_ANSWERS,
    offers=SPANS,
    hidden=("names",),
)
def handoff(
    *members: Model,
    when: Handover = Doubt(),
    names: tuple[str, ...] = (),
) -> Model:
    """Let the first member write until `when` hands the rest of the answer to another one.

    The text goes over, not the tokens: the members may have unlike vocabularies.
    """
    from composer.fusion.spec import Handoff

    named = dict(zip(names or unique(m.name for m in members), members, strict=True))
    parts, templates = share_prompts(named)
    group = Handoff(tuple(parts.values()), tuple(parts), when.part())
    return Model(f"handoff({', '.join(parts)})", group, tuple(named.values()), templates)


@step(sign="`route -> fuse`", absorbs="fuse", labels={"decision": "weights"})
def weigh(fuse: Model, decision: Decision) -> Model:
    """Multiply the weights of a fuse's members by a decision's; a weight of 0 is not run."""
    group = fuse.member
    own = group.weights or (1.0,) * len(group.names)
    weights = tuple(w * decision.weights.get(n, 0.0) for n, w in zip(group.names, own, strict=True))
    return replace(fuse, member=replace(group, weights=weights))
