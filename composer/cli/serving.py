"""What `compose serve` reads and tells: names of models, addresses, requests, its end."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote

import click

from composer.cli.ray_option import planned_for
from composer.cli.status import EXIT_PARTLY
from composer.cli.terminal import err
from composer.diagnostics.amounts import cost_text, counted, in_dollars, in_seconds
from composer.diagnostics.secrets import starred

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from composer.cli.common import RecipeReader
    from composer.recipe import Recipe
    from composer.serve.opening import OpenServer
    from composer.serve.served import Registry
    from composer.serve.settings import Settings
    from composer.serve.visits import Visit

__all__ = ["RequestLog", "announce", "read_served", "tell_end", "tell_stop"]

NAME = re.compile(r"[\w.:-]+(/[\w.:-]+)*")
"""Names of served models."""

PATH_SIGNS = "/:@!$&'()*+,;="
"""The signs of a path that a line of the log has as they are; a new line is `%0A` there."""


def read_served(
    recipes: Sequence[str],
    reading: RecipeReader,
    *,
    models: bool,
    seed: int,
    ray: str | None = None,
) -> dict[str, Recipe]:
    """Read recipes, and those that are their models; return them by the names that they get.

    A file of models without an answer is served by its models only. All are planned, for this
    machine or for a cluster.
    """
    named = _named(recipes)
    served: dict[str, Recipe] = {}
    for (name, path), recipe in zip(
        named.items(), reading.read_all(list(named.values()), seed=seed), strict=True
    ):
        if not models or recipe.compiled.answer is not None:
            served[name] = planned_for(recipe, ray)
        for model in recipe.compiled.models if models else ():
            alone = reading.load(path, seed=seed, answer=model, unmatched=[])
            served[f"{name}/{model}"] = alone if ray is None else alone.for_cluster()
    return served


def _named(recipes: Sequence[str]) -> dict[str, Path]:
    """Return the recipes by their names: `NAME=RECIPE`, or the stem of the file."""
    named: dict[str, Path] = {}
    for argument in recipes:
        name, sign, path = argument.partition("=")
        if not sign or Path(argument).exists():
            name, path = Path(argument).stem, argument
        if not NAME.fullmatch(name):
            raise click.UsageError(
                f"`{name}` is no name for a model: use letters, digits, and `-_.:/` between them, "
                f"as in `fusion={path}`"
            )
        if name in named:
            raise click.UsageError(
                f"two recipes are named `{name}`: give one another name, as in `other={path}`"
            )
        named[name] = Path(path)
    return named


def announce(registry: Registry, treatment: Settings, address: str) -> None:
    """Say what is served, and where."""
    names = ", ".join(f"`{name}`" for name in registry.models)
    err(f"serving {names} at {address}/v1")
    if treatment.page:
        err(f"the page is at {address}/")
    err(
        "each request needs the key"
        if treatment.key
        else "without a key: only this machine may ask"
    )


def tell_stop(requests: int) -> None:
    """Say how many requests are to be finished."""
    err(f"stopping: {counted(requests, 'request')} to finish" if requests else "stopping")


def tell_end(opened: OpenServer, cut_off: int, grace: float) -> int:
    """Say what was spent, and what was not finished; return the exit status."""
    if opened.budget is not None:
        err(f"spent {cost_text(opened.budget.spent)} of {in_dollars(opened.budget.dollars)}")
    if not cut_off:
        return 0
    err(f"{counted(cut_off, 'request')} ended with an error after {in_seconds(grace)} of grace")
    return EXIT_PARTLY


class RequestLog:
    """Writes a line for each request: never keys or texts."""

    def arrive(self, visit: Visit, headers: Mapping[bytes, bytes]) -> None:
        """See a request begin, which is written when it ends."""

    def leave(self, visit: Visit, status: int) -> None:
        """Write the line of a request."""
        tokens = "" if visit.tokens is None else f", {counted(visit.tokens, 'token')}"
        model = f" {visit.model}" if visit.model else ""
        path = quote(starred(visit.path)[:200], safe=PATH_SIGNS)
        err(f"{visit.method} {path}{model} {status}, {visit.seconds:.3f} s{tokens}")
