"""A small network over the answers of all members at once says who is right."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from pydantic import Field

from composer.heavy import np, torch
from composer.methods.estimators.features import Features, Tfidf
from composer.methods.estimators.heads import estimates
from composer.methods.estimators.latent import Latent
from composer.methods.estimators.losses import Goal, loss, targets
from composer.methods.estimators.nets import forward, layers, train
from composer.methods.selectors.base import LearnedScorer
from composer.methods.selectors.features import answer_logprob
from composer.methods.selectors.texts import candidate_vectors, fit_texts
from composer.values import State

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torch import Tensor

    from composer.methods.agreements.base import Comparison
    from composer.methods.answer_table import AnswerTable
    from composer.methods.estimators.values import Floats
    from composer.values import Candidates


class Experts(LearnedScorer):
    """Fusion of experts: a network sees the outputs of all members, and scores each of them.

    Its input is the question's vector, and for each member in order the vector of its answer, its
    log-probability, and which members agree with it; a member without an answer is all zeros.
    It is trained towards a `goal`: `right` gives the probability that each answer is right, `best`
    the shares of those that did best. `hidden` is the width of its hidden layer.
    """

    name: ClassVar[str] = "experts"
    paper: ClassVar[str] = "arXiv:2310.01542"

    features: Features = Latent(of=Tfidf(words=1), dims=32)
    hidden: int = Field(default=64, ge=1)
    goal: Goal = "right"
    steps: int = Field(default=300, ge=1)

    def fit(self, table: AnswerTable, comparisons: tuple[Comparison, ...], seed: int) -> State:
        """Train the network on all rows; answers of unknown quality have no part in it."""
        texts = fit_texts(self.features, table)
        inputs = np.stack(
            [
                self._input(texts, row.candidates, each, table.members(row), len(table.names))
                for row, each in zip(table.rows, comparisons, strict=True)
            ]
        )
        wanted = targets(self.goal, answered_quality(table), 1.0)
        sizes = (inputs.shape[1], self.hidden, len(table.names))
        x, y = torch.from_numpy(inputs), torch.tensor(wanted, dtype=torch.float32)

        def of_batch(weights: dict[str, Tensor], rows: Tensor) -> Tensor:
            return loss(self.goal, forward(weights, x[rows]), y[rows])

        start = layers(sizes, np.random.default_rng(seed))
        net = State(train(start, of_batch, len(x), seed=seed, steps=self.steps))
        return self.fitted_state(table, texts=texts, net=net)

    def scores(
        self, state: State, candidates: Candidates, comparison: Comparison, members: Sequence[int]
    ) -> Floats:
        """Return the network's scores of the members that answer."""
        count = len(state.facts["names"])
        vector = self._input(state.part("texts"), candidates, comparison, members, count)
        found = estimates(self.goal, forward(state.part("net").arrays, vector[None]))
        scores: Floats = found[0, [members[place] for place in comparison.voters]]
        return scores

    def _input(
        self,
        texts: State,
        each: Candidates,
        comparison: Comparison,
        members: Sequence[int],
        count: int,
    ) -> Floats:
        """Return what the network sees of one query [d], for `count` members."""
        question, answers = candidate_vectors(self.features, texts, each)
        outputs = np.zeros((count, answers.shape[1] + 2 + count), np.float32)
        for group in comparison.groups:
            for place in group:
                row = outputs[members[place]]
                row[: answers.shape[1]] = answers[place]
                row[answers.shape[1] :][:2] = 1.0, answer_logprob(each.texts[place])
                row[answers.shape[1] + 2 :][[members[other] for other in group]] = 1.0
        return np.concatenate([question, outputs.ravel()])


def answered_quality(table: AnswerTable) -> Floats:
    """Return the quality [n, m] of all answers, NaN for those that abstain."""
    answered = [[answer is not None for answer in row] for row in table.answers]
    quality: Floats = np.where(answered, table.quality, np.nan)
    return quality
