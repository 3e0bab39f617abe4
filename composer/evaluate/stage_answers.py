"""What every stage of a cascade answers on the rows of an evaluation, judged."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from composer.evaluate.members import grade_of_text
from composer.evaluate.recipes import declarations
from composer.evaluate.stages import every_stage_recipe, reading_steps
from composer.methods import Rule
from composer.methods.cascade_state import CascadeState
from composer.methods.cascade_table import CascadeRow, CascadeTable
from composer.steps.cascading import CASCADE

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from composer.evaluate.grading import Grading
    from composer.evaluate.rows import EvaluationRow
    from composer.evaluate.stages import Cascade
    from composer.methods import Grade
    from composer.recipe import Recipe
    from composer.run import Result

__all__ = ["StageAnswers", "stage_answers"]

Notes = tuple["Mapping[str, Any]", ...]
"""What a trace says of each decision of a cascade."""


@dataclass(frozen=True, eq=False)
class StageAnswers:
    """The rows where no stage failed and all are judged, and what every stage answered there.

    `states` are those in which the recipe's own run took an answer, None where only a trace is
    left of it; `notes` are what the trace says of the decisions.
    """

    ids: tuple[str, ...]
    table: CascadeTable
    states: tuple[CascadeState | None, ...]
    notes: tuple[Notes, ...]


def stage_answers(
    recipe: Recipe,
    cascade: Cascade,
    rows: Sequence[EvaluationRow],
    run: Mapping[str, tuple[Result, float]],
    how: Grading,
) -> tuple[StageAnswers, list[Result]]:
    """Return what every stage of a cascade gives, and the results that had to be asked for.

    `run` are the answers of the recipe itself, with their quality. All stages are asked on the rows
    where the run did not reach the last one, or did not measure all that decides; and on all rows
    where stages begin ahead, as the run does not tell what each of them took.
    """
    clean = {name: result for name, (result, _) in run.items() if _is_whole(result)}
    by_run = {name: _state(cascade, result) for name, result in clean.items()}
    unread = not reading_steps(recipe, cascade.node)
    states = {
        name: state
        for name, state in by_run.items()
        if unread and not cascade.ahead and state is not None and _is_complete(state, cascade)
    }
    missing = [row for row in rows if row.id in clean and row.id not in states]
    results = _ask_every_stage(recipe, cascade, missing, how) if missing else []
    for result in results:
        if _is_whole(result) and result.text is not None:
            state: CascadeState = result.text.facts[CASCADE]
            own = by_run[result.id]
            states[result.id] = state if cascade.ahead else _joined(own, state, unread=unread)
    judged = _judged(recipe, cascade, rows, states, how)
    table_rows, ids = [], []
    for row in rows:
        quality = judged.get(row.id)
        if quality is None or any(each is None for each in quality):
            continue
        own = by_run[row.id]
        if own is not None and own.taken is not None:
            quality[own.taken] = run[row.id][1]
        ids.append(row.id)
        table_rows.append(CascadeRow(states[row.id], tuple(quality), row.references, row.tags))
    answers = StageAnswers(
        tuple(ids),
        CascadeTable(cascade.names, tuple(table_rows), begun=cascade.begun),
        tuple(by_run[name] for name in ids),
        tuple(tuple(_notes(cascade, clean[name])) for name in ids),
    )
    return answers, results


def _ask_every_stage(
    recipe: Recipe, cascade: Cascade, rows: Sequence[EvaluationRow], how: Grading
) -> list[Result]:
    last = not isinstance(cascade.decides, Rule)
    every = every_stage_recipe(recipe, cascade.node, cascade.signals, last=last)
    with how.ready(every) as ensemble:
        return list(ensemble.map([row.question() for row in rows]))


def _judged(
    recipe: Recipe,
    cascade: Cascade,
    rows: Sequence[EvaluationRow],
    states: Mapping[str, CascadeState],
    how: Grading,
) -> dict[str, list[float | None]]:
    """Return the quality of each stage by row."""
    models = declarations(recipe)
    places = [
        (row, stage) for row in rows if row.id in states for stage in range(len(cascade.names))
    ]

    def grade(place: tuple[EvaluationRow, int]) -> Grade:
        row, stage = place
        text = states[row.id].answers[stage].text
        return grade_of_text(models, row, text.answer, text, cascade.writers[stage], how)

    quality: dict[str, list[float | None]] = {row.id: [] for row, _ in places}
    for (row, _), graded in zip(places, how.each(grade, places), strict=True):
        quality[row.id].append(graded.score)
    return quality


def _is_whole(result: Result) -> bool:
    """Whether nothing failed on the way to an answer."""
    return result.error is None and not result.failed


def _state(cascade: Cascade, result: Result) -> CascadeState | None:
    """Return the state in which a run took an answer, with the names of this cascade."""
    events = result.trace.events if result.trace is not None else ()
    state = next((event.kept for event in events if event.id == cascade.id), None)
    return replace(state, names=cascade.names) if isinstance(state, CascadeState) else None


def _notes(cascade: Cascade, result: Result) -> Iterator[Mapping[str, Any]]:
    events = result.trace.events if result.trace is not None else ()
    for event in events:
        if event.id == cascade.id:
            yield from event.notes.get("stages", ())


def _is_complete(state: CascadeState, cascade: Cascade) -> bool:
    """Say whether all stages answered, and all that decides was measured on each but the last."""
    needed = {str(signal) for signal in cascade.signals}
    judged = [answer for stage, answer in state.answers.items() if stage != len(cascade.names) - 1]
    return not state.open and all(needed <= set(answer.signals) for answer in judged)


def _joined(own: CascadeState | None, every: CascadeState, *, unread: bool) -> CascadeState:
    """Put the answers of the run itself in the place of those that were asked for again.

    The texts of the run count unless a value is read out of them after the cascade.
    """
    answers = dict(every.answers)
    for stage, answer in ({} if own is None else own.answers).items():
        again = answers[stage]
        text = answer.text if unread else again.text
        cost = again.cost if math.isnan(answer.cost) else answer.cost
        signals = MappingProxyType({**again.signals, **answer.signals})
        answers[stage] = replace(answer, text=text, cost=cost, signals=signals)
    return replace(every, answers=MappingProxyType(answers))
