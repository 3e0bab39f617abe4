"""The figures that published benchmarks define, beside those of every evaluation.

One file a benchmark turns a `BenchmarkRun` into a `Published`; `METRICS` names it by the benchmark
that the reader of the rows named. `run` gathers what a recipe and its members gave, `figures` holds
and draws the tables.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from composer.diagnostics import Diagnostic, Mistakes
from composer.evaluate.benchmarks.alpacaeval import alpacaeval
from composer.evaluate.benchmarks.codetests import BY_TESTS, codetests
from composer.evaluate.benchmarks.figures import Published
from composer.evaluate.benchmarks.llmrouterbench import llmrouterbench
from composer.evaluate.benchmarks.mixinstruct import mixinstruct
from composer.evaluate.benchmarks.mtbench import mtbench
from composer.evaluate.benchmarks.robustness import robustness_choices
from composer.evaluate.benchmarks.routerarena import routerarena
from composer.evaluate.benchmarks.routerbench import routerbench
from composer.evaluate.benchmarks.routereval import routereval
from composer.evaluate.benchmarks.run import (
    BenchmarkRun,
    Routed,
    run_of_decisions,
    run_of_results,
)
from composer.evaluate.sweep import AIQ, ZERO_AIQ

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from composer.evaluate.grading import Grading
    from composer.evaluate.router import Router
    from composer.evaluate.rows import EvaluationRow

__all__ = [
    "METRICS",
    "BenchmarkRun",
    "Published",
    "Routed",
    "as_published",
    "benchmark_of",
    "refuse_unjudged",
    "robustness_choices",
    "run_of_decisions",
    "run_of_results",
    "without_foreign_figures",
]

METRICS: Mapping[str, Callable[[BenchmarkRun], Published]] = {
    "RouterBench": routerbench,
    "RouterEval": routereval,
    "MixInstruct": mixinstruct,
    "LLMRouterBench": llmrouterbench,
    "RouterArena": routerarena,
    "AlpacaEval": alpacaeval,
    "MT-Bench": mtbench,
    "HumanEval": codetests("HumanEval"),
    "MBPP": codetests("MBPP"),
}
NO_COSTS = ("RouterEval",)
JUDGED_BY_TESTS = ("HumanEval", "MBPP")


def benchmark_of(rows: Iterable[EvaluationRow]) -> str:
    """Return the benchmark that all rows are from, an empty text where there is none."""
    names = {row.benchmark for row in rows}
    return names.pop() if len(names) == 1 else ""


def without_foreign_figures(router: Router, rows: Iterable[EvaluationRow]) -> Router:
    """Leave out the figures over dollars where the benchmark has no costs."""
    return router.without(AIQ, ZERO_AIQ) if benchmark_of(rows) in NO_COSTS else router


def as_published(run: BenchmarkRun) -> Published | None:
    """Return the figures of the benchmark that the rows are from, None for other rows."""
    metrics = METRICS.get(benchmark_of(run.rows))
    return metrics(run) if metrics is not None else None


def refuse_unjudged(rows: Sequence[EvaluationRow], how: Grading) -> None:
    """Raise Mistakes (E504) where only tests can judge, and neither results nor a grader are there.

    A grader that compares answers with references is none for these rows, which have no references.
    """
    benchmark = benchmark_of(rows)
    if benchmark not in JUDGED_BY_TESTS:
        return
    if any(not how.grader_of(row).compares for row in rows) or any(
        outcome.get("passed") for row in rows for outcome in row.recorded.values()
    ):
        return
    advice = (
        "give a folder with the tasks and rows of `task_id`, `completion` and `passed`, or "
        "`--how 'tests(\"{{ fields.test }}\\ncheck({{ fields.entry_point }})\")'`, which runs them"
    )
    message = BY_TESTS.format(benchmark=benchmark)
    raise Mistakes([Diagnostic("E504", message.rstrip("."), help=advice)])
