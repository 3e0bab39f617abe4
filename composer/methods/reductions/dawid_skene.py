"""Votes by the model of Dawid and Skene: how reliable each member is, found without labels."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, ClassVar, Literal

from pydantic import Field

from composer.heavy import crowdkit, np, pd
from composer.methods.mistakes import PartError
from composer.methods.reductions.base import Count, Shares
from composer.methods.reductions.learned import Weighing
from composer.methods.reductions.one_coin import codes_of, log_odds, one_coin
from composer.quiet import quiet

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from composer.methods.agreements.base import Comparison
    from composer.methods.answer_table import AnswerTable
    from composer.methods.reductions.base import Ballot
    from composer.values import State

_MOST_LABELS = 50
_LEAST_CHANCE = 1e-3


class DawidSkene(Weighing):
    """Members weighted by how reliable they are, which is found from their answers alone.

    `one_coin` is the form for open answers: each member has one accuracy, and wrong answers are
    spread over K `choices` (estimated if not set). `classes` is the full form of crowd-kit (extra
    `eval`): each member has a table of what it says for which truth. It needs the same few labels
    in all questions, such as A to D or yes and no: at most 50, compared by an agreement with keys,
    such as `exact()`. An answer that was no label in the fit has no vote there.
    """

    name: ClassVar[str] = "dawid_skene"
    paper: ClassVar[str] = "https://www.jstor.org/stable/2346806"

    form: Literal["one_coin", "classes"] = "one_coin"
    choices: int | None = Field(default=None, ge=2)
    rounds: int = Field(default=100, ge=1)

    @property
    def labelled(self) -> bool:
        """Never: it learns from the answers alone."""
        return False

    def packages(self) -> Mapping[str, str]:
        """Return what the full form needs."""
        return {"crowdkit": "eval"} if self.form == "classes" else {}

    def fit(self, table: AnswerTable, comparisons: tuple[Comparison, ...], seed: int) -> State:
        """Estimate how reliable each member is, by expectation maximisation."""
        del seed
        if self.form == "classes":
            return self._fit_classes(table, comparisons)
        coin = one_coin(codes_of(table, comparisons), self.choices)
        weights = log_odds(coin.accuracy, coin.choices)
        arrays = {"accuracy": coin.accuracy, "weights": weights}
        return self.fitted_state(table, arrays, choices=coin.choices)

    def _fit_classes(self, table: AnswerTable, comparisons: tuple[Comparison, ...]) -> State:
        votes = [
            (task, row.candidates.names[place], label)
            for task, (row, comparison) in enumerate(zip(table.rows, comparisons, strict=True))
            for place, label in zip(comparison.voters, self._labels(comparison), strict=True)
        ]
        labels = sorted({label for _, _, label in votes})
        if not 1 < len(labels) <= _MOST_LABELS:
            text = (
                f"`{self.name}(form = classes)` needs 2 to {_MOST_LABELS} labels that all "
                f"questions share, and the answers have {len(labels)}"
            )
            raise PartError("E509", text, "use `form = one_coin`, which is for open answers")
        with quiet():
            data = pd.DataFrame(votes, columns=["task", "worker", "label"])
            model = crowdkit.aggregation.DawidSkene(n_iter=self.rounds).fit(data)
        errors = np.full((len(table.names), len(labels), len(labels)), 1 / len(labels))
        for (worker, label), chances in model.errors_.iterrows():
            errors[table.names.index(worker), labels.index(label)] = [
                chances.get(truth, 0.0) for truth in labels
            ]
        priors = np.array([float(model.priors_.get(truth, 0.0)) for truth in labels])
        arrays = {"errors": np.maximum(errors, _LEAST_CHANCE), "priors": priors}
        return self.fitted_state(table, arrays, labels=labels, form="classes")

    def shares(self, ballots: Sequence[Ballot], comparison: Comparison) -> Shares:
        """Return each answer's weight, or how likely it is right among those that were given."""
        state = self.state()
        if "errors" not in state.arrays:
            return super().shares(ballots, comparison)
        labels: list[str] = state.facts["labels"]
        label_of = dict(zip(comparison.voters, self._labels(comparison), strict=True))
        places = self.places(state, tuple(ballot.name for ballot in ballots))
        logs = np.log(np.maximum(state.arrays["priors"], _LEAST_CHANCE))
        for at, label in label_of.items():
            if label in labels:
                chances = state.arrays["errors"][places[at], labels.index(label)]
                logs = logs + ballots[at].weight * np.log(chances)
        given = [label_of[group[0]] for group in comparison.groups]
        if not set(given) & set(labels):
            return Count().shares(ballots, comparison)
        sums = [
            math.exp(logs[labels.index(label)] - logs.max()) if label in labels else 0.0
            for label in given
        ]
        return Shares.of_groups(len(ballots), comparison.groups, sums, rows=state.facts["rows"])

    def _labels(self, comparison: Comparison) -> Sequence[str]:
        if comparison.keys is None and comparison.voters:
            text = (
                f"`{self.name}(form = classes)` compares labels, which `{comparison.by.name}` lacks"
            )
            raise PartError("E509", text, "compare answers by `exact()`, or use `form = one_coin`")
        return comparison.keys or ()
