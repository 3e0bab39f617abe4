"""The outcomes that an estimator learns from: recorded in the data, else the choices are asked.

What choices came to when they were asked is cached, so that a second fit asks nobody. The answers
of `composer.run.cache` do not say what they cost, and a label needs that too: so quality, dollars
and tokens are kept together, by all that they depend on.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import replace
from typing import TYPE_CHECKING

from composer.atomic import write_atomically
from composer.compiler.fits import choices_of
from composer.compiler.graph import topological
from composer.compiler.graph.choices import writer
from composer.data import quality_of
from composer.diagnostics.amounts import counted
from composer.diagnostics.caches import PACKAGE_VERSION, cache_folder
from composer.fit.recorded import is_recorded, with_records
from composer.fit.settings import not_trainable
from composer.heavy import np
from composer.methods.estimators.training_rows import labels_of, table
from composer.methods.estimators.values import Labels
from composer.specs.content import json_digest

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from composer.compiler.graph import Node
    from composer.evaluate import EvaluationRow, Grading
    from composer.fit.settings import FitSettings
    from composer.methods import Choice
    from composer.methods.estimators.training_rows import TrainingTable
    from composer.recipe import Recipe
    from composer.run import Result


OutcomeTuple = tuple[float | None, float | None, float]
"""Quality, dollars and tokens of one answer; the first two are None where not known."""


_FORM = "unknown costs"
"""Names the form of the files of outcomes: here an unknown cost is null."""


def outcomes_of(node: Node, settings: FitSettings) -> Labels:
    """Return the labels of a route's choices: recorded in the data file, or made by asking.

    Where the file has recorded outcomes, it must have them for every choice; texts that nobody
    judged are graded as `eval` grades them. A branch of several steps, such as a cascade or a vote,
    is worked out from the recorded answers of its models. Where the file has none, every branch
    answers the rows that have a reference.
    """
    training_table = table(str(settings.data))
    if not any(row.outcomes for row in training_table.rows):
        return _asked(node, settings)
    choices = choices_of(node)
    columns = {*training_table.models, *training_table.silent}
    beside = [choice.name for choice in choices if not columns.intersection(choice.known_as)]
    if beside and not node.get("fused"):
        branches = _branches(settings.recipe, node)
        answers = [branches[name].compiled.answer for name in beside]
        if all(
            answer is not None and writer(answer) is None and is_recorded(answer, settings)
            for answer in answers
        ):
            return _asked(node, settings)
    return labels_of(_graded(training_table, choices, settings), choices)


def _graded(
    training_table: TrainingTable, choices: Sequence[Choice], settings: FitSettings
) -> TrainingTable:
    """Grade the recorded answers of some choices that have a text and no judgement."""
    from composer.evaluate import read_rows
    from composer.evaluate.grading import opened
    from composer.evaluate.judge import judgement

    names = {name for choice in choices for name in choice.known_as}
    unjudged = [
        {name for name in names & row.outcomes.keys() if row.outcomes[name].quality is None}
        for row in training_table.rows
    ]
    if not any(unjudged):
        return training_table
    rows = read_rows(settings.data)
    with opened(settings.how) as how:
        how.check(rows)

        def grade(task: tuple[EvaluationRow, set[str]]) -> dict[str, float | None]:
            row, names = task
            grades = {name: judgement(row, (name,), how) for name in sorted(names)}
            return {name: grade.score for name, grade in grades.items() if grade is not None}

        grades = list(how.each(grade, zip(rows, unjudged, strict=True)))
        return training_table.graded_as(grades, how.identity)


def _asked(node: Node, settings: FitSettings) -> Labels:
    from composer.evaluate import read_rows

    rows = [row for row in read_rows(settings.data) if _is_graded(row)]
    if not rows:
        text = f"{settings.data} has no recorded outcomes and no references"
        raise not_trainable(
            text, 'each row needs "recorded" outcomes, or a "reference" to compare with'
        )
    names = node.get("names")
    branches = {
        name: with_records(branch, settings)
        for name, branch in _branches(settings.recipe, node).items()
    }
    outcomes = [_told(name, branches[name], rows, settings) for name in names]
    values = np.array([[of_choice[row.id] for of_choice in outcomes] for row in rows], dtype=float)
    quality, cost, tokens = np.moveaxis(values, 2, 0)
    identity = json.dumps([names, [row.id for row in rows]])
    digest = hashlib.sha256(identity.encode() + values.tobytes()).hexdigest()
    queries, tags = (tuple(row.query for row in rows), tuple(row.tags for row in rows))
    return Labels(queries, tags, names, quality, cost, tokens, frozenset(), digest)


def _is_graded(row: EvaluationRow) -> bool:
    """Say whether answers to a row can be graded: by a reference, or by recorded judgements."""
    judged = (quality_of(outcome) is not None for outcome in row.recorded.values())
    return bool(row.references) or any(judged)


def _branches(recipe: Recipe, node: Node) -> dict[str, Recipe]:
    """Return each choice of a route as a recipe of its own."""
    from composer.evaluate.recipes import alone

    answer = recipe.compiled.answer
    assert answer is not None
    names = node.get("names")
    if node.get("fused"):
        return {name: alone(recipe, name) for name in names}
    chooser = next(candidate for candidate in topological(answer) if node in candidate.inputs[:1])
    return {
        name: replace(recipe, compiled=replace(recipe.compiled, answer=branch))
        for name, branch in zip(names, chooser.inputs[1:], strict=True)
    }


def _told(
    name: str, branch: Recipe, rows: list[EvaluationRow], settings: FitSettings
) -> dict[str, OutcomeTuple]:
    """Return what a choice came to on rows: as it was kept, else by asking it."""
    file = outcome_file_name(branch, rows, settings.how)
    cached = read_outcomes(file) if settings.cache else None
    if cached is not None:
        settings.tell(f"`{name}`: {counted(len(rows), 'answer')} taken from the cache")
        return cached
    settings.tell(f"asking `{name}` {counted(len(rows), 'question')}")
    outcomes, failures = _answers(name, branch, rows, settings)
    if settings.cache and not failures:
        write_outcomes(file, outcomes)
    return outcomes


def _answers(
    name: str, branch: Recipe, rows: list[EvaluationRow], settings: FitSettings
) -> tuple[dict[str, OutcomeTuple], int]:
    from composer.evaluate import evaluate

    spent: dict[str, tuple[float | None, float]] = {}

    def on_result(result: Result) -> None:
        usages = result.members.values()
        tokens = sum(usage.prompt_tokens + usage.completion_tokens for usage in usages)
        spent[result.id] = (None if result.unpriced else result.cost, float(tokens))

    report = evaluate(branch, rows, how=settings.how, members=False, on_result=on_result)
    if report.errors == len(rows):
        text = f"every answer of `{name}` failed, first {report.failure}"
        raise not_trainable(text, "try the model with `compose run`")
    outcomes = {row.id: (report.qualities.get(row.id), *spent[row.id]) for row in rows}
    return outcomes, report.errors + report.partial


def outcome_file_name(branch: Recipe, rows: Sequence[EvaluationRow], how: Grading | str) -> str:
    """Name the file of a branch's outcomes on some rows: named by a hash of all they depend on.

    That is the branch with its models by content and its seed, the questions with their
    references, how answers are graded, and the version of the package.
    """
    from composer.evaluate.grading import opened

    with opened(how) as grading:
        questions = [[row.asked(), grading.identity_of(row)] for row in rows]
    return f"{json_digest([PACKAGE_VERSION, _FORM, branch.fingerprint, questions])}.json"


def read_outcomes(name: str) -> dict[str, OutcomeTuple] | None:
    """Return kept outcomes by row id, None where there are none that can be read."""
    try:
        outcomes = json.loads((_folder() / name).read_text(encoding="utf-8"))
        return {id_: (quality, cost, tokens) for id_, (quality, cost, tokens) in outcomes.items()}
    except (OSError, ValueError, TypeError, AttributeError):
        return None


def _folder() -> Path:
    return cache_folder() / "outcomes"


def write_outcomes(name: str, outcomes: dict[str, OutcomeTuple]) -> None:
    """Keep outcomes by row id; where nothing can be written, they are asked for again."""
    try:
        path = _folder() / name
        path.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(path, json.dumps(outcomes).encode())
    except OSError:
        return
