"""Running a recipe over rows and judging what it answers."""

from __future__ import annotations

import time
from collections import Counter, defaultdict
from statistics import fmean
from typing import TYPE_CHECKING, Any

from composer.evaluate.heard import heard
from composer.evaluate.members import Members, quality_of
from composer.evaluate.recipes import declarations
from composer.evaluate.report import Report, Tagged
from composer.metrics import mean_interval
from composer.ports import Usage

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from composer.evaluate.judge import Compare
    from composer.evaluate.members import Known
    from composer.evaluate.rows import Row
    from composer.recipe import Recipe
    from composer.run import Result

__all__ = ["evaluate"]


def evaluate(  # noqa: PLR0913 - what is measured, and how
    recipe: Recipe,
    rows: Sequence[Row],
    *,
    how: Compare = "auto",
    members: bool = True,
    seen: Callable[[Result], None] = lambda _: None,
    known: Known | None = None,
) -> Report:
    """Answer every row with a recipe, judge the answers, and set the members alone beside it.

    A row that fails counts as wrong; a row that nothing can judge is left out of the accuracy.
    `seen` is called with each answer as it comes; `known` keeps what is found of members, so
    that other recipes over the same rows and models need not ask them again.
    """
    begun = time.perf_counter()
    with recipe.ready() as ensemble:
        results = list(_watched(ensemble.map([row.asked() for row in rows]), seen))
        seconds = time.perf_counter() - begun - ensemble.loading_seconds
    by_id = {row.id: row for row in rows}
    judged = _judged(recipe, by_id, results, how)
    alone = Members({}, {})
    if members:
        spoken = heard(by_id, results)
        alone = Members.of(recipe, rows, how, spoken, {} if known is None else known)
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


def _watched(results: Iterable[Result], seen: Callable[[Result], None]) -> Iterator[Result]:
    for result in results:
        seen(result)
        yield result


def _judged(
    recipe: Recipe,
    rows: Mapping[str, Row],
    results: Iterable[Result],
    how: Compare,
) -> dict[str, float]:
    models = declarations(recipe)
    by_id = {result.id: result for result in results}
    judged = {}
    for name, row in rows.items():
        quality = quality_of(models, row, by_id[name], how) if name in by_id else 0.0
        if quality is not None:
            judged[name] = quality
    return judged


def _spent(results: Sequence[Result]) -> dict[str, Any]:
    calls: Counter[str] = Counter()
    total = Usage()
    for result in results:
        for name, usage in result.members.items():
            calls[name] += usage.calls
            total += usage
    return {
        "calls": dict(calls),
        "cost": total.cost,
        "prompt_tokens": total.prompt_tokens,
        "completion_tokens": total.completion_tokens,
    }


def _tagged(rows: Mapping[str, Row], judged: Mapping[str, float]) -> dict[str, Tagged]:
    found: dict[str, list[float]] = defaultdict(list)
    for name, quality in judged.items():
        for tag in rows[name].tags:
            found[tag].append(quality)
    return {tag: Tagged(len(many), fmean(many)) for tag, many in sorted(found.items())}
