"""The pools of a plan on a cluster: which models a replica holds together, and what it needs."""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, cast

from composer.compiler.graph.capabilities import card_of, checkpoint_of, memory_of
from composer.compiler.graph.graph import Graph
from composer.compiler.graph.pooling import cluster_option, pool_groups
from composer.compiler.plan.placement import demand_of, devices
from composer.compiler.plan.plan import PlannedPool
from composer.compiler.plan.sharing import weight_groups

if TYPE_CHECKING:
    from collections.abc import Hashable, Iterable, Mapping

    from composer.compiler.graph import Node
    from composer.specs import Checkpoint
    from composer.values.typed import Variables

__all__ = ["Pool", "pools_of"]


@dataclass(frozen=True)
class Pool:
    """Models that each replica of a pool holds together, and what one replica takes.

    There are from `fewest` to `most` replicas. `bytes` is the size of the weights of one, `memory`
    what it takes with rows beside them; None where it is not known before they are here.
    """

    name: str
    models: tuple[Checkpoint, ...]
    cpus: float = 1.0
    gpus: float = 0.0
    resources: Mapping[str, float] = field(default_factory=dict)
    fewest: int = 1
    most: int = 1
    bytes: int | None = None
    memory: int | None = None

    @property
    def bundle(self) -> Mapping[str, float]:
        """What one replica takes of a machine, as Ray names it: a bundle of a placement group.

        Weights that lie on a GPU take no memory of the machine.
        """
        memory = 0 if self.gpus else self.memory or 0
        taken = {"CPU": self.cpus, "GPU": self.gpus, "memory": memory, **self.resources}
        return {name: amount for name, amount in taken.items() if amount}

    @property
    def planned(self) -> PlannedPool:
        """What a plan says of it."""
        return PlannedPool(
            name=self.name,
            models=tuple(model.name for model in self.models),
            replicas=(self.fewest, self.most),
            cpus=self.cpus,
            gpus=self.gpus,
            resources=dict(self.resources),
            bytes=self.bytes,
            memory=self.memory,
        )


def pools_of(root: Node, graph: Graph | None = None) -> tuple[Pool, ...]:
    """Return the pools of the models under a node; models behind servers are in none.

    What each model takes is what its options say; weights that several have in common are there,
    and count, once.
    """
    graph = graph or Graph()
    return tuple(_pool(graph, nodes) for nodes in pool_groups(root))


def _pool(graph: Graph, nodes: list[Node]) -> Pool:
    fewest, most = _replicas(nodes)
    copies = _copies(nodes)
    resources: Counter[str] = Counter()
    for copy in copies:
        resources.update(_resources(copy))
    gpus = sum(max(_number(node, "gpus", _gpus(node)) for node in copy) for copy in copies)
    known = all(card_of(graph, node).bytes is not None for node in nodes)
    demands = [demand_of(graph, "", group, ()) for group in weight_groups(graph, nodes)]
    taken = sum((each.gpu if gpus else each.cpu) + each.spare for each in demands)
    return Pool(
        name="+".join(dict.fromkeys(checkpoint_of(node).name for node in nodes)),
        models=tuple(dict.fromkeys(map(checkpoint_of, nodes))),
        cpus=sum(max(_number(node, "cpus", 1.0) for node in copy) for copy in copies),
        gpus=gpus if gpus <= 1 else float(math.ceil(gpus)),  # above one, Ray gives whole GPUs only
        resources=dict(resources),
        fewest=fewest,
        most=most,
        bytes=sum(each.gpu for each in demands) if known else None,
        memory=taken if known else None,
    )


def _copies(nodes: Iterable[Node]) -> list[list[Node]]:
    """Group models by the weights that they have in memory together: a replica has these once."""
    copies: dict[Hashable, list[Node]] = {}
    for node in nodes:
        copies.setdefault(memory_of(checkpoint_of(node)), []).append(node)
    return list(copies.values())


def _replicas(nodes: Iterable[Node]) -> tuple[int, int]:
    """Return the bounds that a model of the pool gives; `check` holds that all give the same."""
    given = next(filter(None, (cluster_option(node, "replicas") for node in nodes)), 1)
    return given if isinstance(given, tuple) else (given, given)


def _resources(copy: Iterable[Node]) -> dict[str, float]:
    """Return the most of each custom resource that a model of one copy asks for."""
    most: dict[str, float] = {}
    for node in copy:
        for name, amount in cast("Variables", cluster_option(node, "resources") or ()):
            most[name] = max(most.get(name, 0.0), float(amount))
    return most


def _number(node: Node, option: str, default: float) -> float:
    given = cluster_option(node, option)
    return default if given is None else float(cast("float", given))


def _gpus(node: Node) -> float:
    """Return how many GPUs a model takes that says nothing: one, if it is to run on a GPU."""
    device = checkpoint_of(node).weights.device
    name = devices()[0].name if device == "auto" else device
    return 1.0 if name.startswith("cuda") else 0.0
