"""What `compose doctor RECIPE` looks at: the servers of a recipe's models, asked anew."""

from __future__ import annotations

from dataclasses import asdict
from textwrap import wrap
from typing import TYPE_CHECKING, Any

from composer.cli.health import Health, HealthProblem
from composer.diagnostics import Mistakes
from composer.specs import Remote

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from composer.compiler.graph import Node
    from composer.recipe import Recipe
    from composer.values import ModelError

__all__ = ["EndpointRow", "endpoint_lines", "examine_endpoints"]

WIDTH = 84
"""Characters of a line, behind the names of the table."""

EndpointRow = dict[str, Any]


def examine_endpoints(load: Callable[[], Recipe]) -> Health:
    """Ask the servers of a recipe what they give; what they lack of its needs is a problem."""
    from composer.backends.endpoint.probing.kept_abilities import unread
    from composer.compiler.graph import check_again
    from composer.run.exploring import explore

    with unread():  # a recipe is to be read although its servers were found to lack something
        recipe = load()
    health, models = Health(), recipe.compiled.models.values()
    failures = explore(models, anew=True)
    for errors in failures.values():
        health.problems += (HealthProblem(each.message, each.help) for each in errors.values())
    try:
        check_again(recipe.compiled)
    except Mistakes as mistakes:
        wrong = (each for each in mistakes.diagnostics if each.severity == "error")
        for each in wrong:
            notes = "; ".join(note.label for note in each.notes)
            what = f"{each.message}: {notes}" if notes else each.message
            health.problems.append(HealthProblem(what, each.help))
    rows = [row for node in models for row in _rows(node, failures.get(node, {}))]
    health.sections["endpoints"] = rows
    return health


def _rows(node: Node, errors: Mapping[str, ModelError]) -> Iterator[EndpointRow]:
    if isinstance(node.declaration, Remote):
        for facts in node.declaration.servers:
            error = errors.get(facts.address)
            reachable = error is None or not error.transient
            told = {"reachable": reachable, "error": error and error.message}
            yield {"name": node.title, **told, **asdict(facts)}


def endpoint_lines(rows: list[EndpointRow]) -> Iterator[tuple[str, str]]:
    """Write a table for each address of a model."""
    if not rows:
        yield "none", "no model of the recipe is behind a server"
    for at, row in enumerate(rows):
        yield from (("", ""),) * bool(at)
        yield str(row["name"]), f"{row['model']} at {row['address']}"
        without = ", but it cannot be used" if row["error"] else ""
        yield "reachable", f"yes{without}" if row["reachable"] else "no"
        if not row["date"]:
            continue
        version = f", version {row['version']}" if row["version"] else ""
        yield "asked", f"on {row['date']}, by {row['requests']} requests{version}"
        for name in ("gives", "lacks", "unknown"):
            lines = wrap(", ".join(row[name]), WIDTH)
            yield from zip((name, *[""] * len(lines)), lines, strict=False)
