"""How far each merge is from its formula in float64, on random checkpoints of three shapes.

Three members in float32, bfloat16 and float16 are merged into float32. An error is the largest
difference in a tensor, over the largest number in it; a figure is the largest error of all tensors.
"""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from table_text import markdown

from building_tables import _formulas as formulas
from building_tables._random_checkpoints import SHAPES, TYPES, base, numbers, tuned
from composer.backends.hf import HF
from composer.engine.weights.building import build
from composer.engine.weights.donors import Donor
from composer.methods.edits.average import Average
from composer.methods.edits.dare import Dare, DareTies
from composer.methods.edits.slerp import Slerp
from composer.methods.edits.ties import Ties
from composer.methods.edits.variation import Sce, Varm
from composer.specs import Declared, Merge

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from composer.specs.parts import Edit


class Case(NamedTuple):
    """A merge as it is written, its coefficients and its formula."""

    edit: Edit
    by: tuple[float, ...]
    formula: Callable[[Sequence[np.ndarray], Sequence[float]], list[np.ndarray]]


ADDED = -0.3, 0.6, 0.7
"""The coefficients of base + 0.6 (A - base) + 0.7 (B - base)."""

CASES = {
    "mean (soup)": Case(Average(), (1 / 3, 1 / 3, 1 / 3), formulas.average),
    "task arithmetic": Case(Average(), ADDED, formulas.average),
    "SLERP": Case(Slerp(), (0.4, 0.6), formulas.slerp),
    "TIES": Case(Ties(density=0.3), ADDED, formulas.ties),
    "DARE": Case(Dare(density=0.4), ADDED, formulas.dare),
    "DARE and TIES": Case(DareTies(density=0.4), ADDED, formulas.dare_ties),
    "VaRM": Case(Varm(), ADDED, formulas.varm),
    "SCE": Case(Sce(density=0.25), ADDED, formulas.sce),
}


LAYOUTS = {"one file": False, "three files": True}


def table(data: Path) -> str:
    """Return the table; the data folder is not read."""
    del data
    columns = [(shape, layout) for shape in SHAPES for layout in LAYOUTS]
    errors: dict[str, list[str]] = {name: [] for name in CASES}
    with TemporaryDirectory() as top:
        for shape, layout in columns:
            folder = Path(top, f"{shape}, {layout}")
            donors = members(folder, shape, split=LAYOUTS[layout])
            for name, case in CASES.items():
                errors[name].append(f"{error(case, donors, folder / name):.1e}")
    head = ["merge", *(", ".join(column) for column in columns)]
    return markdown(head, [[name, *row] for name, row in errors.items()])


def members(folder: Path, shape: str, *, split: bool) -> list[Path]:
    """Write members that descend from one random model, each in another type of numbers."""
    ancestor = base(folder / "base", shape)
    return [
        tuned(ancestor, folder / dtype, seed, dtype, split=split)
        for seed, dtype in enumerate(TYPES)
    ]


def error(case: Case, donors: Sequence[Path], folder: Path) -> float:
    """Build a merge of as many members as it takes, and return the largest error of a tensor."""
    donors = donors[: len(case.by)]
    declared = tuple(Declared(each.name, HF(path=str(each))) for each in donors)
    names = tuple(each.name for each in declared)
    folder.mkdir()
    merge = Merge(declared, names, case.by, case.edit, normalize=False, dtype="float32")
    build(merge, [Donor(each) for each in donors], folder)
    made, held = numbers(folder), [numbers(donor) for donor in donors]
    errors = [
        _distance(tensor, case.formula([each[name] for each in held], case.by))
        for name, tensor in made.items()
    ]
    return float(np.max(errors))  # not a number, if one of them is


def _distance(made: np.ndarray, possible: list[np.ndarray]) -> float:
    """Return how far a tensor is from those it may be, each number from the nearest."""
    least = np.min([np.abs(made - wanted) for wanted in possible], axis=0)
    return float(least.max() / np.abs(made).max())
