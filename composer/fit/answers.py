"""What candidates say on the rows of a data file: what learned votes and scores are fitted on."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING

from composer.compiler.fits.learners import names_of
from composer.data import quality_of
from composer.diagnostics.amounts import counted
from composer.fit.recorded import with_records
from composer.fit.settings import not_trainable
from composer.methods.answer_table import AnswerRow, AnswerTable
from composer.specs.content import file_digest
from composer.steps.branching import CANDIDATES
from composer.values import ANSWER_PORTS

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from composer.compiler.graph import Node
    from composer.evaluate import EvaluationRow, Grading
    from composer.fit.settings import FitSettings
    from composer.recipe import Recipe
    from composer.values import Candidates, Text

Aliases = Mapping[str, tuple[str, ...]]


def answers_of(node: Node, settings: FitSettings, *, labelled: bool) -> AnswerTable:
    """Run the recipe up to a step on every row, and return what the step would be given.

    With `labelled`, the candidates are graded as `eval` grades them, and rows without any grade are
    left out. Without, they are graded where the rows have references or judgements, so that the fit
    can say how it does. A row on which all candidates failed is left out too.
    """
    from composer.evaluate import read_rows
    from composer.evaluate.grading import opened
    from composer.evaluate.recipes import data_names, declarations

    rows = read_rows(settings.data)
    recipe = with_records(candidates_recipe(settings.recipe, node), settings)
    settings.tell(f"asking the candidates of `{node.op}` {counted(len(rows), 'question')}")
    candidates = list(_candidates(recipe, rows))
    models = declarations(settings.recipe)
    aliases = {name: data_names(name, model) for name, model in models.items()}
    with opened(settings.how) as how:
        graded = labelled or any(map(_is_labelled, rows))
        if graded:
            how.check(rows)
        table_rows = [
            _row(row, each, how if graded else None, aliases)
            for row, each in zip(rows, candidates, strict=True)
            if each is not None
        ]
    if labelled:
        table_rows = [row for row in table_rows if any(q is not None for q in row.quality)]
    if not table_rows:
        text = f"no row of {settings.data} can be used to fit `{node.op}`"
        help_ = "give rows with a `reference`, or with recorded answers that are judged"
        raise not_trainable(text, help_ if labelled else "see what fails with `compose run`")
    return AnswerTable(_names(node, table_rows), tuple(table_rows), file_digest(settings.data))


def _names(node: Node, rows: list[AnswerRow]) -> tuple[str, ...]:
    """Return the names of the candidates in the order of the recipe, whoever failed on some rows.

    Raises Mistakes (E509) where a candidate has no answer on any row.
    """
    names = dict.fromkeys(name for row in rows for name in row.candidates.names)
    written = names_of(node)
    silent = [name for name in written if name not in names]
    if not set(names) <= set(written):
        return tuple(names)
    if silent:
        text = f"`{silent[0]}` has no answer on any row, so nothing can be learned about it"
        raise not_trainable(text, "see what fails with `compose run`, or leave it out")
    return written


def candidates_recipe(recipe: Recipe, node: Node) -> Recipe:
    """Return the recipe whose answer holds the candidates that a step is given."""
    compiled = recipe.compiled
    candidates = next(each for each in node.direct_inputs if each.port in ANSWER_PORTS)
    answer = compiled.graph.node("hold", (candidates,))
    return replace(recipe, compiled=replace(compiled, answer=answer))


def _candidates(recipe: Recipe, rows: list[EvaluationRow]) -> Iterator[Candidates | None]:
    with recipe.ready() as ensemble:
        for result in ensemble.in_order(row.question() for row in rows):
            held_text = result.text
            yield None if held_text is None else held_text.facts[CANDIDATES]


def _is_labelled(row: EvaluationRow) -> bool:
    judged = (quality_of(outcome) is not None for outcome in row.recorded.values())
    return bool(row.references) or any(judged)


def _row(
    row: EvaluationRow, candidates: Candidates, how: Grading | None, aliases: Aliases
) -> AnswerRow:
    quality = tuple(
        None if how is None else _quality(row, candidates, at, how, aliases)
        for at in range(len(candidates.texts))
    )
    return AnswerRow(candidates, quality, row.references, row.tags)


def _quality(
    row: EvaluationRow, candidates: Candidates, at: int, how: Grading, aliases: Aliases
) -> float | None:
    """Grade one candidate; `aliases` are the names that the data may have for each model."""
    text = candidates.texts[at]
    writers = (*aliases.get(text.source, (text.source,)), candidates.names[at])
    return quality_of_answer(row, text, writers, how)


def quality_of_answer(
    row: EvaluationRow, text: Text, writers: Sequence[str], how: Grading
) -> float | None:
    """Grade an answer as `eval` does; `writers` are the names under which it may be judged."""
    from composer.evaluate.judge import judge

    answer = text.value if text.extracted and text.value is not None else text.text.strip()
    return judge(row, answer, writers, how).score
