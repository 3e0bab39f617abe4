"""How many requests the members of a fuse that are behind servers take."""

from __future__ import annotations

from typing import TYPE_CHECKING

from composer.compiler.graph.node import model_of, topological
from composer.compiler.plan.plan import PlannedRequests
from composer.diagnostics.amounts import counted, number_text
from composer.specs import SpanFuse, TokenFuse, bare, leaves
from composer.values import Port

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from composer.compiler.graph import Node
    from composer.specs import TokenAccess
    from composer.values import Model

__all__ = ["planned_requests"]


def planned_requests(ids: Mapping[Node, str]) -> Iterator[PlannedRequests]:
    """Yield what the fuses that steps ask take of the servers of their members.

    A fuse that a route weighs is made for each query, and not known before.
    """
    steps = (node for node in ids if node.port is not Port.MODEL)
    asked = (model for node in steps for model in node.inputs if model.port is Port.MODEL)
    for node in filter(_is_whole, dict.fromkeys(asked)):
        for member, requests in _of(bare(model_of(node))):
            yield PlannedRequests(step=ids[node], member=member, requests=requests)


def _is_whole(model: Node) -> bool:
    """Whether a model is made of models alone."""
    return all(node.port is Port.MODEL for node in topological(model))


def _of(model: Model) -> Iterator[tuple[str, str]]:
    """Yield the members of a fuse that are behind servers, and how often these are asked."""
    if isinstance(model, TokenFuse):
        yield from _of_tokens(model)
    elif isinstance(model, SpanFuse):
        for name, member in zip(model.names, map(bare, model.members), strict=True):
            if isinstance(member, TokenFuse):
                yield from _of(member)
            elif any(not leaf.is_local for leaf in leaves(member)):
                yield name, "1 request a span to write it, and 1 to score the spans of the others"


def _of_tokens(fuse: TokenFuse) -> Iterator[tuple[str, str]]:
    first, *_ = leaves(fuse)
    for leaf in leaves(fuse):
        access = leaf.token_access
        if access is not None:
            gated = fuse.gate is not None and leaf != first
            yield leaf.name, _requests(access, fuse, gated=gated)


def _requests(access: TokenAccess, fuse: TokenFuse, *, gated: bool) -> str:
    most = "1 to 2 requests" if access.chosen else "1 request"
    often = f"{most} a token"
    if gated:
        often = f"{most} at each token at which the gate opens"
    elif fuse.draft is not None:
        tokens = getattr(fuse.draft, "tokens", None)
        limit = "" if tokens is None else f" of up to {counted(tokens, 'token')}"
        often = f"{most} a draft{limit}"
    told = f"the {number_text(access.top)} likeliest tokens"
    rest = (
        "then those of the others by their ids, where they may change the choice"
        if access.chosen
        else "what else is likely stays untold"
    )
    return f"{often}: {told}; {rest}"
