"""How many branches a vote asks that may stop early."""

from __future__ import annotations

from typing import TYPE_CHECKING

from composer.compiler.plan.plan import PlannedTurns
from composer.steps.polling import fewest, shared_out, swing

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from composer.compiler.graph import Node

__all__ = ["planned_turns"]


def planned_turns(ids: Mapping[Node, str]) -> Iterator[PlannedTurns]:
    """Yield the votes whose branches are asked in turn, with the fewest that may be enough.

    How many a route takes is not known before, so that its votes have no such number.
    """
    for node in (each for each in ids if each.lazy and hasattr(each.options, "until")):
        names = node.get("names")
        least = None
        if node.inputs[0].is_query:
            weights = shared_out(node.get("sizes"), node.get("weights"))
            own = zip(names, weights, strict=True)
            swings = [swing(name, each, node.get("reduce")) for name, each in own]
            least = fewest(swings, node.get("min"), node.get("until"))
        yield PlannedTurns(step=ids[node], fewest=least, most=len(names))
