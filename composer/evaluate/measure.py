"""Running a recipe over rows and grading what it answers."""

from __future__ import annotations

import time
from dataclasses import replace
from statistics import fmean
from typing import TYPE_CHECKING

from composer.evaluate.benchmarks import (
    Routed,
    as_published,
    refuse_unjudged,
    robustness_choices,
    run_of_results,
    without_foreign_figures,
)
from composer.evaluate.cascades import cascade_outcomes, stage_uses, threshold_points
from composer.evaluate.equal import Spending, equal_calls_of
from composer.evaluate.graded import (
    GradedResult,
    cached_calls,
    estimated_cost,
    failures,
    spending,
    ungraded,
)
from composer.evaluate.grading import opened
from composer.evaluate.measured_answers import cost_of
from composer.evaluate.member_answers import member_answers
from composer.evaluate.members import Members, grade_of
from composer.evaluate.outcomes import outcomes_of, route_decision_of, routed_bank_of
from composer.evaluate.overlap import training_overlap
from composer.evaluate.recipes import declarations, steps_of
from composer.evaluate.report import Report
from composer.evaluate.router import DRAWS, study, with_stages
from composer.evaluate.settings import settings_of
from composer.evaluate.slices import tagged
from composer.evaluate.stage_answers import stage_answers
from composer.evaluate.stages import cascade_of
from composer.evaluate.ties import expected_grade, ties_of
from composer.evaluate.worth import worth_beside
from composer.metrics import difference_interval, mean_interval
from composer.run.counts import OutOfDistributionCount, PartialAnswerCount

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from composer.evaluate.equal import EqualCalls
    from composer.evaluate.grading import Grading
    from composer.evaluate.members import JudgedCache
    from composer.evaluate.outcomes import RoutedBank
    from composer.evaluate.router import Router
    from composer.evaluate.row_log import RowLog
    from composer.evaluate.rows import EvaluationRow
    from composer.evaluate.stage_answers import StageAnswers
    from composer.evaluate.stages import Cascade
    from composer.metrics import Interval
    from composer.recipe import Recipe
    from composer.run import Result

__all__ = ["evaluate"]


def evaluate(  # noqa: PLR0913 - what is measured, and how
    recipe: Recipe,
    rows: Sequence[EvaluationRow],
    *,
    how: Grading | str = "auto",
    members: bool = True,
    on_result: Callable[[Result], None] = lambda _: None,
    cache: JudgedCache | None = None,
    equal_calls: bool = False,
    log: RowLog | None = None,
) -> Report:
    """Answer every row with a recipe, grade the answers, and set the members alone beside it.

    A row that fails counts as wrong; a row that nothing can grade is left out of the accuracy.
    `on_result` is called with each answer as it comes; `cache` keeps the grades of members, so that
    other recipes over the same rows and models need not ask them again. With `equal_calls` the best
    member is asked as often as the recipe asks, see `composer.evaluate.equal`. Rows that a `log`
    has are not asked again; the others are written to it as they come.
    """
    with opened(how) as grading:
        kept = {} if cache is None else cache
        report = _measured(recipe, rows, grading, on_result, kept if members else None, log)
        return replace(report, equal=_equal(recipe, rows, report, grading, ask=equal_calls))


def _measured(  # noqa: PLR0913 - what is measured, and how
    recipe: Recipe,
    rows: Sequence[EvaluationRow],
    how: Grading,
    on_result: Callable[[Result], None],
    cache: JudgedCache | None,
    log: RowLog | None,
) -> Report:
    refuse_unjudged(rows, how)
    begun, times, judged_before = time.perf_counter(), [0.0], how.usage
    models, by_id = declarations(recipe), {row.id: row for row in rows}

    def graded_result(result: Result) -> GradedResult:
        row = by_id[result.id]
        one = GradedResult(result, grade_of(models, row, result, how))
        return replace(one, expected=expected_grade(models, row, one, how))

    before = {} if log is None else log.answered(recipe, rows, how)
    queries = [row.question() for row in rows if row.id not in before]
    new: dict[str, GradedResult] = {}
    with how.ready(recipe) as ensemble:
        answers = ensemble.map(queries) if log is None else ensemble.as_they_come(queries)
        for one in how.each(graded_result, _watched(answers, on_result, times)):
            new[one.result.id] = one
            if log is not None:
                log.write_result(recipe, by_id[one.result.id], one, how)
        seconds = max(times[-1] - begun - ensemble.loading_seconds, 0.0)
        bank = routed_bank_of(ensemble)
        reworded = robustness_choices(ensemble, bank, rows)
        cascade = cascade_of(recipe, ensemble)
        deciding = [*ensemble.routes.values(), *([] if cascade is None else [cascade.node])]
        overlap = training_overlap(recipe, deciding, rows)
    cascade = cascade if cache is not None else None
    all_graded = {name: one for name, (one, _) in before.items()} | new
    graded = [all_graded[row.id] for row in rows]
    results = [each.result for each in graded]
    judged = {one.result.id: one.grade.score for one in graded if one.grade.score is not None}
    alone = Members({})
    stages, others = _stages(recipe, cascade, rows, results, judged, how)
    if cache is not None:
        answered = member_answers(by_id, [*results, *others])
        for name, (_, lone) in before.items():
            for member, answer in lone.items():
                answered.setdefault(member, {})[name] = answer
        alone = Members.of(recipe, rows, how, answered, cache)
    decisions = {} if bank is None else {one.id: route_decision_of(bank, one) for one in results}
    routed = Routed.of(bank, decisions, reworded)
    report = _report(recipe, rows, graded, alone)
    run = run_of_results(recipe, rows, results, judged, alone, routed)
    return replace(
        report,
        seconds=seconds,
        overlap=overlap,
        router=_router(bank, rows, results, alone, how) if cache is not None and bank else None,
        cascade=_cascade(cascade, rows, stages, alone) if cascade and stages else None,
        worth=worth_beside(judged, {one.id: cost_of(one) for one in results}, alone),
        published=as_published(run),
        cached=cached_calls(results),
        answers={one.id: (one.query, one.answer or one.error or "") for one in results},
        judging=how.usage - judged_before,
    )


def _report(
    recipe: Recipe, rows: Sequence[EvaluationRow], graded: Sequence[GradedResult], alone: Members
) -> Report:
    """Add up what a recipe answered, beside its members alone."""
    results = [each.result for each in graded]
    judged = {one.result.id: one.grade.score for one in graded if one.grade.score is not None}
    expected = {one.result.id: one.expected for one in graded if one.expected is not None}
    single = _best(alone)
    failed, refused = failures(results)
    reasons = ungraded(graded)
    calls, total = spending(results)
    partial, foreign = PartialAnswerCount(), OutOfDistributionCount()
    for each in results:
        partial.add(each)
        foreign.add(each)
    return Report(
        recipe=recipe.name,
        rows=len(rows),
        errors=len(failed),
        accuracy=fmean(judged.values()) if judged else None,
        interval=mean_interval(list(judged.values())) if judged else None,
        members=alone.summary,
        random=alone.random(),
        oracle=alone.oracle(),
        seconds=0.0,
        tags=tagged(((row.id, row.tags) for row in rows), judged, single),
        qualities=judged,
        ties=ties_of(judged, expected),
        over_best=_over(judged, single),
        foreign=foreign.summary(recipe.path),
        failure=failed[0] if failed else None,
        not_asked=len(refused),
        refusal=refused[0] if refused else None,
        ungraded=len(reasons),
        ungraded_reason=reasons[0] if reasons else None,
        partial=partial.partial,
        failed_branches=partial.counts,
        calls=calls,
        cost=total.cost,
        unpriced=total.unpriced,
        estimated_cost=estimated_cost(results),
        prompt_tokens=total.prompt_tokens,
        completion_tokens=total.completion_tokens,
    )


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
    how: Grading,
) -> Router | None:
    chosen = {result.id: route_decision_of(bank, result) for result in results}
    judged = {name: decision for name, decision in chosen.items() if decision is not None}
    outcomes = outcomes_of(bank, rows, judged, alone, how)
    return None if outcomes is None else without_foreign_figures(study(outcomes), rows)


def _stages(  # noqa: PLR0913 - a run, and what is known of it
    recipe: Recipe,
    cascade: Cascade | None,
    rows: Sequence[EvaluationRow],
    results: Iterable[Result],
    judged: Mapping[str, float],
    how: Grading,
) -> tuple[StageAnswers | None, list[Result]]:
    """Ask the stages that the run of a cascade did not reach."""
    if cascade is None:
        return None, []
    run = {one.id: (one, judged[one.id]) for one in results if one.id in judged}
    return stage_answers(recipe, cascade, rows, run, how)


FEW = 2
"""Up to so many calls a row, a route or a cascade is compared by its cost alone."""


def _equal(
    recipe: Recipe, rows: Sequence[EvaluationRow], report: Report, how: Grading, *, ask: bool
) -> tuple[EqualCalls, ...]:
    """Measure the best of several members at equal calls, where the recipe asks several times."""
    best, calls = report.best_member, sum(report.calls.values(), report.cached) / report.rows
    chooses = any(node.lazy for node in steps_of(recipe))
    several = len(report.members) > 1 and not (chooses and calls <= FEW)
    if best is None or not several or not report.qualities:
        return ()
    summary, ratio = (best, report.members[best]), report.worth and report.worth.best.ratio
    mean = (summary[1].cost or 0.0) / summary[1].rows
    spending = Spending(calls, ratio * mean if ratio else None)
    return equal_calls_of(recipe, rows, report.qualities, spending, summary, how, ask=ask)


def _cascade(
    cascade: Cascade, rows: Sequence[EvaluationRow], answers: StageAnswers, alone: Members
) -> Router | None:
    settings = settings_of(cascade, answers) if answers.ids else None
    outcomes = cascade_outcomes(cascade, rows, answers, settings, alone)
    if outcomes is None:
        return None
    points = threshold_points(cascade, outcomes, draws=DRAWS)
    studied = without_foreign_figures(study(outcomes), rows)
    return with_stages(studied, stage_uses(outcomes, answers), points)


def _watched(
    results: Iterable[Result], on_result: Callable[[Result], None], times: list[float]
) -> Iterator[Result]:
    """Hand results on, and note when each came."""
    for result in results:
        times.append(time.perf_counter())
        on_result(result)
        yield result
