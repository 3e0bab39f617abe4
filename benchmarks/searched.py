"""Make the files of the shipped recipes whose coefficients are searched: `NAME...`, or all four.

Each recipe is fitted without its file on 100 of the zoo's validation items, drawn with seed 0, and
what was found is written beside it. `--plot FOLDER` draws the history of each search.
"""

from __future__ import annotations

import argparse
import json
import random
import re
import tempfile
from pathlib import Path

import torch

from composer.fit.coefficients.telling import draw_histories, search_lines
from composer.fit.fitting import fit
from composer.fit.settings import FitSettings
from composer.methods.fitted import save
from composer.recipe import Recipe

HERE = Path(__file__).parents[1]
RECIPES = HERE / "recipes" / "build"
NAMES = ("greedy_soup", "adaptive", "evolve", "bayesian")
ROWS = {"greedy_soup": 400}
"""How many items a recipe is fitted on, where it is not 100."""


def rows(count: int, seed: int = 0) -> list[dict[str, object]]:
    """Return validation items of the zoo with their references, drawn by the seed."""
    lines = (HERE / "composer/zoo/items/validation.jsonl").read_text(encoding="utf-8").splitlines()
    drawn = random.Random(seed).sample(lines, count)
    kept = "id", "query", "reference", "tags"
    return [{k: v for k, v in json.loads(line).items() if k in kept} for line in drawn]


def make(name: str, folder: Path, plots: Path | None) -> None:
    """Fit one recipe in a folder, and write its file beside the recipe."""
    text = (RECIPES / f"{name}.ens").read_text(encoding="utf-8")
    recipe, data = folder / f"{name}.ens", folder / "rows.jsonl"
    recipe.write_text(re.sub(r',?\s*file = "[^"]*"', "", text), encoding="utf-8")
    data.write_text(
        "".join(json.dumps(row) + "\n" for row in rows(ROWS.get(name, 100))), encoding="utf-8"
    )
    outcome = fit(FitSettings(Recipe.load(recipe), data, cache=True, tell=print))
    (entry,) = outcome.manifest.entries
    print("\n".join(search_lines(entry.report)), entry.report.get("held_out"), sep="\n")
    fitted = Recipe.load(recipe).fitted.answer
    assert fitted is not None
    part = next(
        part
        for node in fitted.inputs
        for part in node.values().values()
        if getattr(part, "fitted", None) is not None
    )
    save(RECIPES / f"{name}.safetensors", part.state())
    if plots is not None:
        draw_histories(plots / f"{name}.svg", outcome.manifest.entries)


def main() -> None:
    """Make the files of the recipes that are named."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*", default=NAMES)
    parser.add_argument("--plot", type=Path)
    args = parser.parse_args()
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as folder:
        for name in args.names:
            make(name, Path(folder), args.plot)


if __name__ == "__main__":
    main()
