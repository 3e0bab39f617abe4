"""Where everything of a picture lies: boxes, and the hops that lines are made of."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING

from composer.compiler.pictures.coordinates import coordinates
from composer.compiler.pictures.layers import assign_layers
from composer.compiler.pictures.order import order_layers
from composer.compiler.pictures.svg_box import SizedBox, sized_box
from composer.compiler.pictures.text_width import sans_width

if TYPE_CHECKING:
    from composer.compiler.pictures.layers import Hop, Layers
    from composer.compiler.pictures.picture import Picture

APART = 18.0
"""Room between two boxes of a layer."""

BETWEEN = 46.0
"""Room between layers, more where lines carry names or are many."""

LABEL = 10.0
"""Size of the letters of names on lines."""

LONGEST = 110.0
"""Width of a name on a line, at the most."""

TRUNK = 4.0
"""How broad a line is that passes a layer by."""

Point = tuple[float, float]


@dataclass(frozen=True, slots=True)
class DrawnHop:
    """A hop as it is drawn: along the layers it goes from `start` to `bend`, to `end`."""

    start: Point
    bend: Point
    end: Point
    through: float | None
    maybe: bool
    label: str


@dataclass(frozen=True, slots=True)
class PlacedBox:
    """A box, with its upper left corner and how wide it is drawn."""

    sized_box: SizedBox
    x: float
    y: float
    width: float


@dataclass(eq=False)
class Layout:
    """The layers of a picture laid out; `down` says that they follow each other downwards."""

    picture: Picture
    down: bool

    def __post_init__(self) -> None:
        edges_into = self.picture.edges_into()
        boxes = self.picture.boxes
        self.faces = [sized_box(box, len(edges_into[box.id]), down=self.down) for box in boxes]
        self.layers: Layers = assign_layers(self.picture)
        rows = order_layers(self.layers)
        self.bands = self._bands(rows)
        sizes = [shown.width if self.down else shown.height for shown in self.faces]
        sizes += [TRUNK] * (len(self.layers.layer) - len(sizes))
        self.sizes = sizes
        self.middle = coordinates(self.layers, rows, sizes, APART)
        self.length = self.bands[-1][1]
        self.breadth = max(m + s / 2 for m, s in zip(self.middle, sizes, strict=True))

    def _bands(self, rows: list[list[int]]) -> list[tuple[float, float]]:
        """Return where each layer begins and ends along the picture."""
        room = self._rooms(len(rows))
        bands: list[tuple[float, float]] = []
        at = 0.0
        for row, before in zip(rows, room, strict=True):
            boxes = [self.faces[place] for place in row if place < len(self.faces)]
            thick = max((f.height if self.down else f.width for f in boxes), default=0.0)
            at += before
            bands.append((at, at + thick))
            at += thick
        return bands

    def _rooms(self, count: int) -> list[float]:
        """Return the room before each layer, by the names on its lines and how many they are."""
        names, lines = [0.0] * count, [0] * count
        for hop in self.layers.hops:
            lines[self.layers.layer[hop[1]]] += 1
        for (_, target), edge in self.layers.ends.items():
            at = self.layers.layer[target]
            names[at] = max(names[at], _label_width(edge.label))
        wide = [0.0 if self.down or not name else name + 34 for name in names]
        busy = [min(60.0, 1.2 * max(0, line - 4)) for line in lines]
        return [0.0, *(max(BETWEEN + busy[at], wide[at]) for at in range(1, count))]

    def boxes(self) -> list[PlacedBox]:
        """Return each box with its corner; side by side, those of a layer are equally wide."""
        boxes = []
        for place, shown in enumerate(self.faces):
            begin, end = self.bands[self.layers.layer[place]]
            if self.down:
                x = self.middle[place] - shown.width / 2
                boxes.append(PlacedBox(shown, x, (begin + end - shown.height) / 2, shown.width))
            else:
                y = self.middle[place] - shown.height / 2
                boxes.append(PlacedBox(shown, begin, y, end - begin))
        return boxes

    def lines(self) -> list[DrawnHop]:
        """Return every hop, ending where its target has room for it."""
        into: dict[int, list[Hop]] = defaultdict(list)
        for hop in self.layers.hops:
            into[hop[1]].append(hop)
        return [
            self._drawn(hop, at, len(hops))
            for hops in into.values()
            for at, hop in enumerate(sorted(hops, key=lambda hop: self.middle[hop[0]]))
        ]

    def _drawn(self, hop: Hop, at: int, count: int) -> DrawnHop:
        source, target = hop
        ends = target < len(self.faces)
        begin, end = self.bands[self.layers.layer[target]]
        inset = self._inset(target, begin, end)
        place = self.middle[target]
        if ends:
            place += self.sizes[target] * ((at + 1) / (count + 1) - 0.5)
        leave, edge = self.bands[self.layers.layer[source]][1], self.layers.ends.get(hop)
        out = self._inset(source, *self.bands[self.layers.layer[source]])
        return DrawnHop(
            (leave - out, self.middle[source]),
            (leave, self.middle[source]),
            (begin + inset, place),
            None if ends else end,
            self.layers.hops[hop],
            edge.label if edge else "",
        )

    def _inset(self, place: int, begin: float, end: float) -> float:
        """Return how far a box stays away from the sides of its layer."""
        if not self.down or place >= len(self.faces):
            return 0.0
        return (end - begin - self.faces[place].height) / 2


def _label_width(label: str) -> float:
    return min(LONGEST, sans_width(label, LABEL)) + 14 if label else 0.0
