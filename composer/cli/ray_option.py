"""The option `--ray`: models run on a cluster that Ray joins."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

import click

from composer.cli.common import show_diagnostics

if TYPE_CHECKING:
    from collections.abc import Iterator

    from composer.cluster.cluster import Cluster
    from composer.diagnostics import Diagnostic
    from composer.recipe import Recipe

__all__ = ["cluster_at", "planned_for", "ray_option"]

ray_option = click.option(
    "--ray",
    metavar="local|ADDRESS",
    help="Run the models on the Ray cluster at this address, or on one that is started here.",
)


def planned_for(recipe: Recipe, address: str | None) -> Recipe:
    """Plan a recipe for a cluster, or for this machine where no address is given."""
    recipe = recipe if address is None else recipe.for_cluster()
    recipe.plan()
    return recipe


@contextmanager
def cluster_at(address: str | None) -> Iterator[Cluster | None]:
    """Connect to the cluster at an address, and leave it at the end; without one there is none."""
    if address is None:
        yield None
        return
    from composer.cluster.cluster import Cluster

    def warn(diagnostic: Diagnostic) -> None:
        show_diagnostics([diagnostic])

    with Cluster.connect(address, warn=warn) as cluster:
        yield cluster
