"""A picture in the language of Graphviz."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING

from composer.compiler.pictures.picture import FILL, GREY
from composer.compiler.pictures.text_width import one_line

if TYPE_CHECKING:
    from collections.abc import Iterator

    from composer.compiler.pictures.picture import Box, Edge, Picture

FONT = 'fontname="sans-serif"'

LONGEST = 72
"""Characters of a line in a box."""


def dot(picture: Picture) -> str:
    """Draw a picture as a directed graph for Graphviz."""
    return "\n".join(_lines(picture)) + "\n"


def _lines(picture: Picture) -> Iterator[str]:
    yield f"digraph {_quoted(picture.name)} {{"
    yield f"  graph [rankdir={'TB' if picture.deep else 'LR'}, bgcolor=transparent]"
    yield f'  node [shape=box, style="rounded,filled", {FONT}, fontcolor="#1f2328", fontsize=11]'
    yield f'  edge [color="{GREY}", fontcolor="{GREY}", {FONT}, fontsize=9]'
    yield from (f"  {_box(box)}" for box in picture.boxes)
    yield f'  answer [shape=plain, style="", fontcolor="{GREY}"]'
    yield from (f"  {_edge(edge)}" for edge in picture.edges)
    yield f"  {picture.answer} -> answer"
    yield "}"


def _box(box: Box) -> str:
    face, border = FILL[box.kind]
    style = ', style="rounded,filled,dashed"' if box.maybe else ""
    return f'{box.id} [label=<{_label(box)}>, fillcolor="{face}", color="{border}"{style}]'


def _edge(edge: Edge) -> str:
    label = f"label={_quoted(edge.label)}" if edge.label else ""
    attributes = ", ".join(filter(None, (label, "style=dashed" if edge.maybe else "")))
    return f"{edge.source} -> {edge.target}" + (f" [{attributes}]" if attributes else "")


def _label(box: Box) -> str:
    chips = ", ".join(str(chip) for chip in box.chips)
    lines = [f"<b>{_escaped(box.title)}</b>", *map(_escaped, filter(None, (chips, *box.facts)))]
    return "<br/>".join(lines)


def _escaped(text: str) -> str:
    return escape(one_line(text, LONGEST))


def _quoted(text: str) -> str:
    return '"' + one_line(text, LONGEST).replace("\\", "\\\\").replace('"', '\\"') + '"'
