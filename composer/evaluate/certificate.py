"""A certificate before anything is built: how much selecting among the members can gain at most.

A recipe that selects one of its members' answers is wrong wherever all of them are wrong. So the
rows that all get wrong bound every such recipe, whatever it selects by (arXiv:2606.27288).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from statistics import fmean
from typing import TYPE_CHECKING

from composer.diagnostics.amounts import counted
from composer.evaluate.grades import recorded_grades
from composer.evaluate.grading import Grading
from composer.evaluate.selection import selection
from composer.metrics import lower_limit, upper_limit
from composer.run import Failure

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from composer.evaluate.grades import GradedAnswers
    from composer.evaluate.rows import EvaluationRow
    from composer.evaluate.selection import Selection
    from composer.recipe import Recipe
    from composer.values import JSON

__all__ = ["RISK", "Bound", "Certificate", "bound_of", "certify", "recorded_certificate"]

RISK = 0.05
"""The probability with which the certificate may be wrong: half of it for each of its limits."""

VERSION = 1


@dataclass(frozen=True)
class Bound:
    """What `rows` rows with all grades say; shares are from 0 to 1.

    `right` counts the right rows of each member, `all_wrong` the rows where all are wrong.
    `all_wrong_low` and `all_wrong_high` are the limits of that share. `best_low` is the lower limit
    of the best member, with the risk shared out over all members, because the best one was chosen
    on the same rows. `max_gain` is the certified bound.
    """

    rows: int
    right: Mapping[str, int]
    all_wrong: int
    all_wrong_low: float
    all_wrong_high: float
    best_low: float

    @property
    def best(self) -> str:
        """The member that is right most often, the first of equals."""
        return max(self.right, key=lambda name: self.right[name])

    @property
    def oracle(self) -> float:
        """The share of rows that some member gets right."""
        return 1 - self.all_wrong / self.rows

    @property
    def gain(self) -> float:
        """What the perfect choice gains over the best member on these very rows."""
        return self.oracle - self.right[self.best] / self.rows

    @property
    def max_gain(self) -> float:
        """No selecting recipe gains more over the best member, except with the stated risk."""
        return 1 - self.all_wrong_low - self.best_low

    def as_dict(self) -> dict[str, JSON]:
        """Give the plain values that `--json` prints."""
        return {
            "rows": self.rows,
            "right": dict(self.right),
            "best": self.best,
            "best_accuracy": self.right[self.best] / self.rows,
            "best_low": self.best_low,
            "all_wrong": self.all_wrong,
            "all_wrong_interval": [self.all_wrong_low, self.all_wrong_high],
            "oracle": self.oracle,
            "gain": self.gain,
            "max_gain": self.max_gain,
        }


def bound_of(right: Mapping[str, int], all_wrong: int, rows: int, risk: float = RISK) -> Bound:
    """Bound the gain from counts: of right rows by member, of rows where all members are wrong."""
    tail = risk / 2
    best_low = max(lower_limit(count, rows, tail / len(right)) for count in right.values())
    low, high = lower_limit(all_wrong, rows, tail), upper_limit(all_wrong, rows, tail)
    return Bound(rows, right, all_wrong, low, high, best_low)


@dataclass(frozen=True)
class Certificate:
    """The bound for one recipe's members, and the rows to look at.

    `failures` are the rows that all members got wrong, `answers` what each member said there.
    `audited` is the bound without the rows whose grade turned out to be a mistake; `mistakes`
    counts those among the failures, `confirmed` the failures that were looked at and hold.
    `incomplete` rows lack the grade of some member and are left out. `costs` are the members' mean
    dollars a question, where any are known.
    """

    recipe: str
    selection: Selection
    graded: Bound
    audited: Bound | None
    incomplete: int
    mistakes: int
    confirmed: int
    failures: tuple[EvaluationRow, ...]
    answers: Mapping[str, Mapping[str, str | None]]
    costs: Mapping[str, float]
    margin: float | None = None

    @property
    def valid(self) -> Bound:
        """The bound that counts: the audited one where there is one."""
        return self.audited or self.graded

    @property
    def worth_it(self) -> bool | None:
        """Whether the bound leaves room for the margin; None where no margin was named."""
        return None if self.margin is None else self.valid.max_gain >= self.margin

    def as_dict(self) -> dict[str, JSON]:
        """Give the plain values that `--json` prints."""
        return {
            "version": VERSION,
            "recipe": self.recipe,
            "applies": self.selection.selects,
            "exceptions": list(self.selection.exceptions),
            "risk": RISK,
            "graded": self.graded.as_dict(),
            "audited": self.audited.as_dict() if self.audited is not None else None,
            "incomplete_rows": self.incomplete,
            "mistakes": self.mistakes,
            "confirmed": self.confirmed,
            "margin": self.margin,
            "worth_it": self.worth_it,
            "costs": dict(self.costs),
            "all_wrong_rows": [self._row(row) for row in self.failures],
        }

    def _row(self, row: EvaluationRow) -> dict[str, JSON]:
        return {
            "id": row.id,
            "query": row.query,
            "reference": list(row.references),
            "answers": dict(self.answers[row.id]),
            "audit": row.audit or None,
        }


def certify(  # noqa: PLR0913 - what is certified, and how its grades are read
    recipe: Recipe,
    rows: Sequence[EvaluationRow],
    grades: GradedAnswers,
    *,
    threshold: float | None = None,
    mistakes: Collection[str] = (),
    margin: float | None = None,
) -> Certificate:
    """Bound what selecting among the graded answers of a recipe's members can gain.

    Scores that are not 0 or 1 need a `threshold`, from which on they count as right. `mistakes` are
    ids of rows whose grade is a mistake of the grader or of the reference; rows may say so too.
    Raises Failure (E717) where there is nothing to bound.
    """
    right = _right(recipe, grades, threshold)
    complete = [row for row in rows if all(row.id in graded for graded in right.values())]
    if not complete:
        raise Failure(
            "E717",
            f"no row has a grade of every member of `{recipe.name}`: {_counts(rows, right)}",
            "record `correct` for each member, add a `reference` to the rows, or let "
            "`compose eval --certify` ask the members",
        )
    failures = [row for row in complete if not any(graded[row.id] for graded in right.values())]
    wrongly_graded = {row.id for row in complete if row.id in mistakes or row.wrongly_graded}
    valid = [row for row in complete if row.id not in wrongly_graded]
    return Certificate(
        recipe=recipe.name,
        selection=selection(recipe),
        graded=_bound(complete, right),
        audited=_bound(valid, right) if wrongly_graded and valid else None,
        incomplete=len(rows) - len(complete),
        mistakes=sum(row.id in wrongly_graded for row in failures),
        confirmed=sum(row.audit == "confirmed" for row in failures),
        failures=tuple(failures),
        answers={
            row.id: {name: graded[row.id].text for name, graded in grades.items()}
            for row in failures
        },
        costs=_costs(complete, grades),
        margin=margin,
    )


def recorded_certificate(recipe: Recipe, rows: Sequence[EvaluationRow]) -> Certificate | None:
    """Certify by what the data recorded of the members; None where that does not do."""
    with Grading() as grading:
        grades = recorded_grades(recipe, selection(recipe).members, rows, grading)
    try:
        return certify(recipe, rows, grades)
    except Failure:
        return None


def _bound(rows: Sequence[EvaluationRow], right: Mapping[str, Mapping[str, bool]]) -> Bound:
    counts = {name: sum(graded[row.id] for row in rows) for name, graded in right.items()}
    all_wrong = sum(not any(graded[row.id] for graded in right.values()) for row in rows)
    return bound_of(counts, all_wrong, len(rows))


def _right(
    recipe: Recipe, grades: GradedAnswers, threshold: float | None
) -> dict[str, dict[str, bool]]:
    """Read every grade as right or wrong."""
    if len(grades) < 2:  # noqa: PLR2004 - one member leaves nothing to select
        names = ", ".join(f"`{name}`" for name in grades) or "none"
        raise Failure(
            "E717",
            f"`{recipe.name}` has nothing to select from; members that answer: {names}",
            "a certificate compares two or more members",
        )
    if threshold is None:
        _refuse_scores(grades)
        threshold = 1.0
    return {
        name: {row: grade.quality >= threshold for row, grade in graded.items()}
        for name, graded in grades.items()
    }


def _refuse_scores(grades: GradedAnswers) -> None:
    for name, graded in grades.items():
        score = next((one.quality for one in graded.values() if one.quality not in (0, 1)), None)
        if score is not None:
            raise Failure(
                "E717",
                f"a certificate counts right and wrong answers, but `{name}` has a score of "
                f"{score:g}",
                "say from which score on an answer is right: `--threshold 0.8`",
            )


def _counts(rows: Sequence[EvaluationRow], right: Mapping[str, Mapping[str, bool]]) -> str:
    counts = (f"`{name}` on {len(graded):,}" for name, graded in right.items())
    return f"of {counted(len(rows), 'row')}, {', '.join(counts)}"


def _costs(rows: Sequence[EvaluationRow], grades: GradedAnswers) -> dict[str, float]:
    """The mean dollars of each member, where all are known and any costs something."""
    costs = {name: fmean(graded[row.id].cost for row in rows) for name, graded in grades.items()}
    return costs if any(costs.values()) and not any(map(math.isnan, costs.values())) else {}
