"""A picture as text: a tree from the answer down to the query."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from composer.compiler.pictures.text_width import one_line
from composer.diagnostics.printable import columns

if TYPE_CHECKING:
    from collections.abc import Iterator

    from composer.compiler.pictures.picture import Box, Edge, Picture

DEEPEST = 16
"""Branches within branches that are indented; what lies deeper has a tree of its own below."""

WIDEST = 44
"""Columns of the tree beyond which what is said of a box does not move to the right."""

LONGEST = 120
"""Characters of an option that are told."""

Row = tuple[str, str, str]
"""A line of the tree: the name in the plan, the branch, and what is said of it."""


def text(picture: Picture) -> str:
    """Draw a picture for a terminal: the answer on top, what each box is given below it."""
    rows = list(_Tree(picture).rows())
    names = max(len(name) for name, _, _ in rows)
    width = min(WIDEST, max(_width(tree) for _, tree, _ in rows))
    lines = [f"graph of {one_line(picture.name)}{_note(picture)}", ""]
    for name, tree, description in rows:
        padding = " " * max(0, width - _width(tree))
        lines.append(f"{name:<{names}}  {tree}{padding}   {description}".rstrip())
    return "\n".join(lines) + "\n"


def _note(picture: Picture) -> str:
    maybe = any(edge.maybe for edge in picture.edges)
    return "   (boxes behind ┄ may not run)" * maybe


@dataclass(eq=False)
class _Tree:
    picture: Picture
    drawn: set[str] = field(default_factory=set)
    later: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.boxes = {box.id: box for box in self.picture.boxes}
        self.edges_into = self.picture.edges_into()

    def rows(self) -> Iterator[Row]:
        """Draw the tree of the answer, then those that were too deep to hang in it."""
        self.later = [self.picture.answer]
        for root in self.later:
            if root != self.picture.answer:
                yield "", "", ""
            yield from self._tree(root)

    def _tree(self, root: str) -> Iterator[Row]:
        waiting: list[tuple[Edge | None, str, str, str, int]] = [(None, root, "", "", 0)]
        while waiting:
            edge, name, branch, under, depth = waiting.pop()
            if name in self.drawn or (depth > DEEPEST and self.edges_into[name]):
                yield self._elsewhere(name, branch, edge)
                continue
            box, edges = self.boxes[name], self.edges_into[name]
            self.drawn.add(name)
            yield name, branch + self._title(box, edge, edges), _said(box)
            waiting += self._below(edges, under, depth)

    def _below(
        self, edges: list[Edge], under: str, depth: int
    ) -> Iterator[tuple[Edge, str, str, str, int]]:
        """Yield what hangs under a box, last first; a lone input goes on in the same column."""
        if len(edges) == 1:
            if not self._is_told(edges[0]):
                yield edges[0], edges[0].source, f"{under}{FROM} ", under, depth
            return
        for at in reversed(range(len(edges))):
            last = at == len(edges) - 1
            dash = DASHED if edges[at].maybe else SOLID
            branch = under + (CORNER if last else TEE) + dash + " "
            below = under + ("   " if last else f"{DOWN}  ")
            yield edges[at], edges[at].source, branch, below, depth + 1

    def _title(self, box: Box, edge: Edge | None, edges: list[Edge]) -> str:
        """Name a box; a lone input that is the query, or drawn before, stands beside it."""
        named = _named(edge)
        lone = edges[0] if len(edges) == 1 and self._is_told(edges[0]) else None
        return f"{named}{one_line(box.title)}" + (f" {TAKES} {self._told(lone)}" if lone else "")

    def _is_told(self, edge: Edge) -> bool:
        return not self.edges_into[edge.source] or edge.source in self.drawn

    def _told(self, edge: Edge) -> str:
        box = self.boxes[edge.source]
        return (
            box.title if box.kind == "query" and not self.edges_into[box.id] else f"{box.id} above"
        )

    def _elsewhere(self, name: str, branch: str, edge: Edge | None) -> Row:
        """Point to a box that has its tree above, or will have it below."""
        box = self.boxes[name]
        named = _named(edge)
        if name in self.drawn:
            return (
                name,
                f"{branch}{named}{one_line(box.title)}",
                "as above" if self.edges_into[name] else "",
            )
        if name not in self.later:
            self.later.append(name)
        return name, f"{branch}{named}{one_line(box.title)}", "as below"


SOLID = "\N{BOX DRAWINGS LIGHT HORIZONTAL}"
DASHED = "\N{BOX DRAWINGS LIGHT TRIPLE DASH HORIZONTAL}"
DOWN = "\N{BOX DRAWINGS LIGHT VERTICAL}"
TEE = "\N{BOX DRAWINGS LIGHT VERTICAL AND RIGHT}"
CORNER = "\N{BOX DRAWINGS LIGHT UP AND RIGHT}"
FROM = "\N{UPWARDS ARROW}"
TAKES = "\N{LEFTWARDS ARROW}"


def _named(edge: Edge | None) -> str:
    return f"{one_line(edge.label)}: " if edge is not None and edge.label else ""


def _said(box: Box) -> str:
    chips = ", ".join(str(chip) for chip in box.chips)
    return "; ".join(one_line(fact, LONGEST) for fact in (chips, *box.facts) if fact)


def _width(text_: str) -> int:
    return columns(text_)[-1]
