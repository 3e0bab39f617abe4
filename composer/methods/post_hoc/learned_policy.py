"""A learned policy of a cascade (DER): which stage is asked next, or whose answer is taken."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from pydantic import Field

from composer.heavy import np
from composer.methods.acceptances.base import LearnedAcceptance
from composer.methods.agreements.base import Comparison
from composer.methods.cascade_state import Move
from composer.methods.fitted import shaped
from composer.methods.mistakes import PartError
from composer.methods.post_hoc.deferral import Deferral, answered_set, of_part
from composer.methods.post_hoc.models import members_of
from composer.methods.post_hoc.outlook import held_out
from composer.values import State

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from composer.methods.cascade_state import CascadeState
    from composer.methods.cascade_table import CascadeTable
    from composer.methods.estimators.folds import Split
    from composer.methods.estimators.values import Floats
    from composer.methods.post_hoc.features import Columns
    from composer.methods.post_hoc.models import Examples


_STEADY = 1e-6


class LearnedPolicy(Deferral, LearnedAcceptance):
    """A Markov decision process whose actions are: ask a stage, or take an answer (DER).

    Its state is the question with all answers so far. Taking an answer brings its quality; asking a
    stage costs `cost` x its dollars per thousand answers. It stops when two answers agree by `by`
    (unless `agree` is false), after so many `steps`, or when the best answer is right with a
    probability of `threshold`. Else it does what has the greatest value. Values are fitted
    backwards from the last step: those of answers as `post_hoc` does, those of asking by a ridge
    regression of what was then reached on the rows.
    """

    name: ClassVar[str] = "learned_policy"
    paper: ClassVar[str] = "arXiv:2412.07448"

    cost: float = Field(default=0.0, ge=0)
    steps: int = Field(default=3, ge=1)
    threshold: float = Field(default=0.95, ge=0, le=1)
    agree: bool = True

    def move(self, state: CascadeState) -> Move:
        """Take an answer if it is time to stop, else do what has the greatest value."""
        fitted = self.state()
        (vector,), (chances,) = self.vectors_and_chances(fitted, [state])
        taken, stops = self._taken(state, chances)
        if taken is not None and stops:
            return Move(taken, {"chance": float(chances[taken])})
        now = 0.0 if taken is None else float(chances[taken])
        values = self._values(fitted, answered_set(state), np.append(vector, [now, 1.0]))
        asked = max(state.open, key=values.__getitem__)
        facts = {"values": {state.names[at]: values[at] for at in state.open}}
        if taken is not None and chances[taken] >= values[asked]:
            return Move(taken, {"chance": float(chances[taken]), **facts})
        return Move(asked, facts)

    def fit(self, table: CascadeTable, seed: int) -> State:
        """Fit the values of answers, then those of asking, from the last step to the first."""
        if self.cost and np.isnan(table.cost[table.has_answer]).any():
            text = f"`{self.name}` sets quality against cost, and some answers have no known cost"
            raise PartError("E509", text, "record `cost`, give the models a `price`, or `cost = 0`")
        state, examples, splits = self.learnt(table, seed)
        columns = self.columns(len(table.names))
        chances = held_out(columns, examples, splits, self.c)
        prices = self.cost * 1000 * np.nan_to_num(table.cost)
        agreeing = np.array([self._agreeing(row.state) for row in table.rows])
        weights = _Backward(self, columns, examples, splits, chances, prices, agreeing).weights()
        parts = {name: state.part(name) for name in state.facts}
        return of_part(self, table, State.join(**parts, values=State({"weights": weights})))

    def _taken(self, state: CascadeState, chances: Floats) -> tuple[int | None, bool]:
        """Return the answer that would be taken now, and whether it is time to stop."""
        if not state.answers:
            return None, False
        agreeing = [at for at in state.answers if self._agreeing(state)[at]] if self.agree else []
        taken = max(agreeing or state.answers, key=chances.__getitem__)
        spent = len(state.answers) >= self.steps
        return taken, bool(agreeing) or spent or bool(chances[taken] >= self.threshold)

    def _agreeing(self, state: CascadeState) -> list[int]:
        """Return for each stage the set of other stages that give the same answer."""
        places = list(state.answers)
        comparison = Comparison(self.by, [state.answers[at].text.answer for at in places])
        sets = [0] * len(state.names)
        for left in comparison.voters:
            for right in comparison.voters:
                if left != right and comparison.same(left, right) >= 1:
                    sets[places[left]] |= 1 << places[right]
        return sets

    def _values(self, fitted: State, answered: int, vector: Floats) -> list[float]:
        """Return what asking each stage is worth after a set has answered."""
        stages = len(fitted.facts["names"])
        weights = shaped(fitted.part("values"), "weights", 2**stages, stages, len(vector))
        values: list[float] = (weights[answered] @ vector).tolist()
        return values


@dataclass(frozen=True, eq=False)
class _Backward:
    """Values of asking, fitted from the last step to the first on n rows of m stages.

    `chances` [n, 2^m, m] are those of each answer being right after each set has answered, by fits
    that lack the row; `prices` [n, m] what asking costs; `agreeing` [n, m] the sets that agree.
    """

    policy: LearnedPolicy
    columns: Columns
    examples: Examples
    splits: Sequence[Split]
    chances: Floats
    prices: Floats
    agreeing: NDArray[np.intp]

    def weights(self) -> Floats:
        """Return the weights [2^m, m, d + 2] of what asking each stage is worth.

        The last two columns are the chance of the best answer so far, and 1.
        """
        rows, stages = self.examples.quality.shape
        graded = self.examples.quality
        quality = np.where(np.isnan(graded), self.chances[:, -1], graded)
        weights = np.zeros((2**stages, stages, self.examples.vectors.shape[1] + 2))
        reached = np.zeros((2**stages, rows))
        for answered in sorted(range(2**stages), key=int.bit_count, reverse=True):
            members = members_of(answered, stages)
            taken, stops = self._taken(answered, members)
            now = _of_stage(quality, taken) if members else np.zeros(rows)
            chance = _of_stage(self.chances[:, answered], taken) if members else np.zeros(rows)
            best = chance if members else np.full(rows, -np.inf)
            reached[answered] = now
            for stage in set(range(stages)) - set(members) if not stops.all() else ():
                came = self.examples.answers[:, stage]
                then = np.where(came, reached[answered | 1 << stage], now) - self.prices[:, stage]
                known = came & self.examples.answers[:, members].all(1)
                counts = np.append(self.columns.weights(answered, stage), [float(answered > 0), 1])
                vectors = np.hstack([self.examples.vectors, chance[:, None], np.ones((rows, 1))])
                own, worth = self._fit(vectors * counts, then, known)
                weights[answered, stage] = own * counts
                better = ~stops & (worth > best)
                best = np.where(better, worth, best)
                reached[answered] = np.where(better, then, reached[answered])
        return weights

    def _taken(
        self, answered: int, members: list[int]
    ) -> tuple[NDArray[np.intp], NDArray[np.bool_]]:
        """Return the answer that would be taken after a set has answered, and whether to stop."""
        rows = len(self.examples.quality)
        if not members:
            return np.zeros(rows, np.intp), np.zeros(rows, bool)
        chances = np.full(self.examples.quality.shape, -1.0)
        chances[:, members] = self.chances[:, answered][:, members]
        agree = np.zeros(chances.shape, bool)
        if self.policy.agree:
            agree[:, members] = (self.agreeing[:, members] & answered) > 0
        agreed: NDArray[np.bool_] = np.any(agree, axis=1)
        chances[agreed[:, None] & ~agree] = -1.0
        spent = len(members) >= self.policy.steps
        return chances.argmax(1), agreed | spent | (chances.max(1) >= self.policy.threshold)

    def _fit(
        self, vectors: Floats, values: Floats, known: NDArray[np.bool_]
    ) -> tuple[Floats, Floats]:
        """Return weights, and what fits say that lack the row."""
        left_out, c = np.zeros(len(values)), self.policy.c
        for training, rows in self.splits:
            some = training[known[training]]
            left_out[rows] = vectors[rows] @ _ridge(vectors[some], values[some], c)
        return _ridge(vectors[known], values[known], c), left_out


def _of_stage(values: Floats, stages: NDArray[np.intp]) -> Floats:
    """Return for each row the value [n, m] of its own stage [n]."""
    chosen: Floats = np.take_along_axis(values, stages[:, None], 1)[:, 0]
    return chosen


def _ridge(vectors: Floats, values: Floats, c: float) -> Floats:
    """Return the weights of a ridge regression with penalty 1 / c, none on the last two columns."""
    penalty = np.full(vectors.shape[1], 1 / c)
    penalty[-2:] = _STEADY
    weights: Floats = np.linalg.solve(vectors.T @ vectors + np.diag(penalty), vectors.T @ values)
    return weights
