"""Figures of a server for Prometheus: requests, tokens, seconds, dollars, by model and member."""

from __future__ import annotations

from typing import TYPE_CHECKING

from prometheus_client import CollectorRegistry, Counter, Histogram, generate_latest
from prometheus_client.core import GaugeMetricFamily

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from composer.run import Result
    from composer.run.budget import RunBudget
    from composer.serve.admission import Admission
    from composer.serve.visits import Visit

__all__ = ["CONTENT_TYPE", "Metrics"]

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"

SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 25, 60, 120, 300)
"""The bounds of histograms of seconds."""


class Metrics:
    """Counts what a server does, in a registry of its own."""

    def __init__(self, admission: Admission, budget: RunBudget | None = None) -> None:
        self.registry = CollectorRegistry()
        self._requests = self._counter("requests", "Requests.", "model", "status")
        self._queries = self._counter("queries", "Queries that have ended.", "model", "error")
        self._calls = self._counter("calls", "Calls of members.", "model", "member")
        self._read = self._counter("prompt_tokens", "Tokens that were read.", "model", "member")
        self._written = self._counter(
            "completion_tokens", "Tokens that were written.", "model", "member"
        )
        self._dollars = self._counter("dollars", "Dollars that were spent.", "model", "member")
        self._failed = self._counter(
            "failed_branches", "Branches without an answer.", "model", "branch"
        )
        self._cached = self._counter("cached_calls", "Calls answered from the cache.", "model")
        self._first = self._histogram("first_token_seconds", "From a request to its first text.")
        self._whole = self._histogram("request_seconds", "From a request to the end of its reply.")
        self.registry.register(_Gauges(admission, budget))

    def arrive(self, visit: Visit, headers: Mapping[bytes, bytes]) -> None:
        """See a request begin, which is counted when it ends."""

    def leave(self, visit: Visit, status: int) -> None:
        """Count a request whose reply has ended."""
        self._requests.labels(visit.model, str(status)).inc()
        if visit.model:
            self._whole.labels(visit.model).observe(visit.seconds)
            if visit.first_text is not None:
                self._first.labels(visit.model).observe(visit.first_text)

    def count(self, model: str, result: Result | None, code: str = "") -> None:
        """Count a query: what its members took, and the code of its error, if it has one."""
        self._queries.labels(model, code).inc()
        if result is None:
            return
        for member, usage in result.members.items():
            self._calls.labels(model, member).inc(usage.calls)
            self._read.labels(model, member).inc(usage.prompt_tokens)
            self._written.labels(model, member).inc(usage.completion_tokens)
            self._dollars.labels(model, member).inc(usage.cost)
        for branch in result.failed:
            self._failed.labels(model, branch.branch).inc()
        events = () if result.trace is None else result.trace.events
        cached = sum(call.cached for event in events for call in event.asked)
        if cached:
            self._cached.labels(model).inc(cached)

    def text(self) -> bytes:
        """Return all figures as Prometheus reads them."""
        return generate_latest(self.registry)

    def _counter(self, name: str, text: str, *labels: str) -> Counter:
        return Counter(f"compose_{name}", text, labels, registry=self.registry)

    def _histogram(self, name: str, text: str) -> Histogram:
        return Histogram(
            f"compose_{name}", text, ("model",), registry=self.registry, buckets=SECONDS
        )


class _Gauges:
    """What is so at this moment, read when somebody asks."""

    def __init__(self, admission: Admission, budget: RunBudget | None) -> None:
        self._admission, self._budget = admission, budget

    def collect(self) -> Iterable[GaugeMetricFamily]:
        """Yield the gauges."""
        running = GaugeMetricFamily("compose_running", "Queries that run.", labels=["model"])
        waiting = GaugeMetricFamily("compose_waiting", "Queries that wait.", labels=["model"])
        for model, runs, waits in self._admission.counts():
            running.add_metric([model], runs)
            waiting.add_metric([model], waits)
        yield from (running, waiting)
        if self._budget is not None:
            yield GaugeMetricFamily("compose_budget_dollars", "The budget.", self._budget.dollars)
            yield GaugeMetricFamily(
                "compose_budget_spent_dollars", "Spent of it.", self._budget.spent
            )
