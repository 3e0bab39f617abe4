"""Opening the recipes of a server, with all that they share."""

from __future__ import annotations

from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

from composer.run.budget import RunBudget
from composer.run.engine_host import EngineHost
from composer.serve.admission import Admission
from composer.serve.metrics import Metrics
from composer.serve.served import Registry, ServedModel
from composer.values.errors import ModelError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from composer.diagnostics import Diagnostic
    from composer.recipe import Recipe
    from composer.run.cluster import Cluster
    from composer.serve.settings import Settings
    from composer.serve.telemetry import Telemetry

__all__ = ["OpenServer", "open_server"]


@dataclass(frozen=True, eq=False)
class OpenServer:
    """The models of a server, its figures, and the budget that they share, if there is one."""

    registry: Registry
    metrics: Metrics
    budget: RunBudget | None

    def load(self) -> None:
        """Load all models and tokenizers that are in this process; raises Failure for a model."""
        for served in self.registry.models.values():
            served.ensemble.load()
            with suppress(ModelError):  # a request that needs the tokenizer is told
                _ = served.tokenizer  # read now, and not when a request needs it


@contextmanager
def open_server(  # noqa: PLR0913 - what it is opened with
    recipes: Mapping[str, Recipe],
    settings: Settings,
    *,
    budget: float | None = None,
    cache: bool = False,
    loading: Callable[[str], None] | None = None,
    warn: Callable[[Diagnostic], None] | None = None,
    telemetry: Telemetry | None = None,
    cluster: Cluster | None = None,
) -> Iterator[OpenServer]:
    """Make recipes ready to be served under their names, and close them at the end.

    They share one engine, so that equal models are in memory once, and the `budget` in dollars. On
    a `cluster` each has pools of its own.
    Raises Mistakes, as `Recipe.ready` does.
    """
    shared = None if budget is None else RunBudget(budget)
    admission = Admission(settings.concurrency, settings.queue)
    metrics = Metrics(admission, shared)
    host = EngineHost(loading, keep=cache)
    with ExitStack() as stack:
        stack.callback(host.close)
        models = {}
        for name, recipe in recipes.items():
            ensemble = stack.enter_context(
                recipe.ready(cache=cache, budget=shared, warn=warn, engine=host, cluster=cluster)
            )
            models[name] = ServedModel(
                name, recipe, ensemble, settings, admission, metrics, telemetry
            )
        yield OpenServer(Registry(models), metrics, shared)
