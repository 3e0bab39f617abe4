"""The figure of HumanEval (arXiv:2107.03374) and MBPP: pass@k from recorded results."""

from __future__ import annotations

from math import comb
from typing import TYPE_CHECKING

from composer.evaluate.benchmarks.figures import MAIN, Figures, Published, average

if TYPE_CHECKING:
    from collections.abc import Callable

    from composer.evaluate.benchmarks.run import BenchmarkRun

__all__ = ["BY_TESTS", "codetests", "pass_at_k"]

K = (1, 10, 100)
BY_TESTS = (
    "Answers to {benchmark} are judged by running its tests. pass@k counts recorded results only; "
    "to run the tests of the rows, give `--how 'tests(...)'`."
)


def pass_at_k(samples: int, passed: int, k: int) -> float:
    """Return the unbiased estimate of pass@k: 1 - C(n - c, k) / C(n, k), of n samples, c passed."""
    return 1 - comb(samples - passed, k) / comb(samples, k)


def codetests(benchmark: str) -> Callable[[BenchmarkRun], Published]:
    """Return the figures of a benchmark whose answers are judged by tests."""

    def figures(run: BenchmarkRun) -> Published:
        """Average pass@k over the tasks, for each k of which every task has as many samples."""
        verdicts = {label: run.facts(label, "passed") for label in run.answers}
        most = max((len(each) for rows in verdicts.values() for each in rows.values()), default=1)
        ks = [k for k in K if k <= max(most, 1)]
        columns = {"samples a task": "count", **{f"pass@{k}": "share" for k in ks}}
        rows = {label: _row(list(each.values()), ks) for label, each in verdicts.items()}
        notes = (BY_TESTS.format(benchmark=benchmark),)
        return Published(benchmark, (Figures(MAIN, columns, rows),), notes)

    return figures


def _row(verdicts: list[list[bool]], ks: list[int]) -> tuple[float | None, ...]:
    verdicts = [each for each in verdicts if each]
    fewest = min(map(len, verdicts), default=0)
    rates = [
        average([pass_at_k(len(each), sum(each), k) for each in verdicts]) if k <= fewest else None
        for k in ks
    ]
    return (float(fewest) if verdicts else None, *rates)
