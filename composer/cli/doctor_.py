"""`compose doctor`: versions, devices, threads, the zoo, keys and caches, and what is wrong."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from composer.cli.common import RecipeReader, json_option, recipe_options
from composer.cli.common import as_json as to_json
from composer.cli.endpoints import endpoint_lines, examine_endpoints
from composer.cli.status import EXIT_MISTAKES
from composer.cli.terminal import err, out
from composer.diagnostics.amounts import counted

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from composer.cli.health import Health

Row = tuple[str, str]


@click.command()
@click.option(
    "--measure", is_flag=True, help="Measure the time of decode steps, and save it for plans."
)
@click.argument("recipe", required=False, type=click.Path(path_type=Path))
@recipe_options
@json_option
def command(recipe: Path | None, reading: RecipeReader, *, measure: bool, as_json: bool) -> int:
    """Look at versions, devices, caches and keys, and say what to do about problems.

    With a RECIPE, ask the servers of its models what they give instead, by a few tiny requests,
    and keep that: runs and checks of the recipe go by it. To ask anew, do it again.

    Of keys only the names are told. `--measure` saves its times in the user's cache folder:
    timings.json in ~/.cache/ensemble-composer, or below XDG_CACHE_HOME. What is kept there is
    bounded by COMPOSE_CACHE_SIZE (answers) and COMPOSE_MERGED_SIZE (merged models).
    """
    from composer.cli.health import examine

    if measure and recipe is not None:
        raise click.UsageError("--measure looks at this machine: leave out the recipe")
    health = examine() if recipe is None else examine_endpoints(lambda: reading.load(recipe))
    if measure:
        health.sections["timings"] = _measured()
    if as_json:
        out(to_json(health.as_dict()), as_json=True)
    else:
        out("\n".join(_lines(health)))
    return EXIT_MISTAKES if health.problems else 0


def _measured() -> dict[str, object]:
    from composer.cli.timing import measure, save

    timings = measure(lambda device: err(f"measuring {device}"))
    return {"file": str(save(timings)), **timings}


def _lines(health: Health) -> Iterator[str]:
    """Write each section that could be looked at, then the problems."""
    writers: dict[str, Callable[[Any], Iterator[Row]]] = {
        "versions": _versions,
        "devices": _devices,
        "threads": _threads,
        "zoo": _zoo,
        "environment": _environment,
        "caches": _caches,
        "sandbox": _sandbox,
        "timings": _timings,
        "endpoints": endpoint_lines,
    }
    for name, write in writers.items():
        section = health.sections.get(name)
        if section is not None:
            yield name
            yield from _table(list(write(section)))
            yield ""
    if not health.problems:
        yield "no problems"
        return
    yield "problems"
    for problem in health.problems:
        yield f"  {problem.what}"
        yield f"    = help: {problem.remedy}"


def _versions(versions: dict[str, str | None]) -> Iterator[Row]:
    for name, version in versions.items():
        yield name, version or "not installed"


def _devices(devices: list[dict[str, Any]]) -> Iterator[Row]:
    for device in devices:
        memory = f"{_size(device['free'])} free of {_size(device['total'])}"
        yield device["name"], f"{device['kind']}, {memory}"


def _threads(threads: dict[str, int]) -> Iterator[Row]:
    yield "torch", f"{threads['torch']} on {counted(threads['cores'], 'core')}"


def _zoo(zoo: dict[str, Any]) -> Iterator[Row]:
    yield "models", ", ".join(zoo["models"])
    answer = zoo["answer"]
    outcome = f"answers {answer!r}" if answer else "does not answer"
    yield zoo["asked"], f"{outcome} in {zoo['seconds']} s"


def _environment(variables: dict[str, bool]) -> Iterator[Row]:
    for name, is_set in variables.items():
        yield name, "set" if is_set else "not set"


def _caches(caches: list[dict[str, Any]]) -> Iterator[Row]:
    for cache in caches:
        size = "nothing yet" if cache["bytes"] is None else _size(cache["bytes"])
        most = "" if cache["bound"] is None else f" of {_size(cache['bound'])} at most"
        yield cache["name"], f"{cache['path']}  {size}{most}"
    yield "to empty one", "delete it; only time is lost"


def _sandbox(walls: dict[str, str | None]) -> Iterator[Row]:
    for name, why in walls.items():
        yield name, "held" if why is None else f"cannot be held: {why}"


def _timings(timings: dict[str, Any]) -> Iterator[Row]:
    yield "saved in", timings["file"]
    for device, times in timings["devices"].items():
        steps = ", ".join(f"{n}: {1e3 * t:.2f}" for n, t in times["decode"].items())
        yield device, f"ms for a step, by rows: {steps}"
        yield "", f"ms for a step of two members: {1e3 * times['shared_step']:.2f}"


def _table(rows: list[Row]) -> Iterator[str]:
    width = max((len(name) for name, _ in rows), default=0)
    for name, value in rows:
        yield f"  {name:<{width}}  {value}".rstrip()


def _size(count: int | None) -> str:
    from composer.compiler.plan.describe import size_text

    return "unknown" if count is None else size_text(count)
