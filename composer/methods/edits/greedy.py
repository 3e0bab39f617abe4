"""The greedy soup: members are added to a mean one by one, if the mean gets no worse."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from composer.heavy import np
from composer.methods.edits.searched import PointSearch
from composer.specs.problems import SpecProblem

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator, Sequence

    from composer.methods.edits.searched import Space
    from composer.methods.estimators.values import Floats
    from composer.specs.parts import Edit

__all__ = ["Greedy"]


class Greedy(PointSearch):
    """The mean of those members that make it no worse: they are added from the best to the worst.

    `compose fit` scores each member by itself on the data, then the mean of those kept so far and
    the next one. The others have a coefficient of 0. It chooses members of a mean, so the merge has
    no formula.
    """

    name: ClassVar[str] = "greedy"
    paper: ClassVar[str] = "arXiv:2203.05482"

    def problems(self, edit: Edit, count: int, *, formula: bool) -> Iterator[SpecProblem]:
        """Yield that the merge has a formula."""
        del edit, count
        if formula:
            text = "`greedy` chooses the members of a mean, and here is a formula"
            help_ = "write `merge(A, B, C, coefficients = greedy())`, or use `evolve()`"
            yield SpecProblem("E403", text, help_, "chooses members", field="coefficients")

    def points(self, space: Space, seed: int) -> Generator[Floats, float, Floats | None]:
        """Try each member, then means; return the mean of the members that were kept."""
        del seed
        members = range(space.members)
        scores = []
        for member in members:
            scores += [(yield _mean([member], space.members))]
        first, *others = sorted(members, key=lambda member: -scores[member])
        kept, best = [first], scores[first]
        for member in others:
            score = yield _mean([*kept, member], space.members)
            if score >= best:
                kept, best = [*kept, member], score
        return _mean(kept, space.members)


def _mean(kept: Sequence[int], members: int) -> Floats:
    """Return the coefficients of the members after the first in the mean of some members."""
    coefficients = np.zeros(members)
    coefficients[list(kept)] = 1 / len(kept)
    return coefficients[1:]
