"""The kinds of parts that `distill` is made of."""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from composer.values.capability import Capability
from composer.values.typed import Typed

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from torch import Tensor

    from composer.engine.space import Space

__all__ = ["Blend", "Interpolation", "Match", "Objective", "Progress", "Training"]


class Objective(Typed):
    """What a student is trained to: which outputs of the teachers, and the loss.

    `needs` is what each teacher must be able to do; with `here` its weights must be on this
    machine.
    """

    needs: ClassVar[Capability] = Capability.TEXT
    here: ClassVar[bool] = False


class Match(Typed):
    """How a teacher's tokens are brought to those of a student with another vocabulary.

    One that `counts` needs to know how often tokens go together in the corpus.
    """

    counts: ClassVar[bool] = False

    @abstractmethod
    def places(self, student: Sequence[bytes], teacher: Sequence[bytes]) -> list[list[int]]:
        """Return the teacher's tokens that each token of the student goes with; none, or several.

        Both are the tokens of one text. What a teacher expects behind its last one of them is what
        the student should expect behind its own.
        """

    @abstractmethod
    def accepts(self, student: bytes, teacher: bytes, mapped: bytes) -> bool:
        """Say whether a token of the teacher ends where the student's does, as far as is known.

        `mapped` is what the teacher's is in the student's vocabulary.
        """

    @abstractmethod
    def vocabulary(
        self, student: Space, teacher: Space, pairs: Mapping[tuple[int, int], int]
    ) -> Tensor:
        """Return the student's token for each [token] of the teacher's; -1 for none.

        `pairs` counts how often a token of the teacher went with one of the student's.
        """


class Blend(Typed):
    """How several teachers' distributions become one."""

    @abstractmethod
    def shares(self, nats: Tensor, present: Tensor) -> Tensor:
        """Return each teacher's share [teacher, place] of the target; they add up to 1 or are 0.

        `nats` [teacher, place] is what it lost on the text there. Where it is not `present`
        [teacher, place] it has no distribution, and no share.
        """


@dataclass(frozen=True, slots=True)
class Progress:
    """How far an interpolation is: the teacher's part of the target, and what it follows from."""

    part: float
    trend: float = 0.0
    loss: float = 0.0


class Interpolation(Typed):
    """How the target moves from the student's own distribution to the teachers' in training."""

    @abstractmethod
    def begin(self) -> Progress:
        """Return where it begins."""

    @abstractmethod
    def move(self, progress: Progress, loss: float, done: float) -> Progress:
        """Return where it goes on, after a step with this loss; `done` of all steps are over."""


class Training(Typed):
    """How the weights of a model are trained."""
