"""What a picture of a graph holds, before it is drawn in any way."""

from __future__ import annotations

from dataclasses import dataclass

FILL = {
    "query": ("#e9ecf1", "#57606a"),
    "text": ("#dbeafe", "#2563eb"),
    "candidates": ("#ede9fe", "#7c3aed"),
    "ranking": ("#fce7f3", "#be185d"),
    "decision": ("#fef3c7", "#b45309"),
    "model": ("#dcfce7", "#15803d"),
}
"""The colours of what a box gives: its face and its border, legible on white and on black."""

GREY = "#7a838e"
"""The colour of lines and of words beside boxes, legible on white and on black."""


WIDEST = 8
"""Layers that are drawn from left to right; more go downwards."""


@dataclass(frozen=True, slots=True)
class MemberChip:
    """A member inside a box: its name, and the weight or the model beside it."""

    name: str
    beside: str = ""

    def __str__(self) -> str:
        return f"{self.name} {self.beside}".rstrip()


@dataclass(frozen=True, slots=True)
class Box:
    """A step, or a model that is asked. `kind` is the port of what it gives."""

    id: str
    title: str
    kind: str
    facts: tuple[str, ...] = ()
    chips: tuple[MemberChip, ...] = ()
    maybe: bool = False
    place: str = ""


@dataclass(frozen=True, slots=True)
class Edge:
    """What one box hands to another; `maybe` where that may not happen."""

    source: str
    target: str
    label: str = ""
    maybe: bool = False


@dataclass(frozen=True, slots=True)
class Picture:
    """Boxes in the order of work, and the lines between them."""

    name: str
    boxes: tuple[Box, ...]
    edges: tuple[Edge, ...]
    answer: str
    kinds: tuple[str, ...]

    @property
    def deep(self) -> bool:
        """Say whether the picture has so many layers that it is better drawn downwards."""
        return len(set(self.layers().values())) > WIDEST

    def edges_into(self) -> dict[str, list[Edge]]:
        """Return the lines into each box, in the order of its inputs."""
        edges: dict[str, list[Edge]] = {box.id: [] for box in self.boxes}
        for edge in self.edges:
            edges[edge.target].append(edge)
        return edges

    def layers(self) -> dict[str, int]:
        """Return the layer of each box: as late as the boxes that need it allow, from 0."""
        early = {box.id: 0 for box in self.boxes}
        edges_into = self.edges_into()
        for box in self.boxes:
            early[box.id] = max((early[edge.source] + 1 for edge in edges_into[box.id]), default=0)
        late = dict.fromkeys(early, early[self.answer])
        for box in reversed(self.boxes):
            for edge in edges_into[box.id]:
                late[edge.source] = min(late[edge.source], late[box.id] - 1)
        first = min(late.values())
        return {name: layer - first for name, layer in late.items()}
