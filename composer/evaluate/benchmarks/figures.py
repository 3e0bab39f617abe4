"""Tables of the figures that a benchmark publishes, as values, as JSON and drawn."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from rich.text import Text

from composer.diagnostics.amounts import cost_text
from composer.evaluate.cells import Sheet, percent

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from rich.console import RenderableType

    from composer.values import JSON

__all__ = ["MAIN", "Figures", "Published", "average"]

MAIN = "figures"

FORMATS: dict[str, Callable[[float], str]] = {
    "share": percent,
    "number": "{:.3f}".format,
    "rating": "{:.2f}".format,
    "count": "{:,.0f}".format,
    "dollars": cost_text,
}
"""How the values of a column are written, by the kind of the column."""


@dataclass(frozen=True)
class Figures:
    """A table: `columns` maps their names to the kinds of their values, `rows` has a value each.

    None stands for what is not known. The first table of a benchmark has the name `MAIN`.
    """

    name: str
    columns: Mapping[str, str]
    rows: Mapping[str, tuple[float | None, ...]]

    def as_dict(self) -> dict[str, JSON]:
        """Give the values by row and column, as `--json` prints them."""
        return {
            row: dict(zip(self.columns, values, strict=True)) for row, values in self.rows.items()
        }

    def sheet(self, benchmark: str) -> Sheet:
        """Draw the table; the first row, that of the recipe, is bold."""
        name = "as published" if self.name == MAIN else self.name
        drawn = Sheet(f"{benchmark}, {name}", *self.columns)
        for at, (row, values) in enumerate(self.rows.items()):
            kinds = zip(values, self.columns.values(), strict=True)
            cells = ["" if value is None else FORMATS[kind](value) for value, kind in kinds]
            drawn.add_row(f"  {row}" if at else row, *cells, style=None if at else "bold")
        return drawn


@dataclass(frozen=True)
class Published:
    """The figures that a benchmark's paper or code defines, and what they stand on."""

    benchmark: str
    tables: tuple[Figures, ...]
    notes: tuple[str, ...] = ()

    def as_dict(self) -> dict[str, JSON]:
        """Give what `--json` prints under the name of the benchmark."""
        tables = {table.name: table.as_dict() for table in self.tables}
        return {self.benchmark: {**tables, "notes": list(self.notes)}}

    def draw(self) -> Iterator[RenderableType]:
        """Draw the tables, and the notes below them."""
        for table in self.tables:
            yield Text()
            yield table.sheet(self.benchmark)
        if self.notes:
            yield Text("\n" + "\n".join(self.notes))


def average(values: list[float]) -> float | None:
    """Return the mean of some values, None where there are none."""
    return sum(values) / len(values) if values else None
