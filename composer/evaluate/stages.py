"""The stages of a cascade, each asked alone, and the margins of its rule for their answers.

A cascade stops early, so its run does not tell what the later stages would have answered. Each
stage becomes a recipe of its own, which is run on the rows of which the run does not tell.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from composer.evaluate.members import grade_of
from composer.evaluate.recipes import declarations
from composer.methods import Rule
from composer.methods.margins import all_signals_read, margin
from composer.values import Port
from composer.values.flow import unique

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from composer.compiler.graph import Node
    from composer.evaluate.grading import Grading
    from composer.evaluate.rows import EvaluationRow
    from composer.recipe import Recipe
    from composer.run import Ensemble, Result

__all__ = [
    "Cascade",
    "MeasuredAnswer",
    "Replay",
    "StageAnswer",
    "calls_of",
    "cascade_of",
    "cost_of",
    "measured_answers",
    "replayed",
    "with_answer",
]


@dataclass(frozen=True)
class Cascade:
    """The cascade that gives a recipe's answer: its id in traces, its stages and its rule.

    `after` are the steps between the cascade and the answer, which read a value out of it, last
    first. `lone` says of each stage whether it is one model's own answer.
    """

    id: str
    node: Node
    rule: Rule
    option: str
    stages: tuple[Node, ...]
    names: tuple[str, ...]
    lone: tuple[bool, ...]
    after: tuple[Node, ...]


@dataclass(frozen=True)
class MeasuredAnswer:
    """One answer of a recipe: its quality, its dollars, and how many calls it took."""

    result: Result
    quality: float
    cost: float
    calls: int


@dataclass(frozen=True)
class StageAnswer:
    """What one stage gives for a row; `margin` says by how much the rule holds for it."""

    quality: float
    cost: float
    calls: int
    margin: float


Replay = tuple[int, "Sequence[StageAnswer]"]
"""Where a row stopped, and what each stage gives."""


def cascade_of(recipe: Recipe, ensemble: Ensemble) -> Cascade | None:
    """Return the cascade that a recipe's answer comes from, None where there is none."""
    steps = ensemble.steps
    written, planned = _behind(recipe.fitted.answer), _behind(list(steps.values())[-1])
    if written is None or planned is None:
        return None
    node, after = written
    option, rule = next(_rules(node))
    inputs = node.direct_inputs
    stages = inputs[1:] if inputs[0].port is Port.QUERY else inputs
    writers = [_writer(stage) for stage in stages]
    names = [
        stage.title if writer is None else writer
        for stage, writer in zip(stages, writers, strict=True)
    ]
    step_id = next(name for name, step in steps.items() if step is planned[0])
    lone = tuple(writer is not None for writer in writers)
    return Cascade(step_id, node, rule, option, stages, unique(names), lone, after)


def with_answer(recipe: Recipe, answer: Node) -> Recipe:
    """Make the recipe that gives another step's value, with the fits of this one."""
    return replace(recipe, compiled=replace(recipe.fitted, answer=answer), path=None)


def measured_answers(
    recipe: Recipe, rows: Sequence[EvaluationRow], how: Grading
) -> dict[str, MeasuredAnswer]:
    """Answer rows with a recipe, and judge the answers; rows that nothing judges are left out."""
    if not rows:
        return {}
    models, by_id = declarations(recipe), {row.id: row for row in rows}
    with how.ready(recipe) as ensemble:
        results = list(ensemble.map([row.question() for row in rows]))
    grades = how.each(lambda one: grade_of(models, by_id[one.id], one, how), results)
    return {
        one.id: MeasuredAnswer(one, grade.score, cost_of(one), calls_of(one))
        for one, grade in zip(results, grades, strict=True)
        if grade.score is not None
    }


def replayed(
    recipe: Recipe,
    cascade: Cascade,
    rows: Sequence[EvaluationRow],
    run: Mapping[str, MeasuredAnswer],
    how: Grading,
) -> tuple[dict[str, Replay], list[Result]]:
    """Return for each row where its run stopped, and what every stage gives; and new results.

    `run` are the answers of the recipe itself: the stage that a row stopped at is read off them.
    Rows where a stage failed, or which nothing judges at some stage, are left out.
    """
    stops = {name: _stop(cascade, one.result) for name, one in run.items()}
    clean = {name: stop for name, stop in stops.items() if stop is not None}
    gathered: dict[str, list[StageAnswer]] = {name: [] for name in clean}
    results: list[Result] = []
    last = len(cascade.stages) - 1
    for at in range(len(cascade.stages)):
        known = {
            name
            for name, (stop, signals) in clean.items()
            if stop == at and (at == last or signals is not None)
        }
        missing = [row for row in rows if row.id in clean and row.id not in known]
        asked = measured_answers(with_answer(recipe, _stage(recipe, cascade, at)), missing, how)
        results += [one.result for one in asked.values()]
        for name, (_, signals) in clean.items():
            if len(gathered[name]) < at:
                continue
            if name in known:
                answer = _beyond(run[name], gathered[name])
                gathered[name].append(_stage_answer(answer, cascade, signals, last=at == last))
            elif name in asked and _whole(asked[name].result):
                signals_alone = _read(asked[name].result, cascade)
                answer = asked[name]
                gathered[name].append(
                    _stage_answer(answer, cascade, signals_alone, last=at == last)
                )
    complete: dict[str, Replay] = {
        name: (clean[name][0], each) for name, each in gathered.items() if len(each) > last
    }
    return complete, results


def _stage_answer(
    one: MeasuredAnswer, cascade: Cascade, signals: Mapping[str, float] | None, *, last: bool
) -> StageAnswer:
    ahead = 0.0 if last else margin(cascade.rule, signals or {})
    return StageAnswer(one.quality, one.cost, one.calls, ahead)


def _whole(result: Result) -> bool:
    """Whether nothing failed on the way to an answer."""
    return result.error is None and not result.failed


def _behind(answer: Node | None) -> tuple[Node, tuple[Node, ...]] | None:
    """Return the cascade behind steps that only read a value, and these steps, last first."""
    after: list[Node] = []
    while answer is not None and not answer.is_query:
        if next(_rules(answer), None) is not None and answer.lazy:
            return answer, tuple(after)
        if not answer.step.gives_same or len(answer.direct_inputs) != 1:
            return None
        after.append(answer)
        answer = answer.inputs[0]
    return None


def _rules(node: Node) -> Iterator[tuple[str, Rule]]:
    return ((name, each) for name, each in node.values().items() if isinstance(each, Rule))


def _writer(stage: Node) -> str | None:
    """Name the model whose own answer a stage is, None where it is made of several."""
    while stage.step.gives_same and len(stage.direct_inputs) == 1:
        stage = stage.inputs[0]
    return stage.asks.title if stage.asks is not None and stage.asks.declaration else None


def _stage(recipe: Recipe, cascade: Cascade, at: int) -> Node:
    """Make the graph of one stage alone, which also measures what the rule looks at."""
    graph, answer = recipe.fitted.graph, cascade.stages[at]
    if at < len(cascade.stages) - 1:
        reading = {cascade.option: Rule(all_signals_read(cascade.rule))}
        answer = graph.replaced(cascade.node, (answer, answer), **reading)
    for step in reversed(cascade.after):
        answer = graph.replaced(step, (answer,))
    return answer


def _stop(cascade: Cascade, result: Result) -> tuple[int, Mapping[str, float] | None] | None:
    """Return where a run stopped, and the signals there if all were read; None if it failed."""
    events = result.trace.events if result.trace is not None else ()
    notes = next((event.notes for event in events if event.id == cascade.id), None)
    if notes is None or not _whole(result) or "stages" not in notes:
        return None
    verdicts = notes["stages"]
    if not verdicts[-1]["accepted"]:
        return len(cascade.stages) - 1, None
    signals = verdicts[-1]["signals"]
    whole = {str(signal) for signal in cascade.rule.signals()} <= set(signals)
    return len(verdicts) - 1, signals if whole else None


def _beyond(whole: MeasuredAnswer, before: Sequence[StageAnswer]) -> MeasuredAnswer:
    """What the last stage of a run took: all of it but for the stages before."""
    cost = max(whole.cost - sum(one.cost for one in before), 0.0)  # NaN where not known
    return replace(whole, cost=cost, calls=max(0, whole.calls - sum(one.calls for one in before)))


def _read(result: Result, cascade: Cascade) -> Mapping[str, float]:
    """Return the signals that a stage alone was measured by, which was the last thing to begin."""
    whole = {str(signal) for signal in cascade.rule.signals()}
    events = result.trace.events if result.trace is not None else ()
    for event in reversed(events):
        for verdict in event.notes.get("stages", ()):
            if whole <= set(verdict["signals"]):
                signals: Mapping[str, float] = verdict["signals"]
                return signals
    return {}


def cost_of(result: Result) -> float:
    """Return the dollars that an answer takes, kept or not; NaN where they are not known.

    What failed gives no answer, so it does not tell what an answer costs.
    """
    usage = result.full_usage
    return math.nan if usage.unpriced or result.error is not None else usage.cost


def calls_of(result: Result) -> int:
    """Count the calls that an answer took."""
    return result.full_usage.calls
