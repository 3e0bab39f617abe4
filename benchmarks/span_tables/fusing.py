"""Span fusion of three members of the zoo beside the best of them and beside token fusion."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from table_text import gain, markdown, percent

from span_tables._zoo import items, measured, scores

if TYPE_CHECKING:
    from pathlib import Path

ROWS = 340
FUSES = {
    "token fusion": "token_fuse({}, align = union())",
    "spans of a word": "span_fuse({})",
    "spans of two words": "span_fuse({}, span = words(n = 2))",
    "spans by margin": "span_fuse({}, span = margin())",
    "spans of a word, Hedge": "span_fuse({}, weigh = hedge())",
}
POOLS = {
    "three generalists": ("general", "general_2", "other"),
    "a generalist and both specialists": ("general", "maths", "text"),
}


def table(data: Path) -> str:
    """Return the table; the zoo has all that it needs."""
    del data
    rows = items(ROWS)
    lines: list[list[str]] = []
    for title, members in POOLS.items():
        fuses = {name: text.format(", ".join(members)) for name, text in FUSES.items()}
        reports = measured({**{name: name for name in members}, **fuses}, rows)
        right = {name: scores(report) for name, report in reports.items()}
        best = max(members, key=lambda name: np.mean(right[name]))
        lines.append([f"{title}: the best one, {best}", percent(right[best]), "", ""])
        lines += [
            [f"{title}: {name}", percent(own), gain(own, right[best]), over(name, right)]
            for name, own in right.items()
            if name in FUSES
        ]
    head = ["members and fuse", "right", "over the best one", "over token fusion"]
    return f"{len(rows)} test items of the zoo.\n\n{markdown(head, lines)}"


def over(name: str, right: dict[str, list[float]]) -> str:
    """Return the gain over token fusion."""
    return "" if name == "token fusion" else gain(right[name], right["token fusion"])
