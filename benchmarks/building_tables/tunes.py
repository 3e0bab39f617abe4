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
from composer.compiler.graph.node import model_of
from composer.engine.weights.building import opened
from composer.engine.weights.fetching import fetched
from composer.fit.zoo.cards import record
from composer.fit.zoo.items import Item, read
from composer.quiet import quiet
from composer.specs import Checkpoint

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

TEST, VALIDATION = 3, 4
"""Which of so many items is taken."""

STRENGTHS = 0.4, 0.7, 1.0
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
        """Return for each item of a split whether the model's answer is right, as 0 and 1."""
        if (answer, split) not in self.kept:
            models = [f'model {name} = hf("{path}")' for name, path in self.folders.items()]
            asked = composer.load("\n".join([*models, answer, ""])).optimized.root.asks
            model = None if asked is None else model_of(asked)
            assert isinstance(model, Checkpoint)
            with quiet():
                answers = record(fetched(opened(model)), items(split))
            self.kept[answer, split] = np.array([float(each["correct"]) for each in answers])
        return self.kept[answer, split]

    def strength(self, edit: str) -> float:
        """Return which strength of task arithmetic under an edit is best on validation items."""
        return max(STRENGTHS, key=lambda by: self.right(added(edit, by), "validation").mean())


def added(edit: str, by: float) -> str:
    """Write task arithmetic under an edit, at one strength for both tunes."""
    return f"merge(base + {by} * (maths - base) + {by} * (text - base), edit = {edit})"


def items(split: str) -> list[Item]:
    """Return every so manieth item."""
    return read(zoo.items(split))[:: TEST if split == "test" else VALIDATION]


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
    found = {name: [judge.right(each) for judge in judges] for name, each in FIXED.items()}
    for name, edit in SEARCHED.items():
        strengths = [judge.strength(edit) for judge in judges]
        title = f"{name}, `{edit}`, strengths {', '.join(map(str, strengths))}"
        pairs = zip(judges, strengths, strict=True)
        found[title] = [judge.right(added(edit, by)) for judge, by in pairs]
    return markdown(HEAD, [_row(name, found) for name in found])


HEAD = (
    "model",
    "maths items",
    "text items",
    "all items",
    "each seed",
    "over base",
    "over better tune",
)


def _row(name: str, found: Mapping[str, Sequence[np.ndarray]]) -> list[str]:
    halves = np.array([row["tags"][1] for row in items("test")])
    means = {model: np.mean(rights, axis=0) for model, rights in found.items()}
    right, base = means[name], means["base"]
    best = max((means["tune for maths"], means["tune for text"]), key=np.mean)
    parts = [right[halves == "maths"], right[halves == "text"], right]
    seeds = ", ".join(f"{100 * each.mean():.1f}" for each in found[name])
    return [name, *map(percent, parts), seeds, gain(right, base), gain(right, best)]


def _collapse(work: Path) -> str:
    zoo_folders = {name: zoo.folder(name) for pair in UNLIKE.values() for name in pair}
    pairs = {name: (zoo_folders[a], zoo_folders[b]) for name, (a, b) in UNLIKE.items()}
    one, other = SEEDS[0]
    pairs["tunes of general-1 at the full rate"] = (
        full(work, "maths", one),
        full(work, "text", other),
    )
    rows = []
    for name, (one, other) in pairs.items():
        judge = Judge({"one": one, "other": other})
        alone = [judge.right(each) for each in ("one", "other")]
        soup = judge.right("merge(one, other)")
        rows.append([name, *map(percent, [*alone, soup]), gain(soup, max(alone, key=np.mean))])
    return markdown(["members", "first", "second", "soup", "over the better member"], rows)
