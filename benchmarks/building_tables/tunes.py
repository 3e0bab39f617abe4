"""What merges of two light fine-tunes of a zoo model are right in, and which merges collapse.

Every third test item is answered greedily. The tunes are made with three seeds; a figure is over
the seeds and items of a method, and its 95% interval is by a bootstrap over items. A strength, the
same for both tunes, is chosen on validation items, for each seed and method.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

import numpy as np
from table_text import gain, markdown, percent

import composer
from building_tables._tunes import ANCESTOR, SEEDS, full, light
from composer import zoo
from composer.evaluate import EvaluationRow, evaluate, read_rows

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

TEST, VALIDATION = 3, 4
"""Which of so many items is taken."""

STRENGTHS = 0.4, 0.7, 1.0
ARITHMETIC = "merge(base + {by} * (maths - base) + {by} * (text - base), edit = {edit})"
FIXED = {
    "base": "base",
    "tune for maths": "maths",
    "tune for text": "text",
    "soup": "merge(maths, text)",
    "SLERP": "merge(maths, text, edit = slerp())",
}
SEARCHED = {
    "task arithmetic": "average()",
    "TIES": "ties(density = 0.2)",
    "DARE": "dare(density = 0.5)",
}
UNLIKE = {
    "general-1 + general-2, another seed": ("general-1", "general-2"),
    "general-1 + maths, another seed": ("general-1", "maths"),
    "maths + text, specialists from nothing": ("maths", "text"),
}


@dataclass
class Judge:
    """Answers items with models that are written over others, and keeps what was right."""

    folders: Mapping[str, Path]
    kept: dict[tuple[str, str], np.ndarray] = field(default_factory=dict)

    def right(self, answer: str, split: str = "test") -> np.ndarray:
        """Return for each item of a split whether the answer is right, as 0 and 1."""
        if (answer, split) not in self.kept:
            models = [f'model {name} = hf("{path}")' for name, path in self.folders.items()]
            text = "\n".join(["default generate(max_tokens = 96)", *models, answer, ""])
            report = evaluate(composer.load(text), items(split), members=False)
            if report.errors:
                raise SystemExit(f"{answer}: {report.errors} rows failed")
            grades = [report.qualities[row.id] for row in items(split)]
            self.kept[answer, split] = np.array(grades)
        return self.kept[answer, split]

    def chosen(self, edit: str) -> str:
        """Write task arithmetic under an edit, at the strength that is best on validation items."""
        written = [ARITHMETIC.format(by=by, edit=edit) for by in STRENGTHS]
        return max(written, key=lambda each: self.right(each, "validation").mean())


def items(split: str) -> list[EvaluationRow]:
    """Return every so manieth item."""
    every = TEST if split == "test" else VALIDATION
    return read_rows(zoo.items(split))[::every]


def table(data: Path, work: Path | None = None) -> str:
    """Return both tables; the data folder is not read, and `work` keeps the tunes."""
    del data
    with TemporaryDirectory() as temporary:
        folder = work or Path(temporary)
        folder.mkdir(exist_ok=True)
        return f"{_light(folder)}\n\n{_collapse(folder)}"


def _light(work: Path) -> str:
    base = zoo.folder(ANCESTOR)
    judges = [
        Judge(
            {"base": base, "maths": light(work, "maths", one), "text": light(work, "text", other)}
        )
        for one, other in SEEDS
    ]
    for judge in judges[1:]:
        judge.kept["base", "test"] = judges[0].right("base")
    found = {
        name: _mean([judge.right(answer) for judge in judges]) for name, answer in FIXED.items()
    }
    found |= {
        f"{name}, `{edit}`": _mean([judge.right(judge.chosen(edit)) for judge in judges])
        for name, edit in SEARCHED.items()
    }
    return markdown(HEAD, [_row(name, right, found) for name, right in found.items()])


HEAD = "model", "maths items", "text items", "all items", "over the base", "over the better tune"


def _row(name: str, right: np.ndarray, found: Mapping[str, np.ndarray]) -> list[str]:
    halves = np.array([row.tags[1] for row in items("test")])
    best = max((found["tune for maths"], found["tune for text"]), key=np.mean)
    parts = [right[halves == "maths"], right[halves == "text"], right]
    return [name, *map(percent, parts), gain(right, found["base"]), gain(right, best)]


def _mean(rights: Sequence[np.ndarray]) -> np.ndarray:
    return np.mean(rights, axis=0)


def _collapse(work: Path) -> str:
    zoo_folders = {name: zoo.folder(name) for pair in UNLIKE.values() for name in pair}
    pairs = {name: [(zoo_folders[a], zoo_folders[b])] for name, (a, b) in UNLIKE.items()}
    pairs["tunes at the full rate, three seeds"] = [
        (full(work, "maths", one), full(work, "text", other)) for one, other in SEEDS
    ]
    rows = []
    for name, folders in pairs.items():
        judges = [Judge({"one": one, "other": other}) for one, other in folders]
        alone = [_mean([judge.right(each) for judge in judges]) for each in ("one", "other")]
        soup = _mean([judge.right("merge(one, other)") for judge in judges])
        rows.append([name, *map(percent, [*alone, soup]), gain(soup, max(alone, key=np.mean))])
    return markdown(["members", "first", "second", "soup", "over the better member"], rows)
