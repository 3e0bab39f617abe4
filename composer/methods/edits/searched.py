"""Coefficients that `compose fit` finds: what a search ranges over, and what it leaves."""

from __future__ import annotations

import hashlib
from abc import abstractmethod
from typing import TYPE_CHECKING, ClassVar, NamedTuple

from composer.heavy import np
from composer.methods.fitted import FittedPart, shaped
from composer.specs.parts import Coefficients

if TYPE_CHECKING:
    from collections.abc import Generator, Iterable, Sequence

    from numpy.typing import NDArray

    from composer.methods.estimators.values import Floats
    from composer.specs.parts import Edit, TensorPlace
    from composer.values import State

__all__ = [
    "PointSearch",
    "Searched",
    "Space",
    "query_digests",
    "row_of",
    "seen_queries",
    "tie_broken",
]


class Space(NamedTuple):
    """What a search ranges over: vectors [n] between two limits, and where it starts.

    A vector has the coefficients of the members after the first, for one group of tensors after the
    other, then the options of the edit. The first member has what is left, so that the sum of the
    coefficients stays that of the recipe. `members` counts all members.
    """

    start: Floats
    low: Floats
    high: Floats
    members: int


def row_of(place: TensorPlace, rows: int) -> int:
    """Return in which row of a table the coefficients of a tensor stand.

    A table of several rows has one for the tensors beside the layers, then one for each group of
    neighbouring layers, from the lowest to the highest.
    """
    if rows == 1 or place.layer is None:
        return 0
    return 1 + place.layer * (rows - 1) // place.layers


def query_digests(queries: Iterable[str]) -> NDArray[np.uint64]:
    """Return a number for each question, the same for equal ones."""
    digests = (hashlib.sha256(query.strip().encode()).digest()[:8] for query in queries)
    return np.array([int.from_bytes(each, "little") for each in digests], dtype=np.uint64)


def seen_queries(state: State) -> NDArray[np.uint64]:
    """Return the digests of the questions that a state was found on."""
    digests: NDArray[np.uint64] = shaped(state, "queries", None)
    return digests


def tie_broken(quality: Floats, likelihood: Floats) -> float:
    """Return the mean quality on rows, with ties broken by the mean likelihood of a token.

    `quality` and `likelihood` [row] are the grades of answers, and mean log-probabilities of the
    references. A whole right answer counts for more than any likelihood.
    """
    return float(np.mean(quality) + np.exp(np.mean(likelihood)) / (len(quality) + 1))


class Searched(Coefficients, FittedPart):
    """Coefficients that are found on a data file, and read from a fit afterwards.

    The fitted state has the table `coefficients` [group, member], the values of the `options` of
    the edit that were searched, and in `queries` [row] the digests of the questions it was found
    on, so that nobody measures the merge on them by mistake.
    """

    def groups_of(self, layers: int) -> int:
        """Return in how many groups of layers the coefficients differ; 1 for all tensors alike."""
        del layers
        return 1

    def rows(self, layers: int) -> int:
        """Return how many rows the table of coefficients has."""
        groups = self.groups_of(layers)
        return 1 if groups == 1 else 1 + groups

    @property
    def edit_options(self) -> tuple[str, ...]:
        """The options of the edit that are searched too."""
        return ()

    def at(self, place: TensorPlace, given: Sequence[float]) -> Sequence[float]:
        """Return the coefficients that were found for a tensor."""
        table = shaped(self.state(), "coefficients", None, len(given))
        row: list[float] = table[row_of(place, len(table))].tolist()
        return row

    def queries(self) -> NDArray[np.uint64]:
        """Return the digests of the questions that the coefficients were found on."""
        return seen_queries(self.state())

    def edit(self, given: Edit) -> Edit:
        """Return the edit with the options that were found."""
        if not self.edit_options:
            return given
        values = shaped(self.state(), "options", len(self.edit_options)).tolist()
        return given.model_copy(update=dict(zip(self.edit_options, values, strict=True)))


class PointSearch(Searched):
    """Coefficients that are found by trying points, one after the other, each of which is scored.

    `points` is the whole method; the rest is the same for all.
    """

    paper: ClassVar[str] = ""

    @abstractmethod
    def points(self, space: Space, seed: int) -> Generator[Floats, float, Floats | None]:
        """Yield points [n] to try, and be sent the score of each; a greater score is better.

        Returns the point that was found, None for the best of those tried. With equal scores it
        must yield equal points again: so a search that was stopped goes on.
        """

    def limits(self) -> tuple[float, float]:
        """Return between which numbers a coefficient is searched."""
        return 0.0, 1.0

    def score(self, quality: Floats, likelihood: Floats, tags: Sequence[Sequence[str]]) -> float:
        """Return how good a merge is by the quality and the likelihood of its answers [row]."""
        del tags
        return tie_broken(quality, likelihood)
