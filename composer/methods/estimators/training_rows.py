"""Recorded outcomes that estimators are trained on: JSON lines of queries and their outcomes.

A row is `{"query": "...", "recorded": {"model": {"correct": true}}}`, or `"score": 0.7`; it may
have `tags`, and an outcome `cost` in dollars, `prompt_tokens` and `completion_tokens`.
"""

from __future__ import annotations

from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from composer.data import (
    BadRow,
    Unreadable,
    cost_of,
    quality_of,
    query_of,
    read,
    recorded_of,
    tags_of,
)
from composer.diagnostics import did_you_mean
from composer.heavy import np
from composer.methods.estimators.values import Choice, Labels
from composer.methods.mistakes import PartError
from composer.specs.content import data_stamp, file_digest, json_digest
from composer.values import OnceCache

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from composer.data import Line
    from composer.values.card import Price

_CODE = "E504"
_SHAPE = 'a row is {"query": "...", "recorded": {"A": {"correct": true}}}'


class Outcome(NamedTuple):
    """What one model did on one query: right or wrong or a score, dollars, tokens read, written."""

    quality: bool | float | None
    cost: float | None
    read: float | None
    written: float | None

    def at(self, price: Price) -> tuple[float | None, float | None, float | None]:
        """Return quality, dollars and tokens, the dollars as `cost_of` counts them."""
        counts = {"prompt_tokens": self.read, "completion_tokens": self.written}
        tokens = [count for count in counts.values() if count is not None]
        dollars = cost_of({"cost": self.cost, **counts}, price)
        return self.quality, dollars, sum(tokens) if tokens else None


class TrainingRow(NamedTuple):
    """One query with its tags and the outcomes by model."""

    query: str
    tags: tuple[str, ...]
    outcomes: dict[str, Outcome]


@dataclass(frozen=True, eq=False)
class TrainingTable:
    """The rows of a file, and the models that they tell of; `digest` names the content.

    `graded` names the models whose labels are scores, not right or wrong, `silent` those that are
    recorded without any label.
    """

    path: str
    digest: str
    rows: tuple[TrainingRow, ...]
    models: tuple[str, ...]
    graded: frozenset[str]
    silent: frozenset[str] = frozenset()

    def column(self, choice: Choice) -> str:
        """Return the name under which a choice was recorded."""
        column = next((name for name in choice.known_as if name in self.models), None)
        if column is None:
            raise self._missing(choice)
        return column

    def check_columns(self, choices: Sequence[Choice]) -> None:
        """Raise PartError, with the names that the file has, where several choices lack one."""
        known = {*self.models, *self.silent}
        missing = [choice.name for choice in choices if not known.intersection(choice.known_as)]
        if len(missing) < 2 or not self.models:  # noqa: PLR2004
            return
        listed = ", ".join(f"`{name}`" for name in missing)
        recorded = ", ".join(f"`{name}`" for name in self.models)
        raise PartError(
            _CODE,
            f"{self.path} has no recorded outcome of {listed}; it has outcomes of {recorded}",
            "give the branches these names or aliases, or remove `recorded` from rows with a "
            "`reference`: then the choices are asked",
        )

    def graded_as(
        self, grades: Sequence[Mapping[str, float | None]], identity: str
    ) -> TrainingTable:
        """Return the same rows with grades by model, one mapping a row.

        `identity` names what the grades depend on besides the file.
        """
        rows = []
        for row, grades_of_row in zip(self.rows, grades, strict=True):
            graded = {
                name: row.outcomes[name]._replace(quality=grade)
                for name, grade in grades_of_row.items()
            }
            rows.append(row._replace(outcomes=row.outcomes | graded))
        return _gather(self.path, json_digest([self.digest, identity]), rows)

    def _missing(self, choice: Choice) -> PartError:
        message = f"{self.path} has no recorded outcome of `{choice.name}`"
        if any(name in self.silent for name in choice.known_as):
            message += ": its answers are recorded, but not whether they are right"
            advice = (
                "add `correct` or a `score` to each answer, or a `reference` to each row: then "
                f"`compose fit` grades the texts; {_SHAPE}"
            )
            return PartError(_CODE, message, advice)
        record = (
            f"record outcomes of `{choice.name}`, or remove `recorded` from rows with a "
            "`reference`: then the choices are asked"
        )
        advice = did_you_mean(choice.name, self.models)
        advice_for_names = (
            f"; if it is recorded under another name ({advice}), give the branch that name or alias"
        )
        return PartError(_CODE, message, record + advice_for_names * bool(advice))


_TABLES: OnceCache[TrainingTable] = OnceCache()
_LABELS: OnceCache[Labels] = OnceCache()


def labels(path: str, choices: tuple[Choice, ...]) -> Labels:
    """Return what a file says of some choices, under the choices' own names."""
    return labels_of(table(path), choices)


def labels_of(training_table: TrainingTable, choices: tuple[Choice, ...]) -> Labels:
    """Return what a table says of some choices, under the choices' own names."""
    training_table.check_columns(choices)
    columns = tuple(training_table.column(choice) for choice in choices)
    names = tuple(choice.name for choice in choices)
    prices = tuple(choice.price for choice in choices)
    return _LABELS.get(
        (training_table.digest, columns, names, prices),
        lambda: _chosen(training_table, columns, names, prices),
    )


def _chosen(
    training_table: TrainingTable,
    columns: tuple[str, ...],
    names: tuple[str, ...],
    prices: tuple[Price, ...],
) -> Labels:
    nothing = Outcome(None, None, None, None)
    priced = tuple(zip(columns, prices, strict=True))
    outcomes = [
        [row.outcomes.get(name, nothing).at(price) for name, price in priced]
        for row in training_table.rows
    ]
    values = np.array(outcomes, dtype=float).reshape(len(outcomes), len(columns), 3)
    quality, cost, tokens = np.moveaxis(values, 2, 0)
    return Labels(
        tuple(row.query for row in training_table.rows),
        tuple(row.tags for row in training_table.rows),
        names,
        quality,
        cost,
        tokens,
        frozenset(
            n for n, column in zip(names, columns, strict=True) if column in training_table.graded
        ),
        json_digest([training_table.digest, columns, names, prices]),
    )


def table(path: str) -> TrainingTable:
    """Read a file or folder of recorded outcomes, once as long as it does not change."""
    if not Path(path).exists():
        raise PartError("E501", f"there is no file `{path}`", _SHAPE)
    return _TABLES.get((path, data_stamp(Path(path))), lambda: _read(path))


def _read(path: str) -> TrainingTable:
    try:
        lines = read(path)
    except Unreadable as bad:
        raise PartError(bad.code, bad.message, bad.help) from bad
    with closing(lines):
        rows = [_row(path, line) for line in lines]
    if not rows:
        raise PartError(_CODE, f"{path} has no rows", _SHAPE)
    return _gather(path, file_digest(path), rows)


def _gather(path: str, digest: str, rows: list[TrainingRow]) -> TrainingTable:
    qualities = [(name, each.quality) for row in rows for name, each in row.outcomes.items()]
    models = dict.fromkeys(name for name, value in qualities if value is not None)
    graded = {name for name, value in qualities if value not in (0, 1, None)}
    unjudged = {name for name, _ in qualities} - models.keys()
    return TrainingTable(
        path, digest, tuple(rows), tuple(models), frozenset(graded), frozenset(unjudged)
    )


def _row(path: str, line: Line) -> TrainingRow:
    try:
        if isinstance(line.content, BadRow):
            raise line.content
        recorded = recorded_of(line.content)
        outcomes = {name: _outcome(each) for name, each in recorded.items()}
        return TrainingRow(query_of(line.content), tags_of(line.content), outcomes)
    except BadRow as bad:
        said = f"{line.file or path}, line {line.number}: {bad.message}"
        raise PartError(_CODE, said, bad.help) from bad


def _outcome(outcome: Mapping[str, Any]) -> Outcome:
    cost, read, written = map(outcome.get, ("cost", "prompt_tokens", "completion_tokens"))
    return Outcome(quality_of(outcome), cost, read, written)
