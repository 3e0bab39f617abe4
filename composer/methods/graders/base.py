"""A grader: what it is given, and what it returns."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from composer.values import JSON, Typed
from composer.values.flow import nothing

__all__ = ["AskJudge", "Grade", "Grader", "Submission"]


@dataclass(frozen=True, slots=True)
class Submission:
    """An answer that is to be graded, with the question and the references of its row.

    `fields` are the other fields of the row, such as `choices`.
    """

    answer: str
    references: tuple[str, ...] = ()
    query: str = ""
    fields: Mapping[str, Any] = field(default_factory=nothing)


@dataclass(frozen=True, slots=True)
class Grade:
    """The score of an answer: 1 if it is right, 0 if it is wrong, None if that cannot be told.

    `extracted` is what was read out of the answer, if not all of it was compared; `reference` is
    what it was compared with. `reason` says why there is no score, or what a judge replied.
    `grader` names who graded.
    """

    score: float | None
    extracted: str | None = None
    reference: str | None = None
    reason: str = ""
    grader: str = ""

    @property
    def verdict(self) -> str | None:
        """`right`, `wrong`, `partly` for a score between, None where there is no score."""
        if self.score is None:
            return None
        return {1.0: "right", 0.0: "wrong"}.get(self.score, "partly")

    def as_dict(self) -> dict[str, JSON]:
        """Give the plain values that `eval --output` writes."""
        return {
            "verdict": self.verdict,
            "score": self.score,
            "grader": self.grader,
            "extracted": self.extracted,
            "reference": self.reference,
            "reason": self.reason,
        }


class AskJudge(Protocol):
    """Puts prompts to a recipe that judges, and returns its replies in their order."""

    def __call__(self, recipe: str, prompts: Sequence[str]) -> list[str]:
        """Ask all prompts at once; raises an error of a run where a reply fails."""


class Grader(Typed):
    """A way to tell whether an answer is right, or how good it is.

    One that asks no model has a `measure`, any other a `grade`.
    """

    @property
    def compares(self) -> bool:
        """Whether it needs a reference."""
        return True

    @property
    def judges(self) -> tuple[str, ...]:
        """The recipes that it asks, as files or as text."""
        return ()

    def measure(self, submission: Submission) -> Grade:
        """Return the grade of an answer."""
        raise NotImplementedError

    def grade(self, submission: Submission, ask: AskJudge) -> Grade:
        """Return the grade of an answer, asking a judge for it where that is needed."""
        del ask
        return self.measure(submission)


NO_REFERENCE = Grade(None, reason="the row has no `reference`")
"""The grade of a grader that compares, where there is nothing to compare with."""
