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
    from torch import Tensor

    from composer.methods.agreements.base import Comparison
    from composer.methods.answer_table import AnswerTable, MemberAnswers
    from composer.methods.estimators.values import Floats


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
        inputs = np.stack([self._input(texts, each) for each in table.member_answers(comparisons)])
        wanted = targets(self.goal, answered_quality(table), 1.0)
        sizes = (inputs.shape[1], self.hidden, len(table.names))
        x, y = torch.from_numpy(inputs), torch.tensor(wanted, dtype=torch.float32)

        def of_batch(weights: dict[str, Tensor], rows: Tensor) -> Tensor:
            return loss(self.goal, forward(weights, x[rows]), y[rows])

        start = layers(sizes, np.random.default_rng(seed))
        net = State(train(start, of_batch, len(x), seed=seed, steps=self.steps))
        return self.fitted_state(table, texts=texts, net=net)

    def scores(self, state: State, answers: MemberAnswers) -> Floats:
        """Return the network's scores of the members that answer."""
        vector = self._input(state.part("texts"), answers)
        found = estimates(self.goal, forward(state.part("net").arrays, vector[None]))
        voters = [answers.members[place] for place in answers.comparison.voters]
        scores: Floats = found[0, voters]
        return scores

    def _input(self, texts: State, each: MemberAnswers) -> Floats:
        """Return what the network sees of one query [d], for all members."""
        question, answers = candidate_vectors(self.features, texts, each.candidates)
        outputs = np.zeros((each.count, answers.shape[1] + 2 + each.count), np.float32)
        for group in each.comparison.groups:
            for place in group:
                row = outputs[each.members[place]]
                row[: answers.shape[1]] = answers[place]
                row[answers.shape[1] :][:2] = 1.0, answer_logprob(each.candidates.texts[place])
                row[answers.shape[1] + 2 :][[each.members[other] for other in group]] = 1.0
        return np.concatenate([question, outputs.ravel()])


def answered_quality(table: AnswerTable) -> Floats:
    """Return the quality [n, m] of all answers, NaN for those that abstain."""
    answered = [[answer is not None for answer in row] for row in table.answers]
    quality: Floats = np.where(answered, table.quality, np.nan)
    return quality
