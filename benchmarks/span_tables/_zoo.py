"""Recipes over the models of the zoo, measured on its test items."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

import numpy as np

from composer import load, zoo
from composer.evaluate import EvaluationRow, Report, compare, read_rows

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

HEAD = """use "zoo.ens" (general, general_2, other, maths, text)
default generate(max_tokens = 96)
"""


def items(count: int, kinds: Sequence[str] = ()) -> list[EvaluationRow]:
    """Return test items, equally far apart in the file; those of some kinds, if any are named."""
    rows = read_rows(zoo.ITEMS / "test.jsonl")
    rows = [row for row in rows if not kinds or row.tags[0] in kinds]
    return [rows[int(at)] for at in np.linspace(0, len(rows) - 1, min(count, len(rows)))]


def measured(recipes: Mapping[str, str], rows: Sequence[EvaluationRow]) -> dict[str, Report]:
    """Return the report of each recipe."""
    with TemporaryDirectory() as folder:
        loaded = []
        for at, answer in enumerate(recipes.values()):
            path = Path(folder, f"{at}.ens")
            path.write_text(f"{HEAD}{answer}\n", encoding="utf-8")
            loaded.append(load(path))
        reports = compare(loaded, list(rows), members=False).reports
    return dict(zip(recipes, reports, strict=True))


def scores(report: Report) -> list[float]:
    """Return the grade of each question."""
    return [report.qualities[name] for name in sorted(report.qualities)]
