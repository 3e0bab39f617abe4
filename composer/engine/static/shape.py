"""The shapes of a static step: which models read how many rows, and how entries are drawn.

Rows and cells are rounded up to sizes of which there are few, since a step is made for each shape.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

from composer.engine.sample import Columns, Kinds

__all__ = ["Pass", "Shape", "rounded_cells", "rounded_rows"]

_FEWEST = 64  # cells


class Pass(NamedTuple):
    """One model's pass: its first `rows` read a token each and attend to `reach` cells."""

    rows: int
    reach: int


@dataclass(frozen=True)
class Shape:
    """What a static step is made for.

    `slots` run, with these `weights` of the group's members. `passes` are those of their models,
    each model once. There are `count` requests, with those that only fill up. With `direct` request
    n has row n in all passes, else it says which rows it has. `kinds` are those of drawing.
    """

    slots: tuple[int, ...]
    weights: tuple[float, ...]
    passes: tuple[Pass, ...]
    count: int
    direct: bool
    kinds: Kinds

    @property
    def drawing(self) -> int:
        """How many numbers say how an entry is drawn; the likeliest one needs none."""
        return len(Columns._fields) + 1 if self.kinds.unfiltered or self.kinds.filtered else 0

    @property
    def parts(self) -> list[int]:
        """How many numbers the parts of the input have.

        First ids and positions of each pass, then the row of each request in each slot, then what
        entries are drawn by: sampling options and uniform draws.
        """
        passes = [one.rows for one in self.passes for _ in range(2)]
        places = [] if self.direct else [self.count] * len(self.slots)
        return [*passes, *places, *[self.count] * self.drawing]


def rounded_cells(cells: int) -> int:
    """Round up to one of two sizes in each octave: 64, 96, 128, 192, 256 and so on."""
    octave = rounded_rows(cells)
    between = octave // 4 * 3
    return max(_FEWEST, between if cells <= between else octave)


def rounded_rows(rows: int) -> int:
    """Round up to a power of two."""
    return 1 << (rows - 1).bit_length()
