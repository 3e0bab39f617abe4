"""`compose serve`: recipes as models of a server that speaks the OpenAI protocol."""

from __future__ import annotations

import gc
import os
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING

import click

from composer.cli.asking_options import budget_option
from composer.cli.common import (
    Amount,
    RecipeReader,
    need_extra,
    recipe_options,
    show_diagnostics,
)
from composer.cli.ray_option import cluster_at, ray_option
from composer.cli.serving import RequestLog, announce, read_served, tell_end, tell_stop
from composer.cli.serving_options import KEY_VARIABLE, serving_options
from composer.cli.terminal import err

if TYPE_CHECKING:
    from collections.abc import Iterator

    from composer.serve.opening import OpenServer
    from composer.serve.settings import Settings
    from composer.serve.telemetry import Telemetry
    from composer.serve.visits import Monitor

COLLECT = (20_000, 4, 8)
"""How many new objects there are between searches for garbage; what stays is not searched."""

OTEL_VARIABLES = ("OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT")
"""Variables of the environment that say where spans go."""


@click.command()
@click.argument("recipes", nargs=-1, required=True, metavar="[NAME=]RECIPE...")
@recipe_options
@click.option("--host", default="127.0.0.1", show_default=True, help="The address to listen at.")
@click.option(
    "--port",
    type=click.IntRange(0, 65535),
    default=8000,
    show_default=True,
    help="The port to listen at; with 0 a free one.",
)
@click.option("--models", is_flag=True, help="Serve each model of a recipe too, as RECIPE/MODEL.")
@serving_options
@budget_option
@ray_option
@click.option(
    "--cache/--no-cache",
    default=False,
    help="Keep answers on disk, and do not make them twice. Default: no.",
)
@click.option("--lazy", is_flag=True, help="Load each model when a request first needs it.")
@click.option(
    "--grace",
    type=Amount(min=0),
    default=30,
    show_default=True,
    metavar="SECONDS",
    help="At the end, the time to finish what was accepted.",
)
@click.option(
    "--otel",
    is_flag=True,
    help="Send spans of OpenTelemetry, one for each request, step and call.",
)
@click.option("--otel-texts", is_flag=True, help="Write prompts and answers into the spans.")
@click.option("--log", is_flag=True, help="Write a line for each request to stderr.")
def command(
    recipes: tuple[str, ...],
    reading: RecipeReader,
    treatment: Settings,
    host: str,
    port: int,
    budget: float | None,
    ray: str | None,
    grace: float,
    *,
    models: bool,
    cache: bool,
    lazy: bool,
    otel: bool,
    otel_texts: bool,
    log: bool,
) -> int:
    """Serve recipes over HTTP, each as one model of the OpenAI protocol.

    A recipe is served under the name of its file, or under NAME.
    """
    for package in ("fastapi", "uvicorn", "prometheus_client"):
        need_extra("a server", "serve", package)
    from composer.serve.app import create_app
    from composer.serve.guards import is_loopback
    from composer.serve.lifecycle import Lifecycle, Stage
    from composer.serve.listening import Listener, address_of, listen
    from composer.serve.opening import open_server

    if treatment.key is None and not is_loopback(host):
        raise click.UsageError(
            f"with `--host {host}` other machines can ask, and there is no key: set one in "
            f"{KEY_VARIABLE}, or listen at 127.0.0.1"
        )
    seed = treatment.seed or 0
    loaded = read_served(recipes, reading, models=models, seed=seed, ray=ray)
    with ExitStack() as stack:
        socket = stack.enter_context(listen(host, port))
        telemetry = stack.enter_context(_telemetry(wanted=otel or otel_texts, texts=otel_texts))
        opened = stack.enter_context(
            open_server(
                loaded,
                treatment,
                budget=budget,
                cache=cache,
                loading=lambda name: err(f"loading {name}"),
                warn=lambda each: show_diagnostics([each]),
                telemetry=telemetry,
                cluster=stack.enter_context(cluster_at(ray)),
            )
        )
        lifecycle = Lifecycle(Stage.LOADING)
        monitors: list[Monitor] = [
            each for each in (telemetry, RequestLog() if log else None) if each
        ]
        app = create_app(opened.registry, treatment, lifecycle, opened.metrics, monitors)
        listener = Listener(
            app,
            lifecycle,
            grace,
            prepare=lambda: _prepare(opened, lazy=lazy),
            on_ready=lambda: err("ready"),
            on_stop=tell_stop,
        )
        announce(opened.registry, treatment, address_of(host, socket))
        listener.serve(host, socket)
        return tell_end(opened, listener.cut_off, grace)


def _prepare(opened: OpenServer, *, lazy: bool) -> None:
    """Load models, and let the search for garbage leave alone what stays until the end."""
    if not lazy:
        opened.load()
    gc.collect()
    gc.freeze()
    gc.set_threshold(*COLLECT)


@contextmanager
def _telemetry(*, wanted: bool, texts: bool) -> Iterator[Telemetry | None]:
    """Send spans if they are wanted here or by the environment."""
    if not wanted and not any(os.environ.get(each) for each in OTEL_VARIABLES):
        yield None
        return
    need_extra("telemetry", "telemetry", "opentelemetry.sdk")
    from composer.serve.telemetry import exporting

    with exporting(texts=texts, fail=lambda text: err(f"warning: {text}")) as telemetry:
        yield telemetry
