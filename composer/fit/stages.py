"""The trainers of what decides in a cascade: acceptances, learned signals, and estimators."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from composer.compiler.fits import CalibratedOption, choices_of
from composer.diagnostics import Diagnostic, Mistakes
from composer.fit.calibrate import Cascade, calibrated_to
from composer.fit.cascade_gains import Baselines, cascade_gains
from composer.fit.cascades import table_of
from composer.fit.costs import demand_route_costs, priced_labels
from composer.fit.decisions import cascade_outcomes
from composer.fit.estimators import examined
from composer.fit.learned_signals import with_learned
from composer.fit.settings import TrainingResult, not_trainable
from composer.fit.validation import facts, triple
from composer.heavy import np
from composer.methods import Rule
from composer.methods.cascade_replay import Replayed, accepting, replayed_outcomes
from composer.methods.estimators.costs import cost_lines, known_means
from composer.methods.estimators.folds import shuffled
from composer.methods.mistakes import PartError
from composer.metrics import mean_interval
from composer.values import Fitted

if TYPE_CHECKING:
    from collections.abc import Sequence

    from composer.compiler.graph import Node
    from composer.fit.settings import FitSettings, Target
    from composer.methods.acceptances.base import LearnedAcceptance
    from composer.methods.cascade_part import CascadePart
    from composer.methods.cascade_replay import Order
    from composer.methods.cascade_table import CascadeTable
    from composer.methods.estimators.folds import Split
    from composer.methods.estimators.values import Estimates
    from composer.methods.post_hoc.base import AfterAnswers
    from composer.methods.signals.learned import LearnedSignal
    from composer.values import State


def train_after_answers(part: AfterAnswers, node: Node, settings: FitSettings) -> TrainingResult:
    """Fit an estimator on the answers of a cascade, say how well it does, and calibrate it."""
    table = with_learned(_table(node, settings), part.signals, settings)
    labels = table.labels
    notes = examined(labels, settings.folds)
    demand_route_costs(node, known_means(labels), settings)
    splits = shuffled(table.queries, settings.folds, settings.seed)
    estimates = _LeftOutEstimates(part, table, splits, settings.seed)
    costs = cost_lines(labels)
    state = _fitted(part, table, settings.seed)
    choices = choices_of(node)
    priced = priced_labels(labels, choices)
    baselines = Baselines.of(table, splits, settings.seed)
    rows = np.arange(len(table.rows))
    policy = node.settled("policy")
    cascade = Cascade(policy, choices, priced, table, estimates, baselines, rows, settings.seed)
    calibrated, reached = calibrated_to(cascade, node.get("policy"), settings.target)
    report = {**facts(labels), "costs": known_means(labels), **reached}
    notes += tuple(part.notes(state))
    states = {"state": state, "costs": costs}
    return TrainingResult(table.names, len(table.rows), states, report, calibrated, notes)


def train_acceptance(part: LearnedAcceptance, node: Node, settings: FitSettings) -> TrainingResult:
    """Fit an acceptance on the answers of a cascade, and say how well it does on held-out rows."""
    table = _table(node, settings, labelled=part.labelled)
    table = with_learned(table, part.signals, settings)
    labels = table.labels
    notes = examined(labels, settings.folds) if part.labelled else ()
    aimed = part if settings.target is None else _aimed(part, settings.target)
    seed = settings.seed
    splits = shuffled(table.queries, settings.folds, seed)
    state = _fitted(aimed, table, seed)
    report: dict[str, Any] = {"rows": len(table.rows), **facts(labels)}
    report["costs"] = known_means(labels)
    if guarantees := aimed.guarantees(state):
        report["guarantees"] = guarantees
    elif part.labelled or bool(np.isfinite(labels.quality).all()):
        held_out = _held_out(aimed, table, splits, seed)
        results = cascade_outcomes(held_out, labels)
        baselines = Baselines.of(table, splits, seed)
        report["at_target"] = cascade_gains(results, baselines, seed)
        if settings.target is not None:
            reached = getattr(results, settings.target.what)
            report["reached"] = triple(
                mean_interval(reached[np.isfinite(reached)].tolist(), seed=seed)
            )
    calibrated = None if settings.target is None else _set_option(settings.target)
    notes += tuple(aimed.notes(state))
    return TrainingResult(table.names, len(table.rows), {"state": state}, report, calibrated, notes)


def train_signal(part: LearnedSignal, node: Node, settings: FitSettings) -> TrainingResult:
    """Fit a signal on the answers of a cascade; raises Mistakes where a rule has a target."""
    rule = node.values().get("accept")
    if settings.target is not None and isinstance(rule, Rule) and part in rule.signals():
        text = f"a rule with numbers of its own has no target: `{rule}`"
        raise not_trainable(text, f"let the fit choose: `accept = thresholds(of = {part})`")
    table = with_learned(_table(node, settings), part.signals, settings)
    notes = examined(table.labels, settings.folds)
    state = _fitted(part, table, settings.seed)
    report = {"rows": len(table.rows), **facts(table.labels)}
    notes += tuple(part.notes(state))
    return TrainingResult(table.names, len(table.rows), {"state": state}, report, notes=notes)


@dataclass(eq=False)
class _LeftOutEstimates:
    """The estimates of every row after some stages were asked, by fits that did not see it."""

    part: AfterAnswers
    table: CascadeTable
    splits: Sequence[Split]
    seed: int
    _fits: list[tuple[State, State]] = field(default_factory=list)
    _after: dict[Order, list[Estimates]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Fit the part on all folds but one, for each."""
        for training, _ in self.splits:
            table = self.table.taken(training)
            self._fits.append((_fitted(self.part, table, self.seed), cost_lines(table.labels)))

    def __call__(self, at: int, order: Order) -> Estimates:
        """Estimate a row, after these stages were asked in this order; all rows at once."""
        if order not in self._after:
            after: dict[int, Estimates] = {}
            for (_, rows), (state, costs) in zip(self.splits, self._fits, strict=True):
                cascades = [self.table.rows[row].before(order) for row in rows]
                of_fold = self.part.estimates(state, cascades, costs)
                after |= dict(zip(rows.tolist(), of_fold, strict=True))
            self._after[order] = [after[at] for at in range(len(after))]
        return self._after[order][at]


def _table(node: Node, settings: FitSettings, *, labelled: bool = True) -> CascadeTable:
    """Return what every stage of the cascade answers in which a part stands."""
    if node.op != "cascade":
        text = "a part that decides after answers can only be fitted inside of a `cascade`"
        raise not_trainable(
            text, "write `cascade(A, B, accept = ...)` or `cascade(A, B, by = ...)`"
        )
    return table_of(node, settings, labelled=labelled)


def _fitted(part: CascadePart, table: CascadeTable, seed: int) -> State:
    """Fit a part; raises Mistakes where the rows do not say enough."""
    try:
        return part.fit(table, seed)
    except PartError as error:
        raise Mistakes([Diagnostic(error.code, error.message, help=error.help)]) from None


def _held_out(
    part: LearnedAcceptance, table: CascadeTable, splits: Sequence[Split], seed: int
) -> Replayed:
    """Return what a part decides on each row, fitted on the folds that lack the row."""
    chosen = np.full(len(table.rows), -1, dtype=np.intp)
    asked = np.zeros((len(table.rows), len(table.names)), dtype=bool)
    for training, rows in splits:
        state = _fitted(part, table.taken(training), seed)
        bound = part.bound(Fitted.of(table.names, len(training), state=state))
        results = accepting(table.taken(rows), bound)
        chosen[rows], asked[rows] = results.chosen, results.asked
    return replayed_outcomes(table, chosen, asked)


def _aimed(part: LearnedAcceptance, target: Target) -> LearnedAcceptance:
    """Return an acceptance that is fitted to a target; raises Mistakes where it cannot be."""
    if target.what not in part.targets:
        can = ", ".join(f"`{what}`" for what in part.targets)
        text = f"`{part.name}` cannot be fitted to a target of {target.what}"
        raise not_trainable(text, f"it can be fitted to: {can}" if can else "leave out `--target`")
    return part.model_copy(update={target.what: target.value})


def _set_option(target: Target) -> CalibratedOption:
    return CalibratedOption(option=target.what, value=target.value, target=str(target), of="part")
