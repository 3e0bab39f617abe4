"""The lines of `eval --output`: what they hold, and how an answer is read back from one."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from composer.evaluate.graded import GradedResult
from composer.evaluate.judge import RECORDED, judge, judgement
from composer.evaluate.member_answers import lone_answers
from composer.evaluate.members import recorded_cost
from composer.evaluate.recipes import data_names, declarations, price_of
from composer.methods import Grade
from composer.run import Result
from composer.run.queries import asked_text
from composer.run.result import FailedBranch
from composer.run.trace import StepEvent, Trace
from composer.values import Query, Text, Usage
from composer.values.results import dollars

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from composer.evaluate.decisions import Decided
    from composer.evaluate.grading import Grading
    from composer.evaluate.rows import EvaluationRow
    from composer.recipe import Recipe

__all__ = ["LoneAnswers", "decision_row", "restored", "result_row"]

LoneAnswers = dict[str, tuple[str, float]]
"""By member: the answer that it gave alone, and the dollars that it cost."""

DECIDES = ("weights", "stages")
"""Notes of the steps that decide: a route's weights, the verdicts of a cascade on its stages."""


def result_row(
    recipe: Recipe, row: EvaluationRow, graded: GradedResult, how: Grading
) -> dict[str, Any]:
    """Return the line of an answer."""
    result, usages = graded.result, graded.result.members.values()
    total = sum(usages, Usage())
    text = result.text
    return {
        **_question(recipe, row),
        **result.as_dict(),
        "query": row.query,
        **_verdict(graded.grade),
        **({} if graded.expected is None else {"expected_score": graded.expected}),
        "cost": _known(result.known_cost),
        "unpriced": {name: one.unpriced for name, one in result.members.items() if one.unpriced},
        "tokens": total.prompt_tokens + total.completion_tokens,
        "decision": list(_decisions(result)) or None,
        "alone": dict(_alone(recipe, row, result, how)),
        **({"source": text.source, "text": text.text} if text is not None else {}),
    }


def decision_row(
    recipe: Recipe, row: EvaluationRow, decided: Decided, how: Grading
) -> dict[str, Any]:
    """Return the line of a decision that was made without asking; `alone` has the outcomes."""
    decision = decided.decisions[row.id]
    alone = dict(_alone(recipe, row, None, how))
    chosen = alone.get(decision.chosen[0], {}) if len(decision.chosen) == 1 else {}
    return {
        **_question(recipe, row),
        "answer": None,
        "verdict": chosen.get("verdict"),
        "score": chosen.get("score"),
        "cost": chosen.get("cost"),
        "decision": {
            "chosen": list(decision.chosen),
            "weights": dict(decision.weights),
            "estimates": dict(decision.estimates),
            "because": decision.because,
        },
        "alone": alone,
        "error": None,
    }


def restored(row: EvaluationRow, line: Mapping[str, Any]) -> tuple[GradedResult, LoneAnswers]:
    """Read an answer back from its line, with what members answered alone."""
    query = row.question()
    trace = Trace(row.id, asked_text(query))
    for each in line["decision"] or ():
        notes = {name: value for name, value in each.items() if name not in ("step", "op")}
        trace.events.append(StepEvent(each["step"], each["op"], 0.0, notes=notes))
    result = Result(
        row.id,
        asked_text(query),
        line["answer"],
        line["confidence"],
        members={
            name: Usage(**usage, unpriced=line["unpriced"].get(name, 0))
            for name, usage in line["members"].items()
        },
        seconds=line["seconds"],
        failed=tuple(FailedBranch(**branch) for branch in line.get("failed", ())),
        text=_text(query, line),
        trace=trace,
    )
    grade = Grade(line["score"], **line["grade"])
    alone = line["alone"].items()
    lone = {
        name: (one["answer"], math.nan if one["cost"] is None else one["cost"])
        for name, one in alone
        if not one["recorded"]
    }
    return GradedResult(result, grade, line.get("expected_score")), lone


def _text(query: Query, line: Mapping[str, Any]) -> Text | None:
    if "text" not in line:
        return None
    same = line["text"].strip() == line["answer"]
    value = None if same else line["answer"]
    return Text(query, line["text"], line["source"], value=value, extracted=not same)


def _question(recipe: Recipe, row: EvaluationRow) -> dict[str, Any]:
    return {
        "id": row.id,
        "recipe": recipe.name,
        "query": row.query,
        "tags": list(row.tags),
        "reference": list(row.references),
    }


def _verdict(grade: Grade) -> dict[str, Any]:
    fields = grade.as_dict()
    return {"verdict": fields.pop("verdict"), "score": fields.pop("score"), "grade": fields}


def _decisions(result: Result) -> Iterator[dict[str, Any]]:
    for event in result.trace.events if result.trace is not None else ():
        if event.op != "generate" and any(name in event.notes for name in DECIDES):
            yield {"step": event.id, "op": event.op, **event.notes}


def _alone(
    recipe: Recipe, row: EvaluationRow, result: Result | None, how: Grading
) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield what is known of each member alone: as recorded, else as it answered in this run."""
    answers = dict(lone_answers(row, result)) if result is not None else {}
    for name, declaration in declarations(recipe).items():
        names = data_names(name, declaration)
        grade = judgement(row, names, how)
        if grade is not None:
            outcome = next(row.recorded[each] for each in names if each in row.recorded)
            cost = recorded_cost(row, names, price_of(declaration))
            yield name, _member(outcome.get("text"), grade, cost, recorded=True)
        elif name in answers and result is not None:
            grade = judge(row, answers[name], names, how, replayed=False)
            usage = result.members[name]
            cost = math.nan if usage.unpriced else usage.cost
            yield name, _member(answers[name], grade, cost, recorded=False)


def _known(cost: float) -> float | None:
    """Return dollars as JSON can hold them: null where they are not known."""
    return None if math.isnan(cost) else dollars(cost)


def _member(answer: object, grade: Grade, cost: float, *, recorded: bool) -> dict[str, Any]:
    return {
        "answer": answer,
        "verdict": grade.verdict,
        "score": grade.score,
        "grader": grade.grader or RECORDED,
        "cost": _known(cost),
        "recorded": recorded,
    }
