"""The pools of a plan: which models one replica holds together, and what it needs.

Members of one fused model are asked together at every token, so they are held together. A model
that is asked alone and is a member, too, belongs to the pool of its fused group.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from composer.compiler.graph import topological
from composer.compiler.graph.capabilities import checkpoint_of, checkpoints_in
from composer.specs import Declared, Remote
from composer.values import Port

if TYPE_CHECKING:
    from collections.abc import Mapping

    from composer.compiler.graph import Node
    from composer.specs import Checkpoint

__all__ = ["Pool", "held_here", "pools_of"]


@dataclass(frozen=True)
class Pool:
    """Models that each replica of a pool holds together, and what one replica takes.

    There are from `fewest` to `most` replicas.
    """

    name: str
    models: tuple[Checkpoint, ...]
    cpus: float = 1.0
    gpus: float = 0.0
    resources: Mapping[str, float] = field(default_factory=dict)
    fewest: int = 1
    most: int = 1


def held_here(model: Checkpoint) -> bool:
    """Whether the weights of a model are read on the machine where it is asked."""
    if isinstance(model, Declared) and isinstance(model.declaration, Remote):
        return model.declaration.weights is not None
    return True


def pools_of(root: Node) -> tuple[Pool, ...]:
    """Return the pools of the graph under a node; models behind servers are in none."""
    groups: list[dict[Checkpoint, None]] = []
    for node in topological(root):
        if node.port is Port.MODEL:
            models = [checkpoint_of(each) for each in checkpoints_in(node)]
            if all(map(held_here, models)):
                own = dict.fromkeys(models)
                for group in [each for each in groups if each.keys() & own.keys()]:
                    groups.remove(group)
                    own = group | own
                groups.append(own)
    return tuple(Pool("+".join(each.name for each in group), tuple(group)) for group in groups)
