"""Each member alone: from what was recorded, else by asking it."""

from __future__ import annotations

from dataclasses import dataclass
from statistics import fmean
from typing import TYPE_CHECKING

from composer.evaluate.judge import judge, judgement
from composer.evaluate.report import Alone

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from composer.evaluate.judge import Compare
    from composer.evaluate.recipes import Answered, Recipe
    from composer.evaluate.rows import Row

__all__ = ["Members", "data_names", "quality_of"]


@dataclass(frozen=True)
class Members:
    """The quality of every member's own answers by row id, and what they cost together."""

    qualities: Mapping[str, Mapping[str, float]]
    costs: Mapping[str, float]

    @classmethod
    def of(cls, recipe: Recipe, rows: Sequence[Row], compare: Compare) -> Members:
        """Judge every model of a recipe alone; rows without a recorded judgement are asked."""
        qualities: dict[str, dict[str, float]] = {}
        costs: dict[str, float] = {}
        for name in recipe.models:
            kept, costs[name] = _recorded(rows, data_names(recipe, name), compare)
            left = [row for row in rows if row.id not in kept]
            asked, cost = _asked(recipe, name, left, compare) if left else ({}, 0.0)
            qualities[name] = kept | asked
            costs[name] += cost
        return cls(qualities, costs)

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


def data_names(recipe: Recipe, model: str) -> tuple[str, ...]:
    """The names under which a data row may know a recipe's model."""
    return (*recipe.models[model].aliases, model)


def quality_of(recipe: Recipe, row: Row, result: Answered, compare: Compare) -> float | None:
    """Judge one answer; one that failed is wrong."""
    if result.error is not None or result.answer is None:
        return 0.0
    source = str(getattr(result, "source", ""))
    asked = [name for name in result.members if name in recipe.models]
    asked = [source] if source in asked else asked
    writers = [alias for name in asked for alias in data_names(recipe, name)]
    replayed = all(recipe.models[name].name == "recorded" for name in asked)
    return judge(row, result.answer, writers, compare, replayed=replayed)


def _recorded(
    rows: Sequence[Row], names: tuple[str, ...], compare: Compare
) -> tuple[dict[str, float], float]:
    judged, cost = {}, 0.0
    for row in rows:
        quality = judgement(row, names, compare)
        if quality is not None:
            judged[row.id] = quality
            kept = next(row.recorded[name] for name in names if name in row.recorded)
            cost += float(kept.get("cost") or 0.0)
    return judged, cost


def _asked(
    recipe: Recipe, name: str, rows: Sequence[Row], compare: Compare
) -> tuple[dict[str, float], float]:
    alone, by_id = recipe.alone(name), {row.id: row for row in rows}
    judged, cost = {}, 0.0
    with alone.ready() as ensemble:
        for result in ensemble.map([row.asked() for row in rows]):
            quality = quality_of(alone, by_id[result.id], result, compare)
            cost += sum(usage["cost"] for usage in result.members.values())
            if quality is not None:
                judged[result.id] = quality
    return judged, cost
