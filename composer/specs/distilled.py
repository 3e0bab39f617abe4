"""Distilled models: a student whose weights are trained on the outputs of its teachers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from composer.specs.content import file_digest
from composer.specs.derived import Trained
from composer.specs.models import leaves
from composer.specs.problems import SpecProblem

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from composer.specs.parts import ObjectiveSpec
    from composer.values.flow import Model
    from composer.values.typed import Typed

__all__ = ["Distilled"]


@dataclass(frozen=True)
class Distilled(Trained):
    """A student, its only donor, trained on the outputs of `teachers` on a corpus.

    `labels` are the names of the student and of the teachers. `objective` says which outputs, and
    the loss, `training` how the weights are changed. No text of `test` may be in the corpus. It is
    built by `compose build` alone.
    """

    word: ClassVar[str] = "distill"

    teachers: tuple[Model, ...]
    corpus: str
    objective: ObjectiveSpec
    training: Typed
    test: str | None = None

    def option_problems(self) -> Iterator[SpecProblem]:
        """Yield which teachers cannot give the outputs that the objective needs."""
        if not self.teachers:
            text = "`distill` needs a student, and at least one teacher"
            yield SpecProblem("E206", text, "write `distill(student, teacher, corpus = ...)`")
        for place, teacher in enumerate(self.teachers, 1):
            needed = self.objective.needs
            here = all(leaf.is_local for leaf in leaves(teacher)) or not self.objective.here
            if teacher.capabilities.missing(needed) or not here:
                yield SpecProblem(
                    "E302",
                    f"`{self.objective.name}` needs {needed.words}, which `{teacher.name}` does "
                    "not give here",
                    "learn from its answers alone: `learn = answers()`",
                    "gives texts alone",
                    "distilled here",
                    member=place,
                )

    def donor_problems(self) -> Iterator[SpecProblem]:
        """Yield nothing: teachers may be unlike the student in all."""
        return iter(())

    @property
    def making(self) -> tuple[object, ...]:
        """The teachers, what the corpus holds, the objective and the training."""
        return self.teachers, file_digest(self.corpus), self.objective, self.training

    def formula(self, names: Sequence[str]) -> str:
        """Write who is distilled from whom."""
        student, *teachers = names
        return f"{student} distilled from {' and '.join(teachers)}"
