"""Students that are trained on the outputs of their teachers."""

from __future__ import annotations

from typing import TYPE_CHECKING

from composer.checkpoints.dtypes import Dtype, long_name
from composer.methods import AdamW, Objective, TeacherDistributions, Training
from composer.specs import Distilled
from composer.steps.declare import step
from composer.values import Model
from composer.values.flow import unique
from composer.values.typed import FilePath, MaybeFile

__all__ = ["distill"]

if TYPE_CHECKING:
    from composer.specs.parts import ObjectiveSpec


@step(paper="arXiv:2401.10491", hidden=("names",))
def distill(
    *members: Model,
    corpus: FilePath,
    learn: Objective = TeacherDistributions(),
    training: Training = AdamW(),
    test: MaybeFile = None,
    dtype: Dtype = "auto",
    device: str = "auto",
    names: tuple[str, ...] = (),
) -> Distilled:
    """Train a student, the first member, on outputs of its teachers, the other members.

    `corpus` is running text (`.txt`), or rows with a `text`, or with a question and its answer,
    which alone is learned then. `learn` says what is learned: the teachers' next-token
    distributions, also those of a fuse, or the answers that they write. A corpus that has a text of
    the file `test` is refused. The student is trained by `compose build`, and kept in the cache
    folder; until then it cannot answer. Everything but the weights comes from the student, and
    `dtype` is their number type.
    """
    objective: ObjectiveSpec = learn
    student, *teachers = members
    return Distilled(
        (student,),
        names or unique(member.name for member in members),
        tuple(teachers),
        corpus,
        objective,
        training,
        test,
        dtype=long_name(dtype),
        device=device,
    )
