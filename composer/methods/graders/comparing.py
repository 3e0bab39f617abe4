"""Graders that compare an answer with the references of its row; one that agrees is enough."""

from abc import abstractmethod
from typing import ClassVar

from pydantic import Field

from composer import metrics
from composer.methods.agreements.base import Agreement
from composer.methods.agreements.overlap import F1
from composer.methods.graders.base import NO_REFERENCE, Grade, Grader, Submission
from composer.methods.readers.basic import Reader
from composer.metrics.numbers import plain_number

__all__ = ["Agreeing", "Auto", "Comparing", "Contains", "Exact", "Numeric"]


class Comparing(Grader):
    """Compares an answer, or what `reader` reads out of it, with each reference."""

    reader: Reader | None = None

    @abstractmethod
    def score(self, answer: str, reference: str) -> float:
        """Return how much an answer agrees with one reference, between 0 and 1."""

    def shown(self, answer: str, reference: str) -> str | None:
        """Return what the comparison read out of a text; None where all of it was compared."""
        del answer, reference
        return None

    def measure(self, submission: Submission) -> Grade:
        """Return the best agreement with a reference; an answer without a value is wrong."""
        if not submission.references:
            return NO_REFERENCE
        answer, reader = submission.answer, self.reader
        value = answer if reader is None else reader.read(answer)
        if value is None:
            reason = f"`{reader.name if reader else ''}` reads nothing out of this answer"
            return Grade(0.0, None, submission.references[0], reason)
        scores = {reference: self.score(value, reference) for reference in submission.references}
        best = max(scores, key=lambda reference: scores[reference])
        shown = self.shown(value, best)
        return Grade(scores[best], value if shown is None and reader else shown, best)


class Exact(Comparing):
    """The same text as a reference; case, spaces, and quotes and stops at the ends do not count.

    With a `reader`, what it reads out of the answer is compared: `exact(reader = line())`.
    """

    name: ClassVar[str] = "exact"

    def score(self, answer: str, reference: str) -> float:
        """Return 1 for texts that are written alike, else 0."""
        return float(metrics.exact(answer, reference))


class Numeric(Comparing):
    """The same last number as the last one of a reference, up to `tolerance`.

    With a `reader`, what it reads out of the answer is compared: `numeric(reader = boxed())`.
    """

    name: ClassVar[str] = "numeric"

    tolerance: float = Field(default=1e-6, ge=0)

    def score(self, answer: str, reference: str) -> float:
        """Return 1 where |a - b| <= tolerance x max(1, |a|, |b|), else 0."""
        return float(metrics.numeric(answer, reference, tolerance=self.tolerance))

    def shown(self, answer: str, reference: str) -> str | None:
        """Return the number that was compared."""
        del reference
        return plain_number(answer)


class Auto(Comparing):
    """`numeric` where the reference is a number, else `exact`.

    With a `reader`, what it reads out of the answer is compared: `auto(reader = boxed())`.
    """

    name: ClassVar[str] = "auto"

    def score(self, answer: str, reference: str) -> float:
        """Return 1 for answers that agree, else 0."""
        same = metrics.numeric if _is_number(reference) else metrics.exact
        return float(same(answer, reference))

    def shown(self, answer: str, reference: str) -> str | None:
        """Return the number that was compared, if one was."""
        return plain_number(answer) if _is_number(reference) else None


class Contains(Comparing):
    """A reference occurs in the answer, as whole words or as a number.

    With a `reader`, only what it reads out of the answer counts: `contains(reader = line())`.
    """

    name: ClassVar[str] = "contains"

    def score(self, answer: str, reference: str) -> float:
        """Return 1 where the reference occurs, else 0."""
        return float(metrics.contains(answer, reference))


class Agreeing(Comparing):
    """The agreement with a reference as a score between 0 and 1: `agreement(by = f1())`.

    `by` is the way to compare. With a `reader`, what it reads out of the answer is compared.
    """

    name: ClassVar[str] = "agreement"

    by: Agreement = F1()

    def score(self, answer: str, reference: str) -> float:
        """Return how much the answer agrees with the reference."""
        return self.by.agreed(answer, reference)


def _is_number(reference: str) -> bool:
    return metrics.number(reference) is not None
