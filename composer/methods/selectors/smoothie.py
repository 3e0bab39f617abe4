"""Smoothie: the member whose answers lie nearest to those of all others, without any label."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Literal

from pydantic import Field

from composer.heavy import np
from composer.methods.estimators.features import Features, Tfidf
from composer.methods.fitted import named, shaped
from composer.methods.selectors.base import ABSTAINS, FittedScorer
from composer.values import State

if TYPE_CHECKING:
    from collections.abc import Sequence

    from composer.methods.agreements.base import Comparison
    from composer.methods.answer_table import AnswerTable
    from composer.methods.estimators.values import Floats
    from composer.values import Candidates

_LEAST = 3


class Smoothie(FittedScorer):
    """Minus how far a member's answers lie from the truth, as the other members' answers show it.

    The answers to a query are seen as independent guesses around one true vector. Then the mean
    squared distances D between members give each member's own distance without labels: diff_i =
    ((m - 1) S_i - T) / ((m - 1)(m - 2)), with S_i = sum over j of D_ij and T = sum over j < k of
    D_jk. `over` says which rows D is the mean of: `all` rows of the fit (Smoothie-Global, one order
    of the members for all queries), the query itself and the `k` - 1 fitted rows whose questions
    are `near` (Smoothie-Local), or the query's own `row`, which needs no fit. Of two candidates
    neither is nearer. The score is -diff, which is well defined where diff is not positive.
    """

    name: ClassVar[str] = "smoothie"
    paper: ClassVar[str] = "arXiv:2412.04692"

    features: Features = Tfidf(words=1)
    over: Literal["row", "near", "all"] = "row"
    k: int = Field(default=20, ge=1)

    @property
    def open(self) -> bool:
        """Whether a fit is wanted: not for the query's own row."""
        return self.over != "row" and self.file is None

    @property
    def labelled(self) -> bool:
        """Whether it needs labels; it learns from the distances of answers alone."""
        return False

    def fit(self, table: AnswerTable, comparisons: tuple[Comparison, ...], seed: int) -> State:
        """Keep the distances of members, as a mean or by rows, and what new texts are seen by."""
        del seed
        questions = [row.candidates.query.text for row in table.rows]
        answers = [each for row in table.answers for each in row if each is not None]
        texts = dict.fromkeys((*(questions if self.over == "near" else ()), *answers))
        state = self.features.fit([(text, ()) for text in texts])
        rows = np.full((len(table.rows), len(table.names), len(table.names)), np.nan)
        for at, (row, each) in enumerate(zip(table.rows, comparisons, strict=True)):
            places = [table.members(row)[place] for place in each.voters]
            rows[at][np.ix_(places, places)] = distances(self._vectors(state, _voices(each)))
        if self.over == "all":
            facts = {"part": self.name, "names": list(table.names)}
            return State({"distances": _mean(rows)}, facts)
        asked = self._vectors(state, questions).astype(np.float32)
        kept = State({"rows": np.nan_to_num(rows, nan=-1.0), "questions": asked})
        return self.fitted_state(table, of=state, near=kept)

    def values(self, candidates: Candidates, comparison: Comparison) -> tuple[float, ...]:
        """Return -diff of each candidate that answers."""
        voters = comparison.voters
        scores = [ABSTAINS] * len(candidates.texts)
        between = self._between(candidates, comparison) if voters else np.zeros((0, 0))
        for place, diff in zip(voters, differences(between), strict=True):
            scores[place] = -float(diff)
        return tuple(scores)

    def _between(self, candidates: Candidates, comparison: Comparison) -> Floats:
        """Return the mean squared distances of the candidates that answer."""
        voices = _voices(comparison)
        if self.over == "row":
            _, vectors = self.features.embed([(text, ()) for text in voices])
            return distances(vectors.toarray())
        state = self.state()
        members = named(state, candidates.names, self.name)
        own = [members[place] for place in comparison.voters]
        if self.over == "all":
            size = len(state.facts["names"])
            whole: Floats = shaped(state, "distances", size, size)[np.ix_(own, own)]
            return whole
        of, near = state.part("of"), state.part("near")
        like = near.arrays["questions"] @ self._vectors(of, [candidates.query.text])[0]
        order = np.argsort(-like, kind="stable")[: self.k - 1]
        rows = near.arrays["rows"][order][:, own][:, :, own]
        itself = distances(self._vectors(of, voices))
        return _mean(np.concatenate([np.where(rows < 0, np.nan, rows), itself[None]]))

    def _vectors(self, state: State, texts: Sequence[str]) -> Floats:
        vectors: Floats = self.features.vectors(state, [(text, ()) for text in texts]).toarray()
        return vectors.astype(np.float64)


def distances(vectors: Floats) -> Floats:
    """Return the squared distances [m, m] of vectors [m, d]."""
    squares = np.square(vectors).sum(1)
    between: Floats = squares[:, None] + squares[None] - 2 * vectors @ vectors.T
    between = between.clip(0.0)
    np.fill_diagonal(between, 0.0)
    return between


def differences(between: Floats) -> Floats:
    """Return diff of each member by the squared distances [m, m]; equal ones for two members.

    It is the mean over pairs j < k of the others of (D_ij + D_ik - D_jk) / 2.
    """
    count = len(between)
    if count < _LEAST:
        return np.zeros(count)
    sums = between.sum(1)
    diffs: Floats = ((count - 1) * sums - sums.sum() / 2) / ((count - 1) * (count - 2))
    return diffs


def _mean(rows: Floats) -> Floats:
    """Return the mean over rows [n, m, m]; the mean of all distances where two never met."""
    met = np.isfinite(rows)
    sums, counts = np.where(met, rows, 0.0).sum(0), met.sum(0)
    overall = sums.sum() / max(counts.sum(), 1)
    means: Floats = np.where(counts, sums / counts.clip(1), overall)
    return means


def _voices(comparison: Comparison) -> list[str]:
    return [str(comparison.answers[place]) for place in comparison.voters]
