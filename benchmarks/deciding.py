"""How many decisions a route makes in a second of processor time: a Markdown table.

    python benchmarks/deciding.py --data FILE [--fitted 3000] [--asked 500] [--estimator "linear()"]

FILE has recorded outcomes of two models, such as `routellm_mmlu.jsonl.gz`. A route is fitted on
some of its rows, with the guard that `compose fit` adds, and decides on others in three ways: one
query after the other, all in one call of `decide`, and in a run of many queries at once, whose
answers are made up. Each way has queries of its own, so that none profits from what was kept. To
compare two versions of the project, set PYTHONPATH to each.
"""

from __future__ import annotations

import argparse
import json
import platform
import random
import tempfile
import time
from collections import deque
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

from composer.evaluate import read_rows
from composer.fit.fitting import fit
from composer.fit.settings import FitSettings
from composer.recipe import Recipe

if TYPE_CHECKING:
    from collections.abc import Callable

    from composer.evaluate import EvaluationRow
    from composer.run import Ensemble
    from composer.values import Query

RECIPE = """\
model weak = fake("weak")
model strong = fake("strong")
route(by = {estimator}, policy = gap()) -> [{weak}: weak, {strong}: strong]
"""


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--fitted", type=int, default=3000, help="rows to fit on")
    parser.add_argument("--asked", type=int, default=500, help="rows to decide on")
    parser.add_argument("--estimator", default="linear()")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as own:
        _measure(Path(own), arguments)


def _measure(own: Path, arguments: argparse.Namespace) -> None:
    rows = list(read_rows(arguments.data))
    random.Random(0).shuffle(rows)
    learnt, others = rows[: arguments.fitted], rows[arguments.fitted :]
    data, path = own / "rows.jsonl", own / "recipe.ens"
    data.write_text("".join(f"{_line(row)}\n" for row in learnt), encoding="utf-8")
    strong, weak = sorted(rows[0].recorded)
    path.write_text(RECIPE.format(estimator=arguments.estimator, weak=weak, strong=strong))
    fit(FitSettings(Recipe.load(path), data, folds=2))
    asked = (row.question() for row in others)
    print(f"{_processor()}; {arguments.estimator}, fitted on {len(learnt):,} rows")
    print("| | decisions a second of processor time |\n|---|---|")
    with Recipe.load(path).ready() as ensemble:
        ways: dict[str, Callable[[Ensemble, list[Query]], object]] = {
            "one after the other": lambda e, some: [e.decide([each]) for each in some],
            "all in one call": lambda e, some: e.decide(some),
            "in a run, 64 at once": lambda e, some: deque(e.map(some), maxlen=0),
        }
        ensemble.decide(list(islice(asked, 2)))
        for name, way in ways.items():
            questions = list(islice(asked, arguments.asked))
            start = time.process_time()
            way(ensemble, questions)
            spent = time.process_time() - start
            print(f"| {name} | {len(questions) / spent:,.0f} |", flush=True)


def _line(row: EvaluationRow) -> str:
    recorded = {name: dict(answer) for name, answer in row.recorded.items()}
    tags = list(row.tags)
    return json.dumps({"id": row.id, "query": row.query, "tags": tags, "recorded": recorded})


def _processor() -> str:
    lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    names = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(names, platform.processor())


if __name__ == "__main__":
    main()
