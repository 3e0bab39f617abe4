"""The trainer of mappings between vocabularies: the members' own embeddings are all it takes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from composer.fit.fuses import fuse_of
from composer.fit.lesson import TrainingResult, unteachable
from composer.fit.tokens import mapped
from composer.specs import Checkpoint

if TYPE_CHECKING:
    from composer.compiler.graph import Node
    from composer.fit.lesson import FitSettings
    from composer.methods.align import Mapped
    from composer.values import State

__all__ = ["train_mapping"]


def train_mapping(part: Mapped, node: Node, lesson: FitSettings) -> TrainingResult:
    """Teach a fuse what its other members' tokens are in the first one's; the data are not read."""
    from composer.engine.weights.local import load

    del lesson
    fuse = fuse_of(node)
    models = [member for member in fuse.members if isinstance(member, Checkpoint)]
    if len(models) < len(fuse.members):
        text = f"`{part.name}` learns from the embeddings of single models"
        raise unteachable(text, "fuse models, not prompts or fuses of them")
    pivot, *others = (load(model) for model in models)
    state = mapped(pivot, others)
    report = {"tokens": {name: _found(state, n) for n, name in enumerate(fuse.names[1:])}}
    return TrainingResult(fuse.names, 0, {"state": state}, report)


def _found(mapping: State, other: int) -> int:
    """How many of a member's tokens are mapped to any."""
    return int((mapping.arrays[f"tokens.{other}"] >= 0).any(-1).sum())
