"""What a fuse may be asked for, depending on where it stands and how it is written."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from composer.compiler.graph.context import Context
    from composer.compiler.graph.node import Node

OUTERMOST = ("gate", "weigh", "leave")
"""Options that say whom to ask, and when: a fuse inside another fuse is always asked."""


def check_fuse(ctx: Context, node: Node) -> None:
    """Check a token fuse for options that nobody would heed."""
    if node.op != "token_fuse":
        return
    place = ctx.graph.places.get(node)
    for member in map(_bare, node.inputs):
        for option in _unheeded(member):
            ctx.say(
                "E402",
                f"the `{option}` of a fuse inside another fuse is never asked",
                ctx.graph.places.get(member),
                "stands inside",
                help=f"give `{option}` to the outermost fuse",
            )
    if not node.get("normalize") and (_once(node) or node.get("leave")):
        ctx.say(
            "E402",
            "a formula stands as it is written: nobody leaves it, and no prompt weighs it",
            place,
            "a formula",
            help="leave out `leave` and `weigh`, or say `normalize = true`",
        )


def _bare(member: Node) -> Node:
    """A member without the prompts before it."""
    while member.op == "prompted":
        member = member.inputs[0]
    return member


def _unheeded(member: Node) -> Iterator[str]:
    if member.op != "token_fuse":
        return
    for option in OUTERMOST:
        if _once(member) if option == "weigh" else member.get(option):
            yield option


def _once(node: Node) -> bool:
    """Whether a fuse is weighed once, by its prompt."""
    part = node.get("weigh")
    return part is not None and part.once
