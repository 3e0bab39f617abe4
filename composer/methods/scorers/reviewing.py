"""Peer review: every judge grades every answer, several at a time and in both orders."""

from collections.abc import Mapping, Sequence
from functools import partial
from typing import ClassVar, Literal

from pydantic import Field

from composer.heavy import crowdkit, pd
from composer.methods.scorers.judging import AskedScorer, Bench, grades_in
from composer.methods.scorers.tournament import Across, Results, windows
from composer.methods.template import Template
from composer.quiet import quiet
from composer.values.gather import side_by_side

ROUNDS = 30
"""How often Dawid-Skene estimates anew, at most."""

_SHOWN = {"single": 1, "double": 2, "triple": 3}


class PeerReview(AskedScorer):
    """Grades from 1 to `scale` by all judges, most often the members themselves (LLM-PeerReview).

    A judge sees three answers at a time (`mode`: one, two or three): all neighbours in a circle of
    seeded order, and with `flips` the same ones in reverse. So of four or more answers each has
    six grades by each judge. The score is the mean of the judges' mean grades, or as `judges` and
    `c` say (see `judge`). With `reduce = "dawid_skene"` it is the expected grade, where the errors
    of each judge are estimated from all grades of this question (needs crowd-kit). A grade outside
    the scale counts as not read.
    """

    name: ClassVar[str] = "peer_review"
    paper: ClassVar[str] = "arXiv:2512.23213"
    expected: ClassVar[str] = (
        "a judge must end its reply with a grade for each answer, such as [[4, 2, 5]]"
    )

    mode: Literal["single", "double", "triple"] = "triple"
    template: Template | None = None
    max_tokens: int = Field(default=256, ge=1)
    scale: int = Field(default=5, ge=2)
    flips: bool = True
    reduce: Literal["mean", "dawid_skene"] = "mean"
    across: Across = "mean"
    c: float = Field(default=0.5, ge=0)

    @property
    def single(self) -> bool:
        """Whether it shows one answer at a time."""
        return self.mode == "single"

    @property
    def shipped(self) -> str:
        """A rubric for several answers."""
        return "peer_review"

    def packages(self) -> Mapping[str, str]:
        """Return the package that estimates the judges' errors."""
        return {"crowdkit": "eval"} if self.reduce == "dawid_skene" else {}

    def calls(self, answers: int) -> int:
        """Return one for each group of answers that are shown together."""
        return len(windows(range(answers), _SHOWN[self.mode], flips=self.flips))

    async def results(self, bench: Bench) -> Results:
        """Return all grades that one judge gives each answer."""
        groups = windows(bench.order, _SHOWN[self.mode], flips=self.flips)
        read = partial(grades_in, count=len(groups[0]), scale=self.scale)
        verdicts = await side_by_side(bench.verdict(group, read) for group in groups)
        grades: list[list[float]] = [[] for _ in bench.texts]
        for group, verdict in zip(groups, verdicts, strict=True):
            for place, grade in zip(group, verdict or (), strict=False):
                if grade is not None:
                    grades[place].append(grade)
        return tuple(map(tuple, grades))

    def reduced(self, judges: Sequence[Results]) -> tuple[float, ...]:
        """Return the mean grades, or the expected ones."""
        means = super().reduced(judges)
        if self.reduce == "mean":
            return means
        expected = _expected_grades(judges)
        return tuple(expected.get(place, mean) for place, mean in enumerate(means))


def _expected_grades(judges: Sequence[Results]) -> dict[int, float]:
    """Return the expected grade of each graded answer by Dawid-Skene: answers are its tasks."""
    rows = [
        (place, judge, grade)
        for judge, results in enumerate(judges)
        for place, grades in enumerate(results)
        for grade in grades
    ]
    table = pd.DataFrame(rows, columns=["task", "worker", "label"])
    with quiet():
        chances = crowdkit.aggregation.DawidSkene(n_iter=ROUNDS).fit_predict_proba(table)
    grades = [float(label) for label in chances.columns]
    expected = (chances * grades).sum(axis=1)
    return {int(place): float(grade) for place, grade in expected.items()}
