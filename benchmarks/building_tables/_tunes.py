"""Fine-tunes of one model of the zoo: light ones as the zoo ships, and ones at the full rate.

A tune is trained in some seconds on one thread and kept in a folder, by its name.
"""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

import torch

from composer import zoo
from composer.fit.zoo.batches import Batches
from composer.fit.zoo.models import SHIPPED, TrainingRecipe
from composer.fit.zoo.skills import HALVES
from composer.fit.zoo.train import _fine, _fresh, _start, fit, save

if TYPE_CHECKING:
    from pathlib import Path

ANCESTOR, STEPS = "general-1", SHIPPED["tune-maths"].steps
SEEDS = (5, 6), (15, 16), (25, 26)
"""The seeds of the tunes for maths and for text; the first two are shipped."""


def light(work: Path, half: str, seed: int) -> Path:
    """Return the folder of a tune at the rate of the zoo's tunes; the zoo's own, if it is one."""
    name = f"tune-{half}"
    if SHIPPED[name].seed == seed:
        return zoo.folder(name)
    return _trained(work, f"{name}-{seed}", half, seed, full=False)


def full(work: Path, half: str, seed: int) -> Path:
    """Return the folder of a tune at the rate at which a model is trained from nothing."""
    return _trained(work, f"full-{half}-{seed}", half, seed, full=True)


def _trained(work: Path, name: str, half: str, seed: int, *, full: bool) -> Path:
    if not (work / name / "tokenizer.json").exists():
        shutil.copytree(zoo.folder(ANCESTOR), work / ANCESTOR, dirs_exist_ok=True)
        recipe = TrainingRecipe(seed, HALVES[half], steps=STEPS, ancestor=ANCESTOR)
        torch.set_num_threads(1)
        torch.manual_seed(seed)
        tokens, model = _start(recipe, work)
        optimizers = _fresh(model, 1.0) if full else _fine(model)
        fit(model, STEPS, optimizers, Batches(tokens, recipe.skills, seed))
        save(model, tokens, work / name)
    return work / name
