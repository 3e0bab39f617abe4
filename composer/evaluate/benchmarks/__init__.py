"""The figures that published benchmarks define, beside those of every evaluation.

One file a benchmark turns a `BenchmarkRun` into a `Published`; `METRICS` names it by the benchmark
that the reader of the rows named. `run` gathers what a recipe and its members gave, `figures` holds
and draws the tables.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from composer.diagnostics import Diagnostic, Mistakes
from composer.evaluate.benchmarks.alpacaeval import alpacaeval
from composer.evaluate.benchmarks.codetests import NO_SANDBOX, codetests
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

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

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
JUDGED_BY_TESTS = ("HumanEval", "MBPP")


def benchmark_of(rows: Iterable[EvaluationRow]) -> str:
    """Return the benchmark that all rows are from, an empty text where there is none."""
    names = {row.benchmark for row in rows}
    return names.pop() if len(names) == 1 else ""


def as_published(run: BenchmarkRun) -> Published | None:
    """Return the figures of the benchmark that the rows are from, None for other rows."""
    metrics = METRICS.get(benchmark_of(run.rows))
    return metrics(run) if metrics is not None else None


def refuse_unjudged(rows: Iterable[EvaluationRow]) -> None:
    """Raise Mistakes where answers can only be judged by tests, and no result was recorded."""
    rows = list(rows)
    benchmark = benchmark_of(rows)
    if benchmark not in JUDGED_BY_TESTS:
        return
    if any(outcome.get("passed") for row in rows for outcome in row.recorded.values()):
        return
    advice = "give a folder with the tasks and rows of `task_id`, `completion` and `passed`"
    message = NO_SANDBOX.format(benchmark=benchmark)
    raise Mistakes([Diagnostic("E504", message.rstrip("."), help=advice)])
