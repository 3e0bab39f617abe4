"""How many requests the members of a fuse that are behind servers take."""

from __future__ import annotations

from typing import TYPE_CHECKING

from composer.compiler.graph.capabilities import checkpoint_of, checkpoints_in
from composer.compiler.plan.plan import PlannedRequests
from composer.diagnostics.amounts import counted, number_text
from composer.specs import SpanFuse, TokenFuse
from composer.values import Port

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from composer.compiler.graph import Node
    from composer.specs import TokenAccess
    from composer.values import Typed

__all__ = ["planned_requests"]

SPANS = "at most 1 request a span to write it, and 1 to score the spans of the others"
BRANCHES = (
    "1 request a span for its first token, at most 1 for each token with which it begins one, and "
    "1 to score the spans of the others"
)


def planned_requests(ids: Mapping[Node, str]) -> Iterator[PlannedRequests]:
    """Yield what the fuses that steps ask take of the servers of their members."""
    steps = (node for node in ids if node.port is not Port.MODEL)
    asked = (model for node in steps for model in node.inputs if model.port is Port.MODEL)
    for node in dict.fromkeys(asked):
        for member, requests in _of(node.underlying):
            yield PlannedRequests(step=ids[node], member=member, requests=requests)


def _of(fuse: Node) -> Iterator[tuple[str, str]]:
    """Yield the members of a fuse that are behind servers, and how often these are asked."""
    if fuse.is_checkpoint:
        return
    if fuse.step.fuses is TokenFuse:
        yield from _of_tokens(fuse)
    elif fuse.step.fuses is SpanFuse:
        for member in (each.underlying for each in fuse.inputs if each.port is Port.MODEL):
            if not member.is_checkpoint:
                yield from _of(member)
            elif not checkpoint_of(member).is_local:
                yield member.title, SPANS if fuse.get("explore") is None else BRANCHES


def _of_tokens(fuse: Node) -> Iterator[tuple[str, str]]:
    first, *others = checkpoints_in(fuse)
    for leaf in (first, *others):
        access = checkpoint_of(leaf).token_access
        if access is not None:
            gated = fuse.get("gate") is not None and leaf is not first
            yield leaf.title, _requests(access, fuse.get("draft"), gated=gated)


def _requests(access: TokenAccess, draft: Typed | None, *, gated: bool) -> str:
    most = "1 to 2 requests" if access.chosen else "1 request"
    often = f"{most} a token"
    if gated:
        often = f"{most} at each token at which the gate opens"
    elif draft is not None:
        tokens = getattr(draft, "tokens", None)
        limit = "" if tokens is None else f" of up to {counted(tokens, 'token')}"
        often = f"{most} a draft{limit}"
    told = f"the {number_text(access.top)} likeliest tokens"
    rest = (
        "then those of the others by their ids, where they may change the choice"
        if access.chosen
        else "what else is likely stays untold"
    )
    return f"{often}: {told}; {rest}"
