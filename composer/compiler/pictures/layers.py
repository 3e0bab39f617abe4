"""A picture in layers: lines that pass a layer by have a place of their own in it.

All lines of one box share a trunk, from which each leaves just before the layer of its box; so
a query that many models read is one line along the picture, not one for each of them.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from composer.compiler.pictures.picture import Edge, Picture

ROOM = 40_000
"""Places for trunks in one picture; beyond that, lines are drawn straight across."""

LARGE = 6_000
"""Places from which on a layout is improved less often, so that it takes seconds only."""

Hop = tuple[int, int]
"""Two places in neighbouring layers that a line joins."""


@dataclass(eq=False, slots=True)
class Layers:
    """Places by layer. The first ones are the boxes, in order; the others are parts of trunks."""

    layer: list[int]
    rows: list[list[int]]
    hops: dict[Hop, bool]
    ends: dict[Hop, Edge]
    boxes: int

    def neighbours(self) -> tuple[list[list[int]], list[list[int]]]:
        """Return the places before and after each place."""
        before: list[list[int]] = [[] for _ in self.layer]
        after: list[list[int]] = [[] for _ in self.layer]
        for source, target in self.hops:
            before[target].append(source)
            after[source].append(target)
        return before, after

    def effort(self, rounds: int) -> int:
        """Return how many of these rounds a picture of this size is worth."""
        return max(1, min(rounds, rounds * LARGE // len(self.layer)))


def assign_layers(picture: Picture) -> Layers:
    """Give each box its layer, and each line its places in the layers between."""
    box_layers = picture.layers()
    names = {box.id: at for at, box in enumerate(picture.boxes)}
    layers = Layers([box_layers[box.id] for box in picture.boxes], [], {}, {}, len(names))
    trunks: dict[tuple[int, int], int] = {}
    for edge in picture.edges:
        _lay(layers, trunks, names[edge.source], names[edge.target], edge)
    layers.rows = [[] for _ in range(max(layers.layer) + 1)]
    for place, layer in enumerate(layers.layer):
        layers.rows[layer].append(place)
    return layers


def _lay(
    layers: Layers, trunks: dict[tuple[int, int], int], source: int, target: int, edge: Edge
) -> None:
    """Lay one line: along its source's trunk, as far as there is one, then on to its target."""
    at = source
    first, last = layers.layer[source] + 1, layers.layer[target]
    crowded = len(trunks) + last - first > ROOM
    for layer in range(first, first if crowded else last):
        if (source, layer) not in trunks:
            trunks[source, layer] = len(layers.layer)
            layers.layer.append(layer)
        step = trunks[source, layer]
        layers.hops[at, step] = layers.hops.get((at, step), True) and edge.maybe
        at = step
    layers.hops[at, target] = layers.hops.get((at, target), True) and edge.maybe
    other = layers.ends.get((at, target))
    label = ", ".join(filter(None, (other.label, edge.label))) if other else edge.label
    layers.ends[at, target] = replace(edge, label=label)
