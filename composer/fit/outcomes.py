"""The outcomes that an estimator learns from: recorded in the data, else the choices are asked."""

from __future__ import annotations

import hashlib
import json
from dataclasses import replace
from typing import TYPE_CHECKING

from composer.compiler.graph import topological
from composer.fit.answered import keep, name_of, recall
from composer.fit.lesson import unteachable
from composer.heavy import np
from composer.methods.estimators.rows import labels, table
from composer.methods.estimators.values import Choice, Labels

if TYPE_CHECKING:
    from composer.compiler.graph import Node
    from composer.evaluate import EvaluationRow
    from composer.fit.answered import Told
    from composer.fit.lesson import FitSettings
    from composer.recipe import Recipe
    from composer.run import Result


def choices_of(node: Node) -> tuple[Choice, ...]:
    """Return the choices of a route's node, without their models."""
    known = zip(node.get("names"), node.get("aliases"), node.get("prices"), strict=True)
    return tuple(Choice(name, aliases, None, price) for name, aliases, price in known)


def outcomes_of(node: Node, lesson: FitSettings) -> Labels:
    """Return the labels of a route's choices: recorded in the data file, or made by asking.

    Where the file has recorded outcomes, it must have them for every choice; where it has none,
    every branch answers the rows that have a reference.
    """
    path = str(lesson.data)
    recorded = any(row.outcomes for row in table(path).rows)
    return labels(path, choices_of(node)) if recorded else _asked(node, lesson)


def _asked(node: Node, lesson: FitSettings) -> Labels:
    from composer.evaluate import read_rows

    rows = [row for row in read_rows(lesson.data) if row.references]
    if not rows:
        text = f"{lesson.data} has neither recorded outcomes nor references"
        raise unteachable(text, 'a row needs "recorded" outcomes, or a "reference" to compare with')
    names = node.get("names")
    branches = _branches(lesson.recipe, node)
    told = [_told(name, branches[name], rows, lesson) for name in names]
    values = np.array([[each[row.id] for each in told] for row in rows], dtype=float)
    quality, cost, tokens = np.moveaxis(values, 2, 0)
    known = json.dumps([names, [row.id for row in rows]])
    digest = hashlib.sha256(known.encode() + values.tobytes()).hexdigest()
    queries, tags = (tuple(row.query for row in rows), tuple(row.tags for row in rows))
    return Labels(queries, tags, names, quality, cost, tokens, frozenset(), digest)


def _branches(recipe: Recipe, node: Node) -> dict[str, Recipe]:
    """Return each choice of a route as a recipe of its own."""
    from composer.evaluate.recipes import alone

    answer = recipe.compiled.answer
    assert answer is not None
    names = node.get("names")
    if node.get("fused"):
        return {name: alone(recipe, name) for name in names}
    chooser = next(each for each in topological(answer) if node in each.inputs[:1])
    return {
        name: replace(recipe, compiled=replace(recipe.compiled, answer=branch))
        for name, branch in zip(names, chooser.inputs[1:], strict=True)
    }


def _told(
    name: str, branch: Recipe, rows: list[EvaluationRow], lesson: FitSettings
) -> dict[str, Told]:
    """Return what a choice came to on rows: as it was kept, else by asking it."""
    file = name_of(branch, rows, lesson.how)
    kept = recall(file) if lesson.cache else None
    if kept is not None:
        lesson.tell(f"`{name}` answered these {len(rows):,} questions before, as was kept")
        return kept
    lesson.tell(f"asking `{name}` {len(rows):,} questions")
    told, lacking = _answers(name, branch, rows, lesson)
    if lesson.cache and not lacking:
        keep(file, told)
    return told


def _answers(
    name: str, branch: Recipe, rows: list[EvaluationRow], lesson: FitSettings
) -> tuple[dict[str, Told], int]:
    from composer.evaluate import evaluate

    spent: dict[str, tuple[float, float]] = {}

    def seen(result: Result) -> None:
        used = result.members.values()
        tokens = sum(each.prompt_tokens + each.completion_tokens for each in used)
        spent[result.id] = (result.cost, float(tokens))

    report = evaluate(branch, rows, how=lesson.how, members=False, seen=seen)
    if report.errors == len(rows):
        said = f"every answer of `{name}` failed, first {report.failure}"
        raise unteachable(said, "try it with `compose run`")
    told = {row.id: (report.qualities.get(row.id), *spent[row.id]) for row in rows}
    return told, report.errors + report.partial
