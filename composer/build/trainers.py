"""The models that are trained here: which function trains which, and where its work is kept."""

from __future__ import annotations

import shutil
from functools import partial
from typing import TYPE_CHECKING

from composer.build.distilling import distill
from composer.build.reward_tuning import tune_reward
from composer.diagnostics.caches import cache_folder
from composer.engine.weights.building import TRAINED, build_in_cache, content_of
from composer.specs import Distilled, TunedReward

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from composer.engine.weights.building import Build
    from composer.engine.weights.donors import Donor
    from composer.specs import Derived

__all__ = ["TRAINERS", "train_model"]

TRAINERS: dict[type[Derived], Callable[..., None]] = {
    Distilled: distill,
    TunedReward: tune_reward,
}
"""What trains each kind of models: from the model, the folders of its donors, an empty folder for
the checkpoint, a folder for work that is kept until it is whole, and what is told how far it is."""


def train_model(model: Derived, tell: Callable[[str], None]) -> Build:
    """Return a trained model in the cache, trained now unless it was before.

    The models that it is made of must be there.
    """
    works: list[Path] = []

    def train(donors: Sequence[Donor], folder: Path) -> None:
        work = cache_folder() / TRAINED / f"{content_of(model, donors)}.work"
        works.append(work)
        TRAINERS[type(model)](model, donors, folder, work, partial(_tell, model, tell))

    build = build_in_cache(model, train)
    for work in works:
        shutil.rmtree(work, ignore_errors=True)
    return build


def _tell(model: Derived, tell: Callable[[str], None], text: str) -> None:
    tell(f"{model.name}: {text}")
