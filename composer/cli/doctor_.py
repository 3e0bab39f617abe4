"""`compose doctor`: versions, devices, threads, the zoo, keys and caches, and what is wrong."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from composer.cli.common import DataFile, RecipeReader, json_option, recipe_options
from composer.cli.common import as_json as to_json
from composer.cli.endpoints import endpoint_lines, examine_endpoints
from composer.cli.status import EXIT_MISTAKES
from composer.cli.terminal import err, out
from composer.diagnostics.amounts import counted

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from composer.cli.health import Health
    from composer.recipe import Recipe
    from composer.specs import Checkpoint
    from composer.values.timings import Agreement, Timings

Row = tuple[str, str]


@click.command()
@click.option(
    "--measure", is_flag=True, help="Measure the time of forward passes, and save it for plans."
)
@click.option(
    "--data",
    type=DataFile(),
    help="With --measure: how often members of fuses agree on the questions of this file.",
)
@click.argument("recipe", required=False, type=click.Path(path_type=Path))
@recipe_options
@json_option
def command(
    recipe: Path | None,
    reading: RecipeReader,
    data: Path | None,
    *,
    measure: bool,
    as_json: bool,
) -> int:
    """Look at versions, devices, caches and keys, and say what to do about problems.

    With a RECIPE, ask the servers of its models what they give instead, by a few tiny requests,
    and keep that: runs and checks of the recipe go by it. To ask anew, do it again.

    `--measure` times the forward passes of the models of a RECIPE that would be in memory, and asks
    no server; without a RECIPE, those of the models of the zoo. Rules and placement go by these
    times. They are saved in the user's cache folder: timings.json in ~/.cache/ensemble-composer, or
    below XDG_CACHE_HOME.

    With `--data` it also counts, for each fuse of the recipe that could draft, how many drafted
    tokens are accepted on the first 40 questions. Drafts are turned on by that.

    Of keys only the names are told. What is kept in the cache folder is bounded by
    COMPOSE_CACHE_SIZE (answers) and COMPOSE_MERGED_SIZE (merged models).
    """
    from composer.cli.health import Health, examine

    if data is not None and (recipe is None or not measure):
        raise click.UsageError("--data needs --measure and a recipe")
    if recipe is None:
        health = examine()
        health.sections["timings"] = _measured(_zoo_models) if measure else _saved()
    elif measure:
        health = Health({"timings": _of_recipe(reading.load(recipe), data)})
    else:
        health = examine_endpoints(lambda: reading.load(recipe))
    if as_json:
        out(to_json(health.as_dict()), as_json=True)
    else:
        out("\n".join(_lines(health)))
    return EXIT_MISTAKES if health.problems else 0


def _zoo_models() -> Iterable[Checkpoint]:
    from composer.cli.timing import zoo_models

    return zoo_models()


def _measured(
    models: Callable[[], Iterable[Checkpoint]],
    agreements: Callable[[Timings], tuple[Agreement, ...]] = lambda _: (),
) -> dict[str, object]:
    """Time models, then how their fuses draft; save that, and return all that is saved."""
    from composer.cli.timing import measure, save

    file, timings = save(measure(models(), err))
    if found := agreements(timings):
        file, timings = save((), found)
    return {"file": str(file), "why": "", **timings.model_dump(mode="json")}


def _of_recipe(recipe: Recipe, data: Path | None) -> dict[str, object]:
    """Time the models of a recipe, and with a data file how often they agree, and drafts."""
    from composer.cli.agreeing import measure_agreement
    from composer.evaluate import read_rows

    rows = [] if data is None else read_rows(data)

    def agreements(timings: Timings) -> tuple[Agreement, ...]:
        return () if data is None else measure_agreement(recipe, rows, data.name, timings, err)

    return _measured(lambda: recipe.loaded_models, agreements)


def _saved() -> dict[str, object]:
    """Return the timings that are saved, or why there are none to be used."""
    from composer.values.timings import read_timings

    saved = read_timings()
    found = {} if saved.timings is None else saved.timings.model_dump(mode="json")
    return {"why": saved.why, **found}


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
    if timings["why"]:
        yield "not used", timings["why"]
    if "file" in timings:
        yield "saved in", timings["file"]
    for each in timings.get("shapes", ()):
        yield each["name"], f"on {each['device']}, ms for a token, by rows: {_ms(each['decode'])}"
        for rows, seconds in each["verify"].items():
            yield "", f"ms for a pass of {counted(int(rows), 'row')}, by tokens: {_ms(seconds)}"
        for members, times in each["stacked"].items():
            yield "", f"{members} stacked members: {_faster(times)}"
    yield from _agreements(timings.get("agreements", []))


def _agreements(agreements: list[dict[str, Any]]) -> Iterator[Row]:
    for each in agreements:
        judged = f"of {counted(each['tokens'], 'drafted token')} on {each['data']}"
        yield f"fuse {each['fuse']}", f"{each['lead']:.2f} accepted of the lead's, {judged}"


def _faster(times: dict[str, dict[str, float]]) -> str:
    """Say how many times faster stacked members are, by the rows of each."""
    found = {int(rows): each["apart"] / each["seconds"] for rows, each in times.items()}
    return ", ".join(f"{x:.2f} times faster with {counted(n, 'row')}" for n, x in found.items())


def _ms(seconds: dict[str, float]) -> str:
    return ", ".join(f"{count}: {1e3 * each:.2f}" for count, each in seconds.items())


def _table(rows: list[Row]) -> Iterator[str]:
    width = max((len(name) for name, _ in rows), default=0)
    for name, value in rows:
        yield f"  {name:<{width}}  {value}".rstrip()


def _size(count: int | None) -> str:
    from composer.diagnostics.amounts import size_text

    return "unknown" if count is None else size_text(count)
