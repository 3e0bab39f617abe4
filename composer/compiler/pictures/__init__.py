"""Pictures of a graph: as text for terminals, as Mermaid, as Graphviz dot, and as SVG.

All four draw one :class:`Picture`, which is the graph as a person would sketch it: a model that
is asked is one box, a fuse holds its members, and a bank is the lines that leave its branches.
"""

from composer.compiler.pictures.dot import dot
from composer.compiler.pictures.mermaid import mermaid
from composer.compiler.pictures.picture import Box, Edge, MemberChip, Picture
from composer.compiler.pictures.sketch import sketch
from composer.compiler.pictures.svg import svg
from composer.compiler.pictures.text import text

__all__ = [
    "FORMATS",
    "Box",
    "Edge",
    "MemberChip",
    "Picture",
    "dot",
    "mermaid",
    "sketch",
    "svg",
    "text",
]

FORMATS = {"text": text, "mermaid": mermaid, "dot": dot, "svg": svg}
"""What draws a picture, by the name of the format."""
