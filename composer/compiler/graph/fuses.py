"""What a fuse may be asked for, depending on where it stands and how it is written."""

from __future__ import annotations

from typing import TYPE_CHECKING

from composer.parts import Handover

if TYPE_CHECKING:
    from collections.abc import Iterator

    from composer.compiler.graph.context import Context
    from composer.compiler.graph.node import Node

OUTERMOST = ("gate", "weigh", "leave")
"""Options that say whom to ask, and when: a fuse inside another fuse is always asked."""


def check_fuse(ctx: Context, node: Node) -> None:
    """Check a fuse for options of it and its members that nobody would heed."""
    if node.step.weighed and not node.step.fuses_tokens:
        _check_gates(ctx, node)
    if isinstance(when := node.values().get("when"), Handover):
        _check_experts(ctx, node, when)
    if not node.step.fuses_tokens:
        return
    place = ctx.graph.places.get(node)
    for member in (each.bare for each in node.inputs):
        for option in _unheeded(member):
            ctx.say(
                "E402",
                f"the `{option}` of a fuse inside another fuse is never asked",
                ctx.graph.places.get(member),
                "stands inside",
                help=f"give `{option}` to the outermost fuse",
            )
    negative = node.get("weigh") is not None and min(node.get("weights") or (0,)) < 0
    if not node.get("normalize") and (node.get("weigh") is not None or node.get("leave")):
        ctx.say(
            "E402",
            "a formula stands as it is written: nobody leaves it, and nothing weighs it anew",
            place,
            "a formula",
            help="leave out `leave` and `weigh`"
            + ("" if negative else ", or say `normalize = true`"),
        )
    elif negative:
        ctx.say(
            "E402",
            "what is weighed anew are shares, and none is negative",
            place,
            "has negative weights",
            help="leave out `weigh`, or the negative weights",
        )


def _check_gates(ctx: Context, node: Node) -> None:
    """Check that what is weighed up in text is all that each member says."""
    for member in (each.bare for each in node.inputs):
        if member.step.fuses_tokens and member.get("gate") is not None:
            ctx.say(
                "E402",
                f"a `{node.op}` weighs all that a fuse says, which a `gate` holds back",
                ctx.graph.places.get(member),
                "has a `gate`",
                help="leave the `gate` out",
            )


def _check_experts(ctx: Context, node: Node, when: Handover) -> None:
    """Check that the rule of a hand-over can tell its experts apart."""
    experts = len(node.inputs) - 1
    wanted = when.experts
    if experts != wanted:
        ctx.say(
            "E206",
            f"`{when.name}` hands over to {wanted}, but {experts} may go on",
            ctx.graph.places.get(node),
            "the first member writes, the others are experts",
            help="name as many experts as the rule knows",
        )


def _unheeded(member: Node) -> Iterator[str]:
    if not member.step.fuses_tokens:
        return
    for option in OUTERMOST:
        if _once(member) if option == "weigh" else member.get(option):
            yield option


def _once(node: Node) -> bool:
    """Whether a fuse is weighed once, by its prompt."""
    part = node.get("weigh")
    return part is not None and part.once
