"""What must hold after every pass."""

from __future__ import annotations

from typing import TYPE_CHECKING

from composer.compiler.graph import QUERY, topological
from composer.values import Port

if TYPE_CHECKING:
    from collections.abc import Iterator

    from composer.compiler.graph import Node


def illegal(root: Node) -> list[str]:
    """Return everything that is wrong with a graph; nothing, for a legal one."""
    return [text for node in topological(root) if node.op != QUERY for text in _wrong(node)]


def _wrong(node: Node) -> Iterator[str]:
    inputs = node.step.inputs
    for input_, each in node.paired():
        if not each.port.fits(input_.ports):
            yield f"{node.op} takes no {each.port.name} as {input_.name}"
    variadic = bool(inputs) and inputs[-1].variadic
    if len(node.given) > len(inputs) and not variadic:
        yield f"{node.op} has {len(node.given)} inputs"
    names = getattr(node.options, "names", None)
    branches = len(node.lazy) if node.lazy else len(node.given)
    if names is not None and node.port is not Port.DECISION and len(names) != branches:
        yield f"{node.op} has {branches} branches, but {len(names)} names"
    weights = node.get("weights") if node.step.weighed else None
    if weights is not None and len(weights) != len(node.given):
        yield f"{node.op} has {len(node.given)} members, but {len(weights)} weights"
