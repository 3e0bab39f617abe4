"""Coefficients that are found by `compose fit`, each search with the same number of trials.

The members are the zoo's two light fine-tunes and their base. A search tries `BUDGET` merges on
four fifths of `ROWS` validation items, or takes as many steps; `greedy` needs only five. Every
sixth test item is answered greedily; a 95% interval is by a bootstrap over items.
"""

from __future__ import annotations

import json
import random
import time
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

import numpy as np
from table_text import gain, markdown, percent

from composer import zoo
from composer.evaluate import evaluate, read_rows
from composer.fit.fitting import fit
from composer.fit.settings import FitSettings
from composer.recipe import Recipe

if TYPE_CHECKING:
    from composer.evaluate import EvaluationRow

ROWS, BUDGET, EVERY = 150, 25, 6
HEADER = 'use "zoo.ens" (general, tune_maths, tune_text)\ndefault generate(max_tokens = 96)\n'
FORMULA = "general + 0.3 * (tune_maths - general) + 0.3 * (tune_text - general)"
SOUP = "general, tune_maths, tune_text"
WAYS = {
    "the base": "general",
    "tune for maths": "tune_maths",
    "tune for text": "tune_text",
    "0.3 of each tune": f"merge({FORMULA})",
    "mean of all three": f"merge({SOUP})",
    "`greedy()`": f"merge({SOUP}, coefficients = greedy())",
    "`adaptive()`": f"merge({FORMULA}, coefficients = adaptive(steps = {BUDGET}))",
    "`adaptive(mask = true)`": (
        f"merge({FORMULA}, coefficients = adaptive(steps = {BUDGET}, mask = true))"
    ),
    "`evolve()`": (
        f"merge({FORMULA}, coefficients = evolve(generations = 4, population = {BUDGET // 4}))"
    ),
    "`bayesian()`": (
        f"merge({FORMULA}, coefficients = bayesian(initial = 8, rounds = {BUDGET - 9}))"
    ),
}


def items() -> list[EvaluationRow]:
    """Return the test items."""
    return read_rows(zoo.items("test"))[::EVERY]


def table(data: Path) -> str:
    """Return the table; the data folder is not read."""
    del data
    with TemporaryDirectory() as temporary:
        folder = Path(temporary)
        rows = folder / "rows.jsonl"
        lines = zoo.items("validation").read_text(encoding="utf-8").splitlines()
        drawn = [json.loads(line) for line in random.Random(0).sample(lines, ROWS)]
        kept = [{key: each[key] for key in ("query", "reference", "tags")} for each in drawn]
        rows.write_text("".join(json.dumps(each) + "\n" for each in kept), encoding="utf-8")
        found = {name: _measured(answer, folder, rows) for name, answer in WAYS.items()}
    base = found["0.3 of each tune"][0]
    halves = np.array([row.tags[1] for row in items()])
    head = "model", "maths items", "text items", "all items", "over 0.3 of each", "s to find"
    return markdown(
        head,
        [
            [
                name,
                *(percent(part) for part in (right[halves == "maths"], right[halves == "text"])),
                percent(right),
                gain(right, base),
                f"{seconds:.0f}" if seconds else "",
            ]
            for name, (right, seconds) in found.items()
        ],
    )


def _measured(answer: str, folder: Path, rows: Path) -> tuple[np.ndarray, float]:
    """Return what a recipe has right, after it was fitted where it can be, and how long that took.

    The time is that of this process's processors.
    """
    path, seconds = folder / "one.ens", 0.0
    for old in folder.glob("one.ens*"):
        old.unlink()
    path.write_text(f"{HEADER}{answer}\n", encoding="utf-8")
    if "coefficients" in answer:
        begun = time.process_time()
        fit(FitSettings(Recipe.load(path), rows))
        seconds = time.process_time() - begun
    report = evaluate(Recipe.load(path), items(), members=False)
    if report.errors:
        raise SystemExit(f"{answer}: {report.errors} rows failed")
    return np.array([report.qualities[row.id] for row in items()]), seconds
