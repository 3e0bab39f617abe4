"""Recorded chains of models, as the tables that cascades are fitted and measured on."""

from __future__ import annotations

import json
import tempfile
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from composer.fit.cascades import cascade_table
from composer.fit.settings import FitSettings
from composer.recipe import Recipe

if TYPE_CHECKING:
    from collections.abc import Iterable

    from composer.methods.cascade_table import CascadeTable

LLAMA = ("llama3.2-1b", "llama3.2-3b", "llama3.1-8b", "llama3.1-70b", "llama3.1-405b")
QWEN_OAI = ("gpt-4o-mini", "qwen2.5-32b-coder-instruct", "qwen2.5-72b-instruct", "gpt-4o")
"""The chains of the `cascades_*` files, cheapest first."""


def recorded_file(data: Path, file: str) -> Path:
    """Return where the recorded answers of a name are."""
    return data / "recorded" / f"{file}.jsonl.gz"


def models_of(file: Path, models: tuple[str, ...]) -> tuple[str, str]:
    """Return the lines of a recipe that declare recorded models, and their names in a chain."""
    names = [f"m{at}" for at in range(len(models))]
    lines = [
        f'model {name} = recorded("{file.name}", {json.dumps(model)})'
        for name, model in zip(names, models, strict=True)
    ]
    return "\n".join(lines), ", ".join(names)


@cache
def recorded_table(
    data: Path, file: str, models: tuple[str, ...], signals: tuple[str, ...] = ("confidence",)
) -> CascadeTable:
    """Return what every model of a chain answered on the rows of a file, with these signals.

    A signal is written as in a rule, such as `quantile(at = 0.1)`. The stages are named `m0`, `m1`
    and so on.
    """
    source = recorded_file(data, file)
    lines, names = models_of(source, models)
    return recipe_table(f"{lines}\ncascade({names}, accept = {reading(signals)})\n", source)


def reading(signals: Iterable[str]) -> str:
    """Return a rule that reads signals, each written as in a rule."""
    return " or ".join(f"{signal} != 0" for signal in signals)


def recipe_table(text: str, source: Path) -> CascadeTable:
    """Return what every stage of a recipe's cascade answers to the rows of a file.

    It has the signals of the cascade's rule. The recipe finds the file by its name.
    """
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "chain.ens"
        (Path(folder) / source.name).symlink_to(source.resolve())
        path.write_text(text, encoding="utf-8")
        recipe = Recipe.load(path)
        node = recipe.compiled.answer
        assert node is not None
        measured = sorted(node.get("accept").signals(), key=str)
        settings = FitSettings(recipe, Path(folder) / source.name)
        return cascade_table(node, settings, measured)
