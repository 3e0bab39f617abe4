"""Choices by saved timings: what they were said to save, and what they save in whole runs.

    python benchmarks/choices.py [--blocks 7] [--questions 16]

For each recipe, the timings of its models and the agreement of its members are measured as
`compose doctor --measure RECIPE --data` does, into a cache folder of its own. Then runs with the
choices and with `--plain` take turns, one question at a time and 16 at once. Seconds are of the
processor, of one thread; figures are medians over the blocks, with the second lowest and highest.
"""

from __future__ import annotations

import argparse
import os
import statistics
import tempfile
import time
from typing import TYPE_CHECKING

import torch

from composer import zoo
from composer.cli.agreeing import measure_agreement
from composer.cli.timing import measure, save
from composer.evaluate import read_rows
from composer.recipe import Recipe

if TYPE_CHECKING:
    from composer.run import Ensemble

MODELS = 'model A = zoo("general-1")\nmodel B = zoo("maths")\nmodel C = zoo("general-2")\n'
LARGE = 'model S = zoo("general-1")\nmodel L = zoo("large")\n'
WRITTEN = "F(max_tokens = 24)\n"
RECIPES = {
    "fuse of 2": f"{MODELS}let F = token_fuse(A, B, draft = none)\n{WRITTEN}",
    "fuse of 3": f"{MODELS}let F = token_fuse(A, B, C, draft = none)\n{WRITTEN}",
    "vote of 3": f"{MODELS}[A, B, C] -> vote()\n",
    "fuse of unlike sizes": f"{LARGE}let F = token_fuse(S, L)\n{WRITTEN}",
}
AT_ONCE = 1, 16


def seconds(ensemble: Ensemble, questions: list[str], at_once: int) -> float:
    """Ask all questions, so many at once; return the processor's seconds."""
    began = time.process_time()
    for start in range(0, len(questions), at_once):
        list(ensemble.map(questions[start : start + at_once]))
    return time.process_time() - began


def ratios(text: str, questions: list[str], blocks: int) -> dict[int, list[float]]:
    """Return for each number of questions at once how many times faster each block is."""
    found: dict[int, list[float]] = {n: [] for n in AT_ONCE}
    with Recipe.load(text, plain=True).ready() as plain, Recipe.load(text).ready() as chosen:
        for ensemble in (plain, chosen):
            seconds(ensemble, questions[:2], 1)
        for _ in range(blocks):
            for n in AT_ONCE:
                times = [seconds(each, questions, n) for each in (plain, chosen)]
                found[n].append(times[0] / times[1])
    return found


def shown(found: list[float]) -> str:
    """Write a median with its interval."""
    ordered = sorted(found)
    low, high = (ordered[1], ordered[-2]) if len(ordered) > 3 else (ordered[0], ordered[-1])
    return f"{statistics.median(found):.2f} [{low:.2f}, {high:.2f}]"


def main() -> None:
    """Print what was chosen and what it saves, a recipe after the other."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--blocks", type=int, default=7)
    parser.add_argument("--questions", type=int, default=16)
    given = parser.parse_args()
    torch.set_num_threads(1)
    rows = read_rows(zoo.items("validation"))
    questions = [row.query for row in rows[40 : 40 + given.questions]]
    with tempfile.TemporaryDirectory() as folder:
        os.environ["XDG_CACHE_HOME"] = folder
        for name, text in RECIPES.items():
            recipe = Recipe.load(text)
            _, timings = save(measure(recipe.loaded_models))
            save((), measure_agreement(recipe, rows, "zoo", timings, print))
            print(f"{name}: {'; '.join(Recipe.load(text).choices)}")
            for n, found in ratios(text, questions, given.blocks).items():
                print(f"    {n} at once: {shown(found)} times faster", flush=True)


if __name__ == "__main__":
    main()
