"""Which trainer teaches which part: the one table that `compose fit` looks into."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from composer.fit.estimators import train_estimator
from composer.fit.fuses import train_part
from composer.fit.lesson import FitSettings, TrainingResult, nearest
from composer.fit.mappings import train_mapping
from composer.methods.align import Mapped
from composer.methods.estimators.base import Learned
from composer.methods.taught import TrainableTensorPart

if TYPE_CHECKING:
    from composer.compiler.graph import Node
    from composer.values import Trainable

Trainer = Callable[[Any, "Node", FitSettings], TrainingResult]
"""Teaches a part that stands in a node, by a lesson; raises Mistakes where that cannot be done."""

TRAINERS: dict[type[Trainable], Trainer] = {
    Learned: train_estimator,
    TrainableTensorPart: train_part,
    Mapped: train_mapping,
}
"""The trainer of each class of parts; a part is taught by that of its nearest class."""


def trainer_of(part: Trainable) -> Trainer:
    """Return the trainer of a part; raises Mistakes where nobody teaches its kind."""
    return nearest(TRAINERS, part)
