"""What is wrong with the value of a model: the field or member that it is about, and the words."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from composer.values.errors import ModelError

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["SpecError", "SpecProblem"]


@dataclass(frozen=True)
class SpecProblem:
    """One thing that is wrong.

    `field` is the option that it is about, `member` the place of the member; with neither it is
    about the whole. `label` says in few words what stands there, `note` what stands where the
    fuse is named.
    """

    code: str
    message: str
    help: str = ""
    label: str = ""
    note: str = ""
    field: str = ""
    member: int | None = None


class SpecError(ModelError):
    """A model that cannot be; `problems` has everything that is wrong, the first one is told."""

    def __init__(self, problems: Sequence[SpecProblem]) -> None:
        first = problems[0]
        super().__init__(first.code, first.message, first.help)
        self.problems = tuple(problems)
