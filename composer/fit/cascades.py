"""What every stage of a cascade answers on the rows of a data file, and how good it is."""

from __future__ import annotations

from dataclasses import replace
from itertools import chain
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from composer.compiler.graph.choices import stage_choices
from composer.diagnostics.amounts import counted
from composer.fit.answers import quality_of_answer
from composer.fit.recorded import with_records
from composer.fit.settings import not_trainable
from composer.methods import Rule
from composer.methods.acceptances.base import Acceptance
from composer.methods.cascade_table import CascadeRow, CascadeTable
from composer.methods.post_hoc.base import AfterAnswers
from composer.methods.signals.learned import LearnedSignal, with_inner
from composer.specs.content import file_digest
from composer.steps.cascading import CASCADE
from composer.values import Port

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from composer.compiler.graph import Node
    from composer.evaluate import EvaluationRow, Grading
    from composer.fit.settings import FitSettings
    from composer.methods.cascade_state import CascadeState
    from composer.methods.signals.base import Signal
    from composer.recipe import Recipe
    from composer.run import Result
    from composer.values import Text


def table_of(node: Node, settings: FitSettings, *, labelled: bool = True) -> CascadeTable:
    """Return what every stage of a cascade answers, with all signals that its parts read.

    The parts of one cascade share the table: stages are asked once in a fit.
    """
    key = (node.direct_inputs, labelled)
    if key not in settings.tables:
        signals = measured_signals(node)
        settings.tables[key] = cascade_table(node, settings, signals, labelled=labelled)
    table: CascadeTable = settings.tables[key]
    return table


def measured_signals(node: Node) -> tuple[Signal, ...]:
    """Return the signals that what decides in a cascade reads, without the learned ones."""
    signals: list[Signal] = []
    for value in node.values().values():
        match value:
            case Rule():
                signals += sorted(value.signals(), key=str)
            case Acceptance() | AfterAnswers():
                signals += value.signals
    return tuple(each for each in with_inner(signals) if not isinstance(each, LearnedSignal))


def cascade_table(
    node: Node, settings: FitSettings, signals: Sequence[Signal], *, labelled: bool = True
) -> CascadeTable:
    """Ask every stage of a cascade all questions of the data, and measure signals on the answers.

    Where the data recorded the answers of its models, these are used, and nobody is asked. With
    `labelled`, answers are graded as `eval` grades them, and rows without any grade are left out.
    Without, they are graded where the rows have references or judgements. Rows on which all stages
    failed are left out too.
    """
    from composer.evaluate import read_rows
    from composer.evaluate.graded import failures
    from composer.evaluate.grading import opened
    from composer.evaluate.recipes import data_names, declarations

    rows = read_rows(settings.data)
    settings.tell(f"asking every stage of `{node.op}` {counted(len(rows), 'question')}")
    results, graded = _answers(node, settings, signals, rows)
    models = declarations(settings.recipe)
    aliases = {name: data_names(name, model) for name, model in models.items()}
    with opened(settings.how) as how:
        if labelled:
            how.check(rows)
        table_rows = [
            _row(row, result.text, read.text, how, aliases)
            for row, result, read in zip(rows, results, graded, strict=True)
            if result.text is not None and read.text is not None
        ]
    if labelled:
        table_rows = [row for row in table_rows if any(q is not None for q in row.quality)]
    if failed := list(chain.from_iterable(failures(results))):
        text = f"no stage answered {counted(len(failed), 'row')} of {len(rows)}, first {failed[0]}"
        if len(table_rows) < settings.folds:
            raise not_trainable(text, "see what fails with `compose run`")
        settings.tell(f"{text}: left out")
    if not table_rows:
        text = f"no row of {settings.data} can be used to fit `{node.op}`"
        help_ = "give rows with a `reference`, or with recorded answers that are judged"
        raise not_trainable(text, help_ if labelled else "see what fails with `compose run`")
    begun = () if node.direct_inputs[0].port is Port.QUERY else (0,)
    return CascadeTable(stage_names(node), tuple(table_rows), file_digest(settings.data), begun)


def stage_names(node: Node) -> tuple[str, ...]:
    """Return the names of a cascade's stages, an answer before them as the first."""
    names: tuple[str, ...] = stage_choices(node.direct_inputs)["stage_names"]
    return names


def _answers(
    node: Node,
    settings: FitSettings,
    signals: Sequence[Signal],
    rows: Sequence[EvaluationRow],
) -> tuple[list[Result], list[Result]]:
    """Return what every stage answers, as the cascade decides on it and as it is graded.

    Where steps after the cascade read a value out of its answer, this value is graded. It is read
    out of the same answers: they are cached, so that no stage is asked twice.
    """
    from composer.evaluate.stages import every_stage_recipe, reading_steps

    stages = [each for each in node.direct_inputs if each.port is not Port.QUERY]
    decided = every_stage_recipe(settings.recipe, node, tuple(signals), read=False)
    decided = with_records(decided, settings, stages)
    if not reading_steps(settings.recipe, node):
        results = _results(decided, rows, cache=settings.cache)
        return results, results
    read = every_stage_recipe(settings.recipe, node, ())
    read = with_records(read, replace(settings, tell=lambda _: None), stages)
    with TemporaryDirectory() as folder:
        cache = settings.cache or Path(folder, "answers.sqlite")
        results, graded = (_results(each, rows, cache=cache) for each in (decided, read))
    return results, graded


def _results(recipe: Recipe, rows: Sequence[EvaluationRow], *, cache: bool | Path) -> list[Result]:
    with recipe.ready(cache=cache) as ensemble:
        return list(ensemble.in_order(row.question() for row in rows))


def _row(
    row: EvaluationRow,
    decided: Text,
    read: Text,
    how: Grading,
    aliases: Mapping[str, tuple[str, ...]],
) -> CascadeRow:
    state: CascadeState = decided.facts[CASCADE]
    graded: CascadeState = read.facts[CASCADE]
    quality: list[float | None] = [None] * len(state.names)
    for at, answer in graded.answers.items():
        text = answer.text
        writers = (*aliases.get(text.source, (text.source,)), state.names[at])
        quality[at] = quality_of_answer(row, text, writers, how)
    return CascadeRow(state, tuple(quality), row.references, row.tags)
