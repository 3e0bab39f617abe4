"""A classifier of queries that learns from the labels of a vote: weak supervision."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from pydantic import Field

from composer.heavy import sklearn
from composer.methods.estimators.base import asked_of
from composer.methods.estimators.features import Features, Tfidf
from composer.methods.mistakes import PartError
from composer.methods.reductions.base import Shares
from composer.methods.reductions.combiner import class_chances
from composer.methods.reductions.dawid_skene import DawidSkene
from composer.methods.reductions.learned import LearnedReduction, inner_vote
from composer.values import Fitted, State

if TYPE_CHECKING:
    from collections.abc import Sequence

    from composer.methods.agreements.base import Comparison
    from composer.methods.answer_table import AnswerTable
    from composer.methods.estimators.values import Asked, Floats
    from composer.methods.reductions.base import Ballot

_LABELS = range(2, 51)


class Classifier(LearnedReduction):
    """The answer that a classifier of the query's text prefers, of those that were given.

    Nobody labels its rows. The vote `of` is fitted to the members' answers, and its winner is the
    label of each row, which counts by its part of the vote (data programming). A logistic
    regression over `features` of the query learns these labels, with L2 regularization 1 / `c`. It
    needs 2 to 50 labels that the questions share, compared by an agreement with keys, such as
    `exact()`. Where it knows none of the answers, the vote decides.
    """

    name: ClassVar[str] = "classifier"
    paper: ClassVar[str] = "arXiv:1605.07723"

    of: LearnedReduction = DawidSkene()
    features: Features = Tfidf()
    c: float = Field(default=1.0, gt=0)

    @property
    def labelled(self) -> bool:
        """Whether the vote needs labels; the classifier does not."""
        return self.of.labelled

    def fit(self, table: AnswerTable, comparisons: tuple[Comparison, ...], seed: int) -> State:
        """Label each row by the vote, then learn the labels from the queries' texts."""
        vote = self.of.fit(table, comparisons, seed)
        bound = self.of.bound(Fitted.of(table.names, len(table.rows), state=vote))
        asked: list[Asked] = []
        labels: list[str] = []
        parts: list[float] = []
        for row, comparison in zip(table.rows, comparisons, strict=True):
            if not comparison.voters:
                continue
            values = bound.values(row.candidates, comparison)
            winner = max(comparison.voters, key=values.__getitem__)
            asked.append(asked_of(row.candidates.query))
            labels.append(self._label(comparison, winner))
            parts.append(values[winner])
        known = sorted(set(labels))
        if len(known) not in _LABELS:
            text = (
                f"`{self.name}` needs {_LABELS.start} to {_LABELS.stop - 1} labels that the "
                f"questions share, and the vote gives {len(known)}"
            )
            raise PartError("E509", text, f"use the vote alone: `reduce = {self.of.name}()`")
        state, vectors = self.features.embed(asked)
        model = sklearn.linear_model.LogisticRegression(C=self.c, max_iter=1000)
        model.fit(vectors, labels, sample_weight=parts)
        learnt = State({"weights": model.coef_, "biases": model.intercept_}, {"labels": known})
        joined = State.join(vote=vote, features=state, model=learnt)
        return self.fitted_state(table, joined.arrays, **joined.facts)

    def shares(self, ballots: Sequence[Ballot], comparison: Comparison) -> Shares:
        """Return how likely the classifier takes each answer for, among those that were given."""
        state = self.state()
        labels: list[str] = state.part("model").facts["labels"]
        given = [self._label(comparison, group[0]) for group in comparison.groups]
        if not set(given) & set(labels):
            return inner_vote(state, self.of, "vote").shares(ballots, comparison)
        chances = self._chances(state, asked_of(ballots[0].text.query))
        by_label = dict(zip(labels, chances.tolist(), strict=True))
        sums = [by_label.get(label, 0.0) for label in given]
        likeliest = max(by_label, key=by_label.__getitem__)
        why = {"classifier": likeliest, "rows": state.facts["rows"]}
        return Shares.of_groups(len(ballots), comparison.groups, sums, **why)

    def _chances(self, state: State, asked: Asked) -> Floats:
        model = state.part("model")
        (vector,) = self.features.vectors(state.part("features"), [asked]).toarray()
        return class_chances(model.arrays["weights"] @ vector + model.arrays["biases"])

    def _label(self, comparison: Comparison, place: int) -> str:
        if comparison.keys is None:
            text = f"`{self.name}` compares labels, which `{comparison.by.name}` does not give"
            raise PartError("E509", text, "compare answers by `exact()`")
        return comparison.keys[comparison.voters.index(place)]
