"""A random forest that says how likely each candidate is right, as MoRE selects answers."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from pydantic import Field

from composer.heavy import np, sklearn
from composer.methods.estimators.trees import leaves, tree_state
from composer.methods.selectors.base import LearnedScorer, nothing_to_learn
from composer.methods.selectors.features import agreement_features

if TYPE_CHECKING:
    from composer.methods.agreements.base import Comparison
    from composer.methods.answer_table import AnswerTable, MemberAnswers
    from composer.methods.estimators.values import Floats
    from composer.values import State


class Forest(LearnedScorer):
    """The probability that a candidate is right, by a random forest over who agrees with whom.

    Its features are those of `agreement_features`. `trees` trees are grown on bootstrap samples
    down to leaves of at least `leaf` rows; a split sees the square root of the features. A tree
    that minimises the squared error of right (1) and wrong (0) is the one that minimises Gini's
    impurity, so the mean of the leaves is the probability of a random forest classifier, and
    answers may also be graded between 0 and 1.
    """

    name: ClassVar[str] = "forest"
    paper: ClassVar[str] = "arXiv:2305.14628"

    trees: int = Field(default=100, ge=1)
    leaf: int = Field(default=1, ge=1)

    def fit(self, table: AnswerTable, comparisons: tuple[Comparison, ...], seed: int) -> State:
        """Grow the trees over all answers whose quality is known; they are kept as arrays."""
        vectors, quality = labelled_features(table, comparisons)
        if not len(quality):
            raise nothing_to_learn(self.name, "answers whose quality is known")
        model = sklearn.ensemble.RandomForestRegressor(
            self.trees, min_samples_leaf=self.leaf, max_features="sqrt", random_state=seed
        )
        model.fit(vectors, quality)
        return self.fitted_state(table, trees=tree_state(model.estimators_, exact=True))

    def scores(self, state: State, answers: MemberAnswers) -> Floats:
        """Return the probability that each candidate is right."""
        chances: Floats = leaves(state.part("trees"), agreement_features(answers)).mean(1)[:, 0]
        return chances


def labelled_features(
    table: AnswerTable, comparisons: tuple[Comparison, ...]
) -> tuple[Floats, Floats]:
    """Return the features [n, d] and the quality [n] of all answers whose quality is known."""
    vectors, quality = [], []
    for row, each in zip(table.rows, table.member_answers(comparisons), strict=True):
        voters = each.comparison.voters
        if not voters:
            continue
        labels = np.array([row.quality[at] for at in voters], dtype=float)
        vectors.append(agreement_features(each)[np.isfinite(labels)])
        quality.append(labels[np.isfinite(labels)])
    if not vectors:
        return np.zeros((0, 0)), np.zeros(0)
    return np.concatenate(vectors), np.concatenate(quality)
