"""LLM-TOPLA's learnt combination: a small network over what each member answers."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from pydantic import Field

from composer.heavy import np, scipy, sklearn
from composer.methods.mistakes import PartError
from composer.methods.reductions.base import Shares
from composer.methods.reductions.learned import LearnedReduction

if TYPE_CHECKING:
    from collections.abc import Sequence

    from composer.methods.agreements.base import Comparison
    from composer.methods.answer_table import AnswerTable
    from composer.methods.estimators.values import Floats
    from composer.methods.reductions.base import Ballot
    from composer.values import State

_HALF = 0.5


class Combiner(LearnedReduction):
    """A network that is given each member's answers and says which answer is right.

    Different answers to a question are its classes, the most frequent first and at most `answers`.
    A member's part of the input is how its votes are spread over them: one answer, or the parts of
    several draws. Two layers of `width` sigmoids are trained with Adam on the rows on which some
    answer is right.
    """

    name: ClassVar[str] = "combiner"
    paper: ClassVar[str] = "arXiv:2410.03953"

    answers: int = Field(default=30, ge=2)
    width: int = Field(default=100, ge=1)
    epochs: int = Field(default=300, ge=1)

    def fit(self, table: AnswerTable, comparisons: tuple[Comparison, ...], seed: int) -> State:
        """Train the network; the same rows and seed give the same network."""
        inputs, targets = [], []
        for row, comparison in zip(table.rows, comparisons, strict=True):
            order = self._order(comparison)
            quality = [row.quality[group[0]] or 0.0 for group in order]
            if quality and max(quality) > _HALF:
                members = [(at, 1.0) for at in table.members(row)]
                inputs.append(self._input(order, members, len(table.names)))
                targets.append(int(np.argmax(quality)))
        if len(set(targets)) < 2:  # noqa: PLR2004 - one class teaches nothing
            text = f"`{self.name}` needs rows on which another answer than that of most is right"
            raise PartError("E509", text, "give more labelled rows, or use a plain vote")
        network = sklearn.neural_network.MLPClassifier(
            (self.width, self.width),
            activation="logistic",
            batch_size=min(64, len(inputs)),
            learning_rate_init=1e-3,
            max_iter=self.epochs,
            n_iter_no_change=self.epochs,
            random_state=seed,
        )
        import warnings

        with warnings.catch_warnings():  # it stops after `epochs` by intent
            warnings.simplefilter("ignore", sklearn.exceptions.ConvergenceWarning)
            network.fit(np.array(inputs), np.array(targets))
        layers = zip(network.coefs_, network.intercepts_, strict=True)
        arrays: dict[str, Floats] = {}
        for at, (weights, biases) in enumerate(layers):
            arrays |= {f"w{at}": weights, f"b{at}": biases}
        return self.fitted_state(table, {**arrays, "classes": network.classes_})

    def shares(self, ballots: Sequence[Ballot], comparison: Comparison) -> Shares:
        """Return how likely each answer is right, among those that were given."""
        state = self.state()
        order = self._order(comparison)
        places = self.places(state, tuple(ballot.name for ballot in ballots))
        members = [(at, ballot.weight) for at, ballot in zip(places, ballots, strict=True)]
        hidden = self._input(order, members, len(state.facts["names"]))
        for layer in (0, 1):
            hidden = scipy.special.expit(
                hidden @ state.arrays[f"w{layer}"] + state.arrays[f"b{layer}"]
            )
        every = class_chances(hidden @ state.arrays["w2"] + state.arrays["b2"])
        chances = dict(zip(state.arrays["classes"].tolist(), every.tolist(), strict=True))
        by_group = {group: chances.get(at, 0.0) for at, group in enumerate(order)}
        sums = [by_group.get(group, 0.0) for group in comparison.groups]
        return Shares.of_groups(len(ballots), comparison.groups, sums, rows=state.facts["rows"])

    def _order(self, comparison: Comparison) -> list[tuple[int, ...]]:
        """Return the groups of equal answers, the most frequent first, then by appearance."""
        return sorted(comparison.groups, key=len, reverse=True)[: self.answers]

    def _input(
        self, order: list[tuple[int, ...]], members: Sequence[tuple[int, float]], count: int
    ) -> Floats:
        """Return each member's distribution over the answers, one after the other."""
        table = np.zeros((count, self.answers))
        for code, group in enumerate(order):
            for place in group:
                member, weight = members[place]
                table[member, code] += weight
        totals = table.sum(1, keepdims=True)
        flat: Floats = (table / np.where(totals, totals, 1.0)).ravel()
        return flat


def class_chances(logits: Floats) -> Floats:
    """Return the probability of each class of a scikit-learn model; two classes have one logit."""
    every = logits if len(logits) > 1 else np.array([0.0, logits[0]])
    chances: Floats = scipy.special.softmax(every)
    return chances
