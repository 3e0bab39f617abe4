"""What merges of the two tunes of a story model know of both tunes' texts, in bits a byte.

Task arithmetic takes each tune with a strength of its own, from a grid. With one tune alone it is
WiSE-FT. Nothing is chosen on the texts: all merges that were tried are in the tables.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from table_text import figure, markdown

from building_tables._stories import Bits, bits, texts
from building_tables._tradeoff import draw

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    Found = Mapping[str, Mapping[str, Bits]]

STRENGTHS = 0.0, 0.25, 0.5, 0.75, 1.0
SHARES = 0.2, 0.35, 0.5, 0.65, 0.8
DENSITIES = 0.2, 0.5, 0.8
KINDS = {"maths": "questions of GSM8K", "bard": "Shakespeare"}


def arithmetic(maths: float, bard: float) -> str:
    """Write task arithmetic with a strength of each tune; without any, the base."""
    terms = [f" + {by:g} * ({n} - base)" for n, by in (("maths", maths), ("bard", bard)) if by]
    return f"merge(base{''.join(terms)})" if terms else "base"


def edited(edit: str, by: float = 1) -> str:
    """Write task arithmetic with one strength for both tunes, edited."""
    return f"merge(base + {by:g} * (maths - base) + {by:g} * (bard - base), edit = {edit})"


def between(share: float, edit: str = "average()") -> str:
    """Write a merge of the two tunes alone."""
    return f"merge(maths, bard, weights = [{share:g}, {1 - share:g}], edit = {edit})"


SINGLE = {"base": "base", "maths tune": "maths", "Shakespeare tune": "bard"}
CURVES = {
    "task arithmetic, both by": {f"{by:g}": arithmetic(by, by) for by in STRENGTHS},
    "WiSE-FT of the maths tune, by": {f"{by:g}": arithmetic(by, 0) for by in STRENGTHS},
    "WiSE-FT of the Shakespeare tune, by": {f"{by:g}": arithmetic(0, by) for by in STRENGTHS},
    "soup, maths tune's share": {f"{by:g}": between(by) for by in SHARES},
    "SLERP, maths tune's share": {f"{by:g}": between(by, "slerp()") for by in SHARES},
    "TIES, both by 1, density": {f"{by:g}": edited(f"ties(density = {by:g})") for by in DENSITIES},
    "DARE, both by 0.5, density": {
        f"{by:g}": edited(f"dare(density = {by:g})", 0.5) for by in DENSITIES
    },
}


def table(data: Path, plot: Path | None = None) -> str:
    """Return the grid and the table of methods, and draw all of them."""
    grid = [arithmetic(maths, bard) for maths in STRENGTHS for bard in STRENGTHS]
    methods = [each for curve in CURVES.values() for each in curve.values()]
    wanted, read = texts(data), dict.fromkeys([*SINGLE.values(), *grid, *methods])
    found = {expression: bits(data, expression, wanted) for expression in read}
    if plot is not None:
        _draw(plot, found)
    return f"{_grid(found)}\n\n{_methods(found)}"


def _grid(found: Found) -> str:
    head = [r"maths \ Shakespeare", *(f"{by:g}" for by in STRENGTHS)]
    rows = [
        [f"{maths:g}", *(_pair(found[arithmetic(maths, bard)]) for bard in STRENGTHS)]
        for maths in STRENGTHS
    ]
    return markdown(head, rows)


def _pair(of: Mapping[str, Bits]) -> str:
    return " / ".join(f"{of[kind].rate.mean:.3f}" for kind in KINDS)


def _methods(found: Found) -> str:
    named = SINGLE | {f"{n} {by}": each for n in CURVES for by, each in CURVES[n].items()}
    once: dict[str, str] = {}  # a curve may end in the base or in a tune
    for name, each in named.items():
        once.setdefault(each, name)
    rows = [
        [name, *(figure(found[each][kind].rate, ".3f") for kind in KINDS)]
        for each, name in once.items()
    ]
    return markdown(["model", *KINDS.values()], rows)


def _draw(plot: Path, found: Found) -> None:
    curves = {name: [each] for name, each in SINGLE.items()}
    curves |= {name.partition(",")[0]: list(curve.values()) for name, curve in CURVES.items()}
    points = {name: [_point(found[each]) for each in curve] for name, curve in curves.items()}
    grid = [_point(found[arithmetic(a, b)]) for a in STRENGTHS for b in STRENGTHS]
    draw(
        plot,
        points,
        ("task arithmetic, grid", grid),
        tuple(f"bits a byte of {kind}" for kind in KINDS.values()),
    )


def _point(of: Mapping[str, Bits]) -> Sequence[float]:
    return [of[kind].rate.mean for kind in KINDS]
