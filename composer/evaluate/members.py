"""Each member alone: from what was recorded, else by asking it."""

from __future__ import annotations

from dataclasses import dataclass
from statistics import fmean
from typing import TYPE_CHECKING

from composer.evaluate.judge import judge, judgement
from composer.evaluate.recipes import alone, data_names, declarations, options_of
from composer.evaluate.report import Alone

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from composer.evaluate.heard import Heard
    from composer.evaluate.judge import Compare
    from composer.evaluate.rows import Row
    from composer.models import Declaration
    from composer.recipe import Recipe
    from composer.run import Result

__all__ = ["Known", "Members", "quality_of"]

Judged = tuple[dict[str, float], float]
"""Qualities by row, and the dollars that the answers cost."""

Known = dict[tuple[str, ...], Judged]
"""What was found of members before."""


@dataclass(frozen=True)
class Members:
    """The quality of every member's own answers by row id, and what they cost together."""

    qualities: Mapping[str, Mapping[str, float]]
    costs: Mapping[str, float]

    @classmethod
    def of(
        cls, recipe: Recipe, rows: Sequence[Row], how: Compare, spoken: Heard, known: Known
    ) -> Members:
        """Judge every model of a recipe alone.

        A row counts as it was recorded; else by what the member said while the recipe ran; else
        the member is asked. `known` keeps what is found, for other recipes over the same rows.
        """
        found = {}
        for name, declaration in declarations(recipe).items():
            key = (name, declaration.identity(), options_of(recipe, name), how)
            if key not in known:
                known[key] = _alone(recipe, name, rows, how, spoken.get(name, {}))
            found[name] = known[key]
        return cls(
            {name: judged for name, (judged, _) in found.items()},
            {name: cost for name, (_, cost) in found.items()},
        )

    def summary(self) -> dict[str, Alone]:
        """Give each member that was judged at all with its accuracy."""
        return {
            name: Alone(len(judged), fmean(judged.values()), self.costs[name])
            for name, judged in self.qualities.items()
            if judged
        }

    def random(self) -> float | None:
        """The accuracy of choosing a member by chance, over the rows where all are judged."""
        rows = self._rows()
        return fmean(fmean(row) for row in rows) if rows else None

    def oracle(self) -> float | None:
        """The accuracy of always choosing a member that is right, over the same rows."""
        rows = self._rows()
        return fmean(max(row) for row in rows) if rows else None

    def _rows(self) -> list[list[float]]:
        many = [judged for judged in self.qualities.values() if judged]
        shared = set.intersection(*(set(judged) for judged in many)) if many else set()
        return [[judged[name] for judged in many] for name in sorted(shared)]


def quality_of(
    models: Mapping[str, Declaration], row: Row, result: Result, how: Compare
) -> float | None:
    """Judge one answer; one that failed is wrong."""
    if result.error is not None or result.answer is None:
        return 0.0
    asked = [name for name in result.members if name in models]
    if result.text is not None and result.text.source in asked:
        asked = [result.text.source]
    writers = [alias for name in asked for alias in data_names(name, models[name])]
    replayed = all(models[name].name == "recorded" for name in asked)
    quality = judge(row, result.answer, writers, how, replayed=replayed)
    return _carried(result) if quality is None else quality


def _carried(result: Result) -> float | None:
    """The judgement that a replayed answer brings along, where the data has none."""
    correct = result.text.facts.get("correct") if result.text is not None else None
    return float(correct) if isinstance(correct, bool) else None


def _alone(
    recipe: Recipe,
    name: str,
    rows: Sequence[Row],
    how: Compare,
    spoken: Mapping[str, tuple[str, float]],
) -> Judged:
    names = data_names(name, declarations(recipe)[name])
    judged: dict[str, float] = {}
    cost, left = 0.0, []
    for row in rows:
        quality, spent = _recorded(row, names, how)
        if quality is None and row.id in spoken:
            text, spent = spoken[row.id]
            quality = judge(row, text, names, how, replayed=False)
        if quality is None:
            left.append(row)
        else:
            judged[row.id] = quality
            cost += spent
    asked, more = _asked(recipe, name, left, how) if left else ({}, 0.0)
    return judged | asked, cost + more


def _recorded(row: Row, names: tuple[str, ...], how: Compare) -> tuple[float | None, float]:
    kept = next((row.recorded[name] for name in names if name in row.recorded), {})
    return judgement(row, names, how), float(kept.get("cost") or 0.0)


def _asked(recipe: Recipe, name: str, rows: Sequence[Row], how: Compare) -> Judged:
    single, by_id = alone(recipe, name), {row.id: row for row in rows}
    models = declarations(single)
    judged: dict[str, float] = {}
    cost = 0.0
    with single.ready() as ensemble:
        for result in ensemble.map([row.asked() for row in rows]):
            quality = quality_of(models, by_id[result.id], result, how)
            cost += result.cost
            if quality is not None:
                judged[result.id] = quality
    return judged, cost
