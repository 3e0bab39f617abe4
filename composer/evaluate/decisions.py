"""Deciding without answering: what a route chooses on a data file, and what that would give."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from composer.evaluate.benchmarks import (
    Routed,
    as_published,
    robustness_choices,
    run_of_decisions,
    without_foreign_figures,
)
from composer.evaluate.grading import opened
from composer.evaluate.members import Members
from composer.evaluate.outcomes import (
    outcomes_of,
    route_decision_of,
    routed_bank_of,
    unjudged_choices,
)
from composer.evaluate.overlap import training_overlap
from composer.evaluate.router import study
from composer.evaluate.slices import tagged
from composer.run.counts import OutOfDistributionCount

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from composer.evaluate.benchmarks import Published
    from composer.evaluate.grading import Grading
    from composer.evaluate.outcomes import Outcomes, RoutedBank
    from composer.evaluate.router import Router
    from composer.evaluate.rows import EvaluationRow
    from composer.evaluate.slices import Tagged
    from composer.recipe import Recipe
    from composer.run.counts import OutOfDistribution
    from composer.values import JSON, Decision

__all__ = ["Decided", "decide_only"]


@dataclass(frozen=True)
class Decided:
    """What the last route of a recipe decided on the rows, by id; no branch was asked.

    `shares` says how often each choice has any weight. `router` is there where it chooses one
    branch and the outcomes of all are recorded, and `tags` then tell what that choice would have
    given; else `lacks` names the choices whose outcomes are not. `seconds` hold the deciding
    alone, with what it fits first.
    """

    recipe: str
    decisions: Mapping[str, Decision]
    shares: Mapping[str, float]
    seconds: float
    router: Router | None
    tags: Mapping[str, Tagged]
    overlap: int
    foreign: OutOfDistribution | None
    lacks: tuple[str, ...] = ()
    published: Published | None = None

    @property
    def chooser(self) -> Router | None:
        """The route, where its outcomes are known."""
        return self.router

    @property
    def judged(self) -> int:
        """How many decisions have a known outcome."""
        return self.router.rows if self.router is not None else 0

    @property
    def graded(self) -> bool:
        """Whether outcomes have scores, not only right or wrong."""
        return self.router is not None and self.router.graded

    def lines(self) -> Iterator[dict[str, JSON]]:
        """Give one row a decision, as `--json` prints them."""
        for name, decision in self.decisions.items():
            typicality = decision.typicality
            yield {
                "id": name,
                "recipe": self.recipe,
                "chosen": list(decision.chosen),
                "weights": dict(decision.weights),
                "estimates": dict(decision.estimates),
                "because": decision.because,
                **({} if typicality is None else {"typicality": typicality.as_dict()}),
            }


def decide_only(
    recipe: Recipe, rows: Sequence[EvaluationRow], *, how: Grading | str = "auto"
) -> Decided:
    """Decide on every row without answering it, and judge the choices by what was recorded.

    Raises Failure (E712) where the recipe has no route, or one that reads answers.
    """
    with opened(how) as grading:
        return _decided(recipe, rows, grading)


def _decided(recipe: Recipe, rows: Sequence[EvaluationRow], how: Grading) -> Decided:
    with how.ready(recipe) as ensemble:
        bank = routed_bank_of(ensemble)
        start = time.perf_counter()
        named = None if bank is None else bank.route
        decisions = ensemble.decide([row.question() for row in rows], named)
        seconds = time.perf_counter() - start - ensemble.loading_seconds
        overlap = training_overlap(recipe, ensemble.routes.values(), rows)
        reworded = robustness_choices(ensemble, bank, rows)
    by_id = {row.id: decision for row, decision in zip(rows, decisions, strict=True)}
    members = Members.recorded(recipe, rows, how)
    outcomes = None if bank is None else _outcomes(bank, rows, by_id, members, how)
    router = None if outcomes is None else without_foreign_figures(study(outcomes), rows)
    choices = {} if bank is None else {n: route_decision_of(bank, one) for n, one in by_id.items()}
    routed = Routed.of(bank, choices, reworded)
    return Decided(
        recipe=recipe.name,
        decisions=by_id,
        shares=_shares(decisions),
        seconds=seconds,
        router=router,
        tags=_tags(outcomes, router) if outcomes is not None and router is not None else {},
        overlap=overlap,
        foreign=_foreign(recipe, named or "route", decisions),
        lacks=unjudged_choices(bank, rows, members, how)
        if bank is not None and router is None
        else (),
        published=as_published(run_of_decisions(recipe, rows, members, routed)) if bank else None,
    )


def _foreign(recipe: Recipe, step: str, decisions: Sequence[Decision]) -> OutOfDistribution | None:
    foreign = OutOfDistributionCount()
    for decision in decisions:
        if decision.typicality is not None:
            foreign.count({step: decision.typicality})
    return foreign.summary(recipe.path)


def _outcomes(
    bank: RoutedBank,
    rows: Sequence[EvaluationRow],
    decisions: Mapping[str, Decision],
    members: Members,
    how: Grading,
) -> Outcomes | None:
    chosen = {name: route_decision_of(bank, decision) for name, decision in decisions.items()}
    judged = {name: decision for name, decision in chosen.items() if decision is not None}
    return outcomes_of(bank, rows, judged, members, how)


def _shares(decisions: Sequence[Decision]) -> dict[str, float]:
    names = dict.fromkeys(name for decision in decisions for name in decision.weights)
    count = {
        name: sum(decision.weights.get(name, 0) > 0 for decision in decisions) for name in names
    }
    return {name: count[name] / len(decisions) for name in names}


def _tags(outcomes: Outcomes, router: Router) -> dict[str, Tagged]:
    best = outcomes.names.index(router.best)
    chosen, _ = outcomes.of(outcomes.chosen)
    rows = zip(outcomes.ids, outcomes.tags, strict=True)
    ours = dict(zip(outcomes.ids, map(float, chosen), strict=True))
    theirs = dict(zip(outcomes.ids, map(float, outcomes.quality[:, best]), strict=True))
    return tagged(rows, ours, theirs)
