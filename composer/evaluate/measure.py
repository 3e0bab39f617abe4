"""Running a recipe over rows and judging what it answers."""

from __future__ import annotations

import time
from collections import Counter
from statistics import fmean
from typing import TYPE_CHECKING

from composer.evaluate.benchmarks import (
    Routed,
    as_published,
    refuse_unjudged,
    robustness_choices,
    run_of_results,
)
from composer.evaluate.cascades import cascade_outcomes, stage_uses, threshold_points
from composer.evaluate.member_answers import member_answers
from composer.evaluate.members import Members, quality_of
from composer.evaluate.outcomes import outcomes_of, route_decision_of, routed_bank_of
from composer.evaluate.overlap import training_overlap
from composer.evaluate.recipes import declarations
from composer.evaluate.report import Report
from composer.evaluate.router import DRAWS, study, with_stages
from composer.evaluate.slices import tagged
from composer.evaluate.stages import Graded, calls_of, cascade_of, replayed
from composer.evaluate.worth import worth_beside
from composer.metrics import difference_interval, mean_interval
from composer.run.counts import OutOfDistributionCount, PartialAnswerCount
from composer.values import Usage

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from composer.evaluate.judge import Compare
    from composer.evaluate.members import JudgedCache
    from composer.evaluate.outcomes import RoutedBank
    from composer.evaluate.router import Router
    from composer.evaluate.rows import EvaluationRow
    from composer.evaluate.stages import Cascade, Replay
    from composer.metrics import Interval
    from composer.recipe import Recipe
    from composer.run import Result

__all__ = ["evaluate"]


def evaluate(  # noqa: PLR0913 - what is measured, and how
    recipe: Recipe,
    rows: Sequence[EvaluationRow],
    *,
    how: Compare = "auto",
    members: bool = True,
    on_result: Callable[[Result], None] = lambda _: None,
    cache: JudgedCache | None = None,
) -> Report:
    """Answer every row with a recipe, judge the answers, and set the members alone beside it.

    A row that fails counts as wrong; a row that nothing can judge is left out of the accuracy.
    `on_result` is called with each answer as it comes; `cache` keeps the judgements of members, so
    that other recipes over the same rows and models need not ask them again.
    """
    refuse_unjudged(rows)
    begun = time.perf_counter()
    with recipe.ready() as ensemble:
        results = list(_watched(ensemble.map([row.question() for row in rows]), on_result))
        seconds = time.perf_counter() - begun - ensemble.loading_seconds
        bank, overlap = (
            routed_bank_of(ensemble),
            training_overlap(recipe, ensemble.routes.values(), rows),
        )
        reworded = robustness_choices(ensemble, bank, rows)
        cascade = cascade_of(recipe, ensemble) if members else None
    by_id = {row.id: row for row in rows}
    judged = _judged(recipe, by_id, results, how)
    alone = Members({})
    replays, others = _replays(recipe, cascade, rows, results, judged, how)
    if members:
        answers = member_answers(by_id, [*results, *others])
        alone = Members.of(recipe, rows, how, answers, {} if cache is None else cache)
    decisions = {} if bank is None else {one.id: route_decision_of(bank, one) for one in results}
    routed = Routed.of(bank, decisions, reworded)
    single = _best(alone)
    calls, total = _spent(results)
    partial, foreign = PartialAnswerCount(), OutOfDistributionCount()
    for each in results:
        partial.add(each)
        foreign.add(each)
    return Report(
        recipe=recipe.name,
        rows=len(rows),
        errors=sum(result.error is not None for result in results),
        accuracy=fmean(judged.values()) if judged else None,
        interval=mean_interval(list(judged.values())) if judged else None,
        members=alone.summary,
        random=alone.random(),
        oracle=alone.oracle(),
        seconds=seconds,
        tags=tagged(((row.id, row.tags) for row in rows), judged, single),
        qualities=judged,
        over_best=_over(judged, single),
        router=_router(bank, rows, results, alone, how) if members and bank else None,
        cascade=_cascade(cascade, rows, replays, alone) if cascade else None,
        worth=worth_beside(judged, {one.id: one.cost for one in results}, alone),
        overlap=overlap,
        foreign=foreign.summary(recipe.path),
        failure=_failure(results),
        partial=partial.partial,
        failed_branches=partial.counts,
        calls=calls,
        cost=total.cost,
        prompt_tokens=total.prompt_tokens,
        completion_tokens=total.completion_tokens,
        published=as_published(run_of_results(recipe, rows, results, judged, alone, routed)),
    )


def _failure(results: Iterable[Result]) -> str | None:
    """Say which row failed first, and why; None where none did."""
    failed = (f"{one.id}: {one.error}" for one in results if one.error is not None)
    return next(failed, None)


def _best(alone: Members) -> dict[str, float]:
    """The qualities of the best member by row, those of none where there is no member."""
    best = alone.best
    return alone.qualities(best) if best is not None else {}


def _over(judged: Mapping[str, float], best: Mapping[str, float]) -> Interval | None:
    shared = [name for name in judged if name in best]
    ours, theirs = ([one[name] for name in shared] for one in (judged, best))
    return difference_interval(ours, theirs) if shared else None


def _router(
    bank: RoutedBank,
    rows: Sequence[EvaluationRow],
    results: Iterable[Result],
    alone: Members,
    how: Compare,
) -> Router | None:
    chosen = {result.id: route_decision_of(bank, result) for result in results}
    judged = {name: decision for name, decision in chosen.items() if decision is not None}
    outcomes = outcomes_of(bank, rows, judged, alone, how)
    return None if outcomes is None else study(outcomes)


def _replays(  # noqa: PLR0913 - a run, and what is known of it
    recipe: Recipe,
    cascade: Cascade | None,
    rows: Sequence[EvaluationRow],
    results: Iterable[Result],
    judged: Mapping[str, float],
    how: Compare,
) -> tuple[dict[str, Replay], list[Result]]:
    """Ask the stages that the run of a cascade did not reach."""
    if cascade is None:
        return {}, []
    run = {
        one.id: Graded(one, judged[one.id], one.cost, calls_of(one))
        for one in results
        if one.id in judged
    }
    return replayed(recipe, cascade, rows, run, how)


def _cascade(
    cascade: Cascade,
    rows: Sequence[EvaluationRow],
    replays: Mapping[str, Replay],
    alone: Members,
) -> Router | None:
    outcomes = cascade_outcomes(cascade, rows, replays, alone)
    if outcomes is None:
        return None
    points = threshold_points(cascade, outcomes, draws=DRAWS)
    return with_stages(study(outcomes), stage_uses(outcomes, replays), points)


def _watched(results: Iterable[Result], on_result: Callable[[Result], None]) -> Iterator[Result]:
    for result in results:
        on_result(result)
        yield result


def _judged(
    recipe: Recipe,
    rows: Mapping[str, EvaluationRow],
    results: Iterable[Result],
    how: Compare,
) -> dict[str, float]:
    models = declarations(recipe)
    by_id = {result.id: result for result in results}
    judged = {}
    for name, row in rows.items():
        quality = quality_of(models, row, by_id[name], how) if name in by_id else 0.0
        if quality is not None:
            judged[name] = quality
    return judged


def _spent(results: Sequence[Result]) -> tuple[dict[str, int], Usage]:
    calls: Counter[str] = Counter()
    total = Usage()
    for result in results:
        for name, usage in result.members.items():
            calls[name] += usage.calls
            total += usage
    return dict(calls), total
