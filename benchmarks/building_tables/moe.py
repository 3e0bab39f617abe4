"""What mixtures of two light fine-tunes of a zoo model are right in, by how they choose experts.

Every third test item is answered greedily. Gates that read prompts are given one question for each
skill, of validation items. Intervals are by a bootstrap over items.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from table_text import gain, markdown, percent

from building_tables.tunes import Judge, items
from composer import zoo
from composer.evaluate import read_rows

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

MIXTURES = {
    "hidden states, the best expert": "hidden({prompts}, negative = {others}), top = 1",
    "hidden states, both experts": "hidden({prompts}, negative = {others}), top = 2",
    "embeddings, the best expert": "embeddings({prompts}, negative = {others}), top = 1",
    "random, the best expert": "random(), top = 1",
    "uniform, both experts": "uniform(), top = 2",
}
FORMS = {
    "base": "base",
    "tune for maths": "maths",
    "tune for text": "text",
    "soup": "merge(maths, text)",
}
HEAD = "model", "maths items", "text items", "all items", "over the base"


def table(data: Path) -> str:
    """Return the table; the data folder is not read."""
    del data
    names = {"base": "general-1", "maths": "tune-maths", "text": "tune-text"}
    judge = Judge({name: zoo.folder(model) for name, model in names.items()})
    lists = [_prompts(half) for half in ("maths", "text")]
    given = {"prompts": json.dumps(lists), "others": json.dumps(lists[::-1])}
    forms = FORMS | {
        name: f"moe(base, maths, text, gate = {gate.format(**given)}, base_expert = false)"
        for name, gate in MIXTURES.items()
    }
    halves = [row["tags"][1] for row in items("test")]
    rows = []
    for name, form in forms.items():
        right = judge.right(form).tolist()
        parts = [_of(half, right, halves) for half in ("maths", "text")]
        against = gain(right, judge.right("base").tolist())
        rows.append([name, *map(percent, [*parts, right]), against])
    return markdown(HEAD, rows)


def _of(half: str, right: Sequence[float], halves: Sequence[str]) -> list[float]:
    return [each for each, own in zip(right, halves, strict=True) if own == half]


def _prompts(half: str) -> list[str]:
    """Return the first validation item of each skill of a half."""
    first: dict[str, str] = {}
    for row in read_rows(zoo.items("validation")):
        if row.tags[1] == half:
            first.setdefault(row.tags[0], row.query)
    return list(first.values())
