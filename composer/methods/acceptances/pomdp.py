"""`pomdp`: whether going on pays, by how sure a verifier is of each answer (AutoMix)."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Literal

from pydantic import Field

from composer.heavy import np
from composer.methods.acceptances.base import LearnedAcceptance, in_order
from composer.methods.acceptances.binned import BinnedRows, Form
from composer.methods.fitted import named, shaped
from composer.methods.mistakes import PartError
from composer.methods.signals.base import Signal
from composer.values import State

if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Final

    from numpy.typing import NDArray

    from composer.methods.cascade_state import CascadeState, Move
    from composer.methods.cascade_table import CascadeTable
    from composer.methods.estimators.values import Floats

FEWEST: Final = 20
"""Rows on which every answer must have been judged."""

MOST: Final = 1_000_000
"""Courses of bins over all stages that are looked at."""

FORMS: Final[tuple[Form, ...]] = ("pomdp", "greedy", "threshold", "double", "triple")


class Pomdp(LearnedAcceptance):
    """Goes on where that is worth its cost, by one signal of each answer, such as `verified`.

    The values of the signal `of` are cut into `bins` with about as many rows each; an unknown value
    is a bin of its own. `form` is how it decides (AutoMix): `pomdp` by the belief which of the
    stages are right, after the bins of all answers so far; `greedy` by what going on gained in the
    latest bin, smoothed over its neighbours; `threshold` goes on below one value, `double` between
    two, since an answer that is surely wrong may be a question beyond help, and `triple` below one
    and between two others. `cost` is the quality that one dollar for a thousand questions must
    bring, as in `one`. Where it is not set, `aim` says what it is: with `gain` what the last stage
    alone brings, so that the cascade gains most over a mixture of the two; with `ibc`, as in the
    paper, the one whose gain for each dollar more is greatest, among those where 5% of the rows or
    more go on. Where the dollars of a stage are unknown, all stages cost the same.
    """

    name: ClassVar[str] = "pomdp"
    paper: ClassVar[str] = "arXiv:2310.12963"
    tunable: ClassVar[str] = "cost"

    of: Signal
    form: Form = "pomdp"
    bins: int = Field(default=8, ge=2, le=32)
    cost: float | None = Field(default=None, ge=0)
    aim: Literal["gain", "ibc"] = "gain"

    @property
    def signals(self) -> tuple[Signal, ...]:
        """The signal that is cut into bins."""
        return (self.of,)

    def fit(self, table: CascadeTable, seed: int) -> State:
        """Cut the signal into bins, and keep the rows by these; nothing is drawn."""
        del seed
        gates = len(table.names) - 1
        judged = np.isfinite(table.quality).all(axis=1)
        if judged.sum() < FEWEST:
            text = f"`pomdp` needs {FEWEST} rows on which every stage has a judged answer"
            raise PartError("E509", f"{text}, and there are {judged.sum()}", "give more rows")
        signal = table.signal(str(self.of))[judged, :gates]
        if not np.isfinite(signal).any():
            text = f"`{self.of}` is unknown for every answer, so `pomdp` learns nothing from it"
            raise PartError("E509", text, "use another signal, or models that give it")
        if (self.bins + 1) ** gates > MOST:
            text = f"`pomdp` with {self.bins} bins cannot look through {gates + 1} stages"
            raise PartError("E509", text, "use fewer bins, such as `bins = 3`")
        edges = np.array([self._edges(column) for column in signal.T])
        columns = zip(signal.T, edges, strict=True)
        binned = np.stack([_bins(column, cuts) for column, cuts in columns], axis=1)
        with np.errstate(all="ignore"):
            dollars = np.array([_mean(column) for column in table.cost[judged].T])
        known = bool(np.isfinite(dollars).all())
        rows = BinnedRows(
            binned,
            table.quality[judged],
            dollars * 1000 if known else np.ones(gates + 1),
            self.bins + 1,
        )
        arrays = {
            "edges": edges,
            "bins": rows.bins.astype(np.int8),
            "quality": rows.quality.astype(np.float32),
            "cost": rows.cost,
            "rates": np.array([rows.rate_of_most_benefit(form) for form in FORMS]),
        }
        facts = {"part": self.name, "names": list(table.names), "in_dollars": known}
        return State(arrays, facts)

    def move(self, state: CascadeState) -> Move:
        """Go on where the rows of the fit say that it pays."""
        fitted = self.state()
        gates = len(named(fitted, state.names, self.name)) - 1
        latest = state.latest
        if latest is None or latest >= gates:
            return in_order(state, accepted=latest is not None)
        rows, edges = self._rows(fitted), shaped(fitted, "edges", gates, None)
        place = 0
        for gate in range(latest + 1):
            answer = state.answers.get(gate)
            value = None if answer is None else answer.signals.get(str(self.of))
            number = float(value) if isinstance(value, int | float) else np.nan
            place = place * rows.count + int(_bins(np.array([number]), edges[gate])[0])
        on = rows.going_on(self.form, self._rate(fitted, rows))[latest]
        return in_order(state, accepted=not on[place % len(on)])

    def notes(self, state: State) -> Iterator[str]:
        """Say what it comes to on the rows of the fit, and its benefit for cost."""
        rows, unit = self._rows(state), "$" if state.facts.get("in_dollars") else "calls "
        outcome = rows.outcome(rows.going_on(self.form, self._rate(state, rows)))
        each = "a thousand questions" if unit == "$" else "a question"
        yield (
            f"on the rows of the fit it goes on for {outcome.share:.1%}: quality "
            f"{outcome.quality:.4f} for {unit}{outcome.cost:.4g} {each}; the first stage alone has "
            f"{rows.quality[:, 0].mean():.4f} for {unit}{rows.cost[0]:.4g}, the last alone "
            f"{rows.quality[:, -1].mean():.4f} for {unit}{rows.cost[-1]:.4g}"
        )
        if rows.slope > 0:
            lift = rows.benefit(outcome) / rows.slope - 1
            yield f"its gain for cost (IBC) is {lift:+.1%} beside that of the last stage alone"

    def _rate(self, fitted: State, rows: BinnedRows) -> float:
        """Return the quality that a unit of cost must bring."""
        if self.cost is not None:
            return self.cost
        if self.aim == "gain":
            return max(rows.slope, 0.0)
        return float(shaped(fitted, "rates", len(FORMS))[FORMS.index(self.form)])

    def _rows(self, fitted: State) -> BinnedRows:
        bins = shaped(fitted, "bins", None, None)
        quality = shaped(fitted, "quality", len(bins), bins.shape[1] + 1)
        cost = shaped(fitted, "cost", bins.shape[1] + 1)
        edges = shaped(fitted, "edges", bins.shape[1], None)
        return BinnedRows(bins.astype(np.intp), quality, cost, edges.shape[1] + 2)

    def _edges(self, signal: Floats) -> Floats:
        """Return the values at which bins begin: quantiles, or midway between few values."""
        known = np.unique(signal[np.isfinite(signal)])
        if len(known) <= self.bins:
            cuts = (known[1:] + known[:-1]) / 2
        else:
            shares = np.arange(1, self.bins) / self.bins
            cuts = np.quantile(signal[np.isfinite(signal)], shares)
        beyond = np.finfo(float).max
        return np.concatenate([cuts, np.full(self.bins - 1 - len(cuts), beyond)])


def _bins(values: Floats, edges: Floats) -> NDArray[np.intp]:
    """Return the bin of each value, the last one where it is no number."""
    places = np.searchsorted(edges, values, side="right")
    return np.where(np.isfinite(values), places, len(edges) + 1).astype(np.intp)


def _mean(values: Floats) -> float:
    known = values[np.isfinite(values)]
    return float(known.mean()) if len(known) else float("nan")
