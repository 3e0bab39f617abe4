"""A picture as a Mermaid flowchart, which many pages draw where it stands in their text."""

from __future__ import annotations

from typing import TYPE_CHECKING

from composer.compiler.pictures.picture import FILL
from composer.compiler.pictures.text_width import one_line

if TYPE_CHECKING:
    from collections.abc import Iterator

    from composer.compiler.pictures.picture import Box, Edge, Picture

SHAPES = {"query": ("([", "])"), "decision": ("{{", "}}")}
"""The brackets around boxes of some kinds; the others are rectangles with round corners."""

LONGEST = 72
"""Characters of a line in a box."""


def mermaid(picture: Picture) -> str:
    """Draw a picture as the text of a Mermaid flowchart."""
    return "\n".join(_lines(picture)) + "\n"


def _lines(picture: Picture) -> Iterator[str]:
    yield f"%% {one_line(picture.name)}"
    yield f"flowchart {'TD' if picture.deep else 'LR'}"
    for box in picture.boxes:
        left, right = SHAPES.get(box.kind, ("(", ")"))
        yield f'  {box.id}{left}"{_label(box)}"{right}:::{box.kind}'
    yield '  answer["answer"]:::bare'
    yield from (f"  {_edge(edge)}" for edge in picture.edges)
    yield f"  {picture.answer} --> answer"
    for kind in picture.kinds:
        face, border = FILL[kind]
        yield f"  classDef {kind} fill:{face},stroke:{border},color:#1f2328"
    yield "  classDef bare fill:none,stroke:none"
    maybe = ",".join(box.id for box in picture.boxes if box.maybe)
    if maybe:
        yield f"  class {maybe} maybe"
        yield "  classDef maybe stroke-dasharray:5 4"


def _edge(edge: Edge) -> str:
    line = "-.->" if edge.maybe else "-->"
    label = f'|"{_escaped(edge.label)}"|' if edge.label else ""
    return f"{edge.source} {line}{label} {edge.target}"


def _label(box: Box) -> str:
    chips = ", ".join(str(chip) for chip in box.chips)
    lines = [f"<b>{_escaped(box.title)}</b>", *map(_escaped, filter(None, (chips, *box.facts)))]
    return "<br>".join(lines)


def _escaped(text: str) -> str:
    """Write a text so that it means nothing to Mermaid or to the page around it."""
    cut = one_line(text, LONGEST)
    return "".join(f"#{ord(letter)};" if letter in SPECIAL else letter for letter in cut)


SPECIAL = frozenset("\"'#&<>`\\;|{}[]")
