"""Merges beside those of mergekit, from the same checkpoints in one run.

mergekit is a program of its own: `mergekit-yaml` is looked for on the PATH, or named by the
variable MERGEKIT. The largest difference is over the largest number of a tensor; `kept` is the
share of numbers that are not those of the base. Time and memory are of the whole command, on
checkpoints of `COMPOSE_BENCH_GB` GB each (default: 1).
"""

from __future__ import annotations

import json
import os
import shutil
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

import numpy as np
from table_text import markdown

from building_tables._large_checkpoints import GB, large_checkpoint
from building_tables._measured import Measured, build, measured
from building_tables._random_checkpoints import base, numbers, tuned

if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclass(frozen=True)
class Case:
    """A merge of models a, b and c, of which a is the base: here, and for mergekit.

    `weights` are those of the members that mergekit names, `more` its other options.
    """

    ours: str
    method: str
    weights: Mapping[str, float]
    more: Mapping[str, Any] = field(default_factory=dict)
    based: bool = True


TWO = {"b": 0.6, "c": 0.3}
SUM = "a + 0.6 * (b - a) + 0.3 * (c - a)"
CASES = {
    "linear": Case("a, b, c, weights = [1, 2, 3]", "linear", {"a": 1, "b": 2, "c": 3}, based=False),
    "slerp": Case("a + 0.3 * (b - a), edit = slerp()", "slerp", {"b": 1}, {"t": 0.3}),
    "task arithmetic": Case(SUM, "task_arithmetic", TWO),
    "ties": Case(
        f"{SUM}, edit = ties(density = 0.3, combine = sum)",
        "ties",
        TWO,
        {"density": 0.3, "normalize": False},
    ),
    "dare": Case(
        f"{SUM}, edit = dare(density = 0.3)",
        "dare_linear",
        TWO,
        {"density": 0.3, "normalize": False},
    ),
}


def program() -> str | None:
    """Return mergekit's command, None where it is not installed."""
    return os.environ.get("MERGEKIT") or shutil.which("mergekit-yaml")


def table(data: Path) -> str:
    """Return the table; the data folder is not read."""
    del data
    if program() is None:
        return "mergekit is not installed: put `mergekit-yaml` on the PATH, or name it by MERGEKIT"
    head = ["merge", "largest difference", "kept, here and there"]
    head += ["seconds, here and there", "memory, here and there"]
    size = int(float(os.environ.get("COMPOSE_BENCH_GB", "1")) * GB)
    with TemporaryDirectory(dir=os.environ.get("COMPOSE_BENCH_FOLDER")) as top:
        small, large = small_checkpoints(Path(top, "small")), Path(top, "large")
        for seed, name in enumerate("abc"):
            large_checkpoint(large / name, size, seed)
        return markdown(head, [_row(name, case, small, large) for name, case in CASES.items()])


def _row(name: str, case: Case, small: Path, large: Path) -> list[str]:
    distance, kept = compared(case, small)
    here, there = both(case, large, "bfloat16")
    return [
        name,
        "other draws" if name == "dare" else f"{distance:.1e}",
        " and ".join(f"{100 * each:.2f} %" for each in kept),
        f"{here.seconds:.1f} and {there.seconds:.1f}",
        f"{here.megabytes:.0f} and {there.megabytes:.0f} MB",
    ]


def small_checkpoints(folder: Path) -> Path:
    """Write a random model and two tunes of it, in float32."""
    base(folder / "a", "llama")
    for seed, name in enumerate("bc"):
        tuned(folder / "a", folder / name, seed, "float32", split=False)
    return folder


def both(case: Case, folder: Path, dtype: str) -> tuple[Measured, Measured]:
    """Build a merge here and with mergekit, into `ours` and `theirs`; return what each takes."""
    for name in ("ours", "theirs"):
        shutil.rmtree(folder / name, ignore_errors=True)
    models = "".join(f'model {name} = hf("{name}")\n' for name in "abc")
    ours = build(folder, f"{models}merge({case.ours}, dtype = {dtype})\n", "ours")
    (folder / "theirs.yml").write_text(json.dumps(_stated(case, folder, dtype)), "utf-8")
    command = (str(program()), "theirs.yml", "theirs", "--quiet", "--no-copy-tokenizer")
    return ours, measured(command, folder, HF_HUB_OFFLINE="1")


def compared(case: Case, folder: Path) -> tuple[float, tuple[float, float]]:
    """Return the largest difference of both merges, and the share of what each has changed."""
    both(case, folder, "float32")
    ours, theirs, ancestor = (numbers(folder / name) for name in ("ours", "theirs", "a"))
    distance = max(np.abs(ours[n] - theirs[n]).max() / np.abs(theirs[n]).max() for n in theirs)
    return float(distance), (_changed(ours, ancestor), _changed(theirs, ancestor))


def _changed(made: Mapping[str, np.ndarray], ancestor: Mapping[str, np.ndarray]) -> float:
    changed = [np.abs(made[name] - each) > 1e-7 for name, each in ancestor.items()]
    return float(np.mean(np.concatenate([each.ravel() for each in changed])))


def _stated(case: Case, folder: Path, dtype: str) -> dict[str, Any]:
    """Return what mergekit is told."""
    per_model = {key: case.more[key] for key in case.more.keys() & {"density"}}
    whole = {key: value for key, value in case.more.items() if key not in per_model}
    return {
        "merge_method": case.method,
        **({"base_model": str(folder / "a")} if case.based else {}),
        "models": [
            {"model": str(folder / name), "parameters": {"weight": weight} | per_model}
            for name, weight in case.weights.items()
        ],
        "parameters": whole,
        "dtype": dtype,
    }
