"""Drafts held against the fuses that have them, before anything is loaded."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from composer.compiler.graph.context import Context
    from composer.compiler.graph.node import Node

__all__ = ["check_draft", "needs_one_vocabulary"]


def needs_one_vocabulary(fuse: Node) -> bool:
    """Say whether a fuse's draft is judged token by token, so that all need the same tokens."""
    draft = fuse.get("draft")
    return draft is not None and draft.alike


def check_draft(ctx: Context, node: Node) -> None:
    """Check that a fuse's draft goes with its other options and its members."""
    if node.step.offers is None:
        return
    for member in (each.bare for each in node.inputs):
        if member.step.fuses_tokens and member.get("draft") is not None:
            text = "a draft inside another fuse is never asked"
            help_ = "give the `draft` to the outermost fuse"
            ctx.say("E402", text, ctx.graph.places.get(member), "has a `draft`", help=help_)
    if node.step.fuses_tokens and node.get("draft") is not None:
        _check_options(ctx, node)
        _check_align(ctx, node)
        _check_members(ctx, node)


def _check_options(ctx: Context, fuse: Node) -> None:
    weigh = fuse.get("weigh")
    clash = {
        "gate": fuse.get("gate") is not None,
        "leave": bool(fuse.get("leave")),
        "weigh": weigh is not None and weigh.once,
    }
    for name in (name for name, there in clash.items() if there):
        text = f"a fuse has a `draft` or a `{name}`, not both"
        place = ctx.graph.places.get(fuse)
        ctx.say("E402", text, place, "has both", help="leave one of them out")


def _check_align(ctx: Context, fuse: Node) -> None:
    """Check that tokens judged one by one stay what they are."""
    align = fuse.get("align")
    if needs_one_vocabulary(fuse) and not align.alike and not align.vanishes:
        draft = fuse.get("draft").name
        text = f"`{draft}` needs the members' own tokens, which `{align.name}` changes"
        place = ctx.graph.places.get(fuse)
        help_ = "leave `align` out: over one vocabulary nothing has to be aligned"
        ctx.say("E402", text, place, "has both", help=help_)


def _check_members(ctx: Context, fuse: Node) -> None:
    draft = fuse.get("draft")
    bare = (member.bare for member in fuse.inputs)
    inner = next((each for each in bare if each.declaration is None), None)
    if draft.lone and inner is not None:
        text = f"`{draft.name}` needs members that are one model each, not `{inner.op}`"
        place = ctx.graph.places.get(inner) or ctx.graph.places.get(fuse)
        help_ = "give the models themselves to one `token_fuse`"
        ctx.say("E302", text, place, "is several models", help=help_)
