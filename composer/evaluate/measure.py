"""Running a recipe over rows and judging what it answers."""

from __future__ import annotations

import time
from collections import Counter, defaultdict
from statistics import fmean
from typing import TYPE_CHECKING, Any

from composer.evaluate.members import Members, quality_of
from composer.evaluate.report import Report, Tagged
from composer.metrics import mean_interval

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from composer.evaluate.judge import Compare
    from composer.evaluate.recipes import Answered, Recipe
    from composer.evaluate.rows import Row

__all__ = ["evaluate"]


def evaluate(
    recipe: Recipe,
    rows: Sequence[Row],
    *,
    compare: Compare = "auto",
    members: bool = True,
    seen: Callable[[Answered], None] = lambda _: None,
) -> Report:
    """Answer every row with a recipe, judge the answers, and set the members alone beside it.

    A row that fails counts as wrong; a row that nothing can judge is left out of the accuracy.
    `seen` is called with each answer as it comes.
    """
    begun = time.perf_counter()
    with recipe.ready() as ensemble:
        results = list(_watched(ensemble.map([row.asked() for row in rows]), seen))
    seconds = time.perf_counter() - begun
    by_id = {row.id: row for row in rows}
    judged = _judged(recipe, by_id, results, compare)
    alone = Members.of(recipe, rows, compare) if members else Members({}, {})
    return Report(
        recipe=recipe.name,
        rows=len(rows),
        errors=sum(result.error is not None for result in results),
        accuracy=fmean(judged.values()) if judged else None,
        interval=mean_interval(list(judged.values())) if judged else None,
        members=alone.summary(),
        random=alone.random(),
        oracle=alone.oracle(),
        seconds=seconds,
        tags=_tagged(by_id, judged),
        qualities=judged,
        **_spent(results),
    )


def _watched(results: Iterable[Answered], seen: Callable[[Answered], None]) -> Iterator[Answered]:
    for result in results:
        seen(result)
        yield result


def _judged(
    recipe: Recipe,
    rows: Mapping[str, Row],
    results: Iterable[Answered],
    compare: Compare,
) -> dict[str, float]:
    by_id = {result.id: result for result in results}
    judged = {}
    for name, row in rows.items():
        quality = quality_of(recipe, row, by_id[name], compare) if name in by_id else 0.0
        if quality is not None:
            judged[name] = quality
    return judged


def _spent(results: Sequence[Answered]) -> dict[str, Any]:
    total: Counter[str] = Counter()
    calls: Counter[str] = Counter()
    for result in results:
        for name, usage in result.members.items():
            calls[name] += usage["calls"]
            total.update({key: usage[key] for key in usage if key != "calls"})
    keys = ("cost", "prompt_tokens", "completion_tokens")
    return {key: total[key] for key in keys} | {"calls": dict(calls)}


def _tagged(rows: Mapping[str, Row], judged: Mapping[str, float]) -> dict[str, Tagged]:
    found: dict[str, list[float]] = defaultdict(list)
    for name, quality in judged.items():
        for tag in rows[name].tags:
            found[tag].append(quality)
    return {tag: Tagged(len(many), fmean(many)) for tag, many in sorted(found.items())}
