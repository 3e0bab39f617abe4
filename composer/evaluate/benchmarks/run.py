"""What a recipe and each of its members gave on the rows of a published benchmark."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

from composer.evaluate.judge import same_answer
from composer.evaluate.recipes import data_names, declarations

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from composer.backends import Declaration
    from composer.evaluate.members import Judged, Members
    from composer.evaluate.outcomes import RoutedBank, RouteDecision
    from composer.evaluate.rows import EvaluationRow
    from composer.recipe import Recipe
    from composer.run import Result

__all__ = ["BenchmarkRun", "Routed", "run_of_decisions", "run_of_results"]


@dataclass(frozen=True)
class Routed:
    """What a route chose on each row, and what it expected of each choice.

    `robustness` holds its choices for the same questions in other words.
    """

    choices: Mapping[str, str] = field(default_factory=dict)
    estimates: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    robustness: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def of(
        cls,
        bank: RoutedBank | None,
        decisions: Mapping[str, RouteDecision | None],
        robustness: Mapping[str, str],
    ) -> Routed:
        """Name the choices of a bank; without one there are none."""
        if bank is None:
            return cls()
        made = {row: each for row, each in decisions.items() if each is not None}
        return cls(
            {row: bank.names[each.chosen] for row, each in made.items()},
            {row: dict(zip(bank.names, each.estimates, strict=True)) for row, each in made.items()},
            robustness,
        )


@dataclass(frozen=True)
class BenchmarkRun:
    """The answers of a recipe, each found among the recorded ones where it is one of them.

    `names` maps members and choices to the names under which rows may know them. `picks` holds, by
    row, the name in `recorded` of the answer that the recipe gave; `quality` and `cost` what it was
    worth and its dollars; `alone` the same of each member. `routed` is what its route decided.
    """

    recipe: str
    rows: Sequence[EvaluationRow]
    names: Mapping[str, tuple[str, ...]]
    alone: Mapping[str, Judged]
    picks: Mapping[str, str]
    quality: Mapping[str, float]
    cost: Mapping[str, float | None]
    routed: Routed

    @cached_property
    def answers(self) -> dict[str, dict[str, str]]:
        """By recipe and member: by row, the name in `recorded` of the answer."""
        alone = {name: _recorded(self.rows, self.names[name]) for name in self.alone}
        return {self.recipe: dict(self.picks), **alone}

    def facts(self, label: str, fact: str) -> dict[str, Any]:
        """One fact of the recorded answers of the recipe or of a member, by row."""
        picked = self.answers[label]
        outcomes = {row.id: row.recorded[picked[row.id]] for row in self.rows if row.id in picked}
        return {name: each[fact] for name, each in outcomes.items() if each.get(fact) is not None}

    def qualities(self, label: str) -> dict[str, float]:
        """The qualities of the answers of the recipe or of a member, by row."""
        if label == self.recipe:
            return dict(self.quality)
        return {name: quality for name, (quality, _) in self.alone[label].items()}

    def costs(self, label: str) -> dict[str, float | None]:
        """The dollars of the answers of the recipe or of a member, by row; None is not known."""
        if label == self.recipe:
            return dict(self.cost)
        return {name: _known(dollars) for name, (_, dollars) in self.alone[label].items()}

    @property
    def missing_picks(self) -> int:
        """How many of the recipe's answers are none of the recorded ones."""
        return len(self.rows) - len(self.picks)


def _known(dollars: float) -> float | None:
    return None if math.isnan(dollars) else dollars


def _recorded(rows: Iterable[EvaluationRow], names: tuple[str, ...]) -> dict[str, str]:
    first = ((row.id, next((n for n in names if n in row.recorded), None)) for row in rows)
    return {row: name for row, name in first if name is not None}


def run_of_results(  # noqa: PLR0913 - what was answered, and what it is set beside
    recipe: Recipe,
    rows: Sequence[EvaluationRow],
    results: Iterable[Result],
    quality: Mapping[str, float],
    members: Members,
    routed: Routed,
) -> BenchmarkRun:
    """Gather what a recipe answered."""
    models = declarations(recipe)
    by_id = {result.id: result for result in results}
    picks = {row.id: _pick(models, row, by_id[row.id]) for row in rows if row.id in by_id}
    return BenchmarkRun(
        recipe.name,
        rows,
        {name: data_names(name, each) for name, each in models.items()},
        members.judged,
        {row: name for row, name in picks.items() if name is not None},
        quality,
        {name: _known(result.known_cost) for name, result in by_id.items()},
        routed,
    )


def _pick(models: Mapping[str, Declaration], row: EvaluationRow, result: Result) -> str | None:
    """Find the recorded answer that a result is, first that of the model which wrote it."""
    if result.error is not None or result.text is None:
        return None
    source = result.text.source
    members = sorted((name for name in result.members if name in models), key=source.__ne__)
    names = [alias for name in members for alias in data_names(name, models[name])]
    return next(
        (
            name
            for name in names
            if name in row.recorded and same_answer(row.recorded[name], result.text.text, row)
        ),
        None,
    )


def run_of_decisions(
    recipe: Recipe, rows: Sequence[EvaluationRow], members: Members, routed: Routed
) -> BenchmarkRun:
    """Gather what a recipe's route chose, without answers: a choice stands for its member's."""
    models = declarations(recipe)
    names = {name: data_names(name, each) for name, each in models.items()}
    choices = routed.choices
    picks = {
        row.id: next((n for n in names.get(choices[row.id], ()) if n in row.recorded), None)
        for row in rows
        if row.id in choices
    }
    judged = {
        row: members.judged[name][row]
        for row, name in choices.items()
        if row in members.judged.get(name, {})
    }
    return BenchmarkRun(
        recipe.name,
        rows,
        names,
        members.judged,
        {row: name for row, name in picks.items() if name is not None},
        {row: quality for row, (quality, _) in judged.items()},
        {row: _known(dollars) for row, (_, dollars) in judged.items()},
        routed,
    )
