"""`compose build`: the models that a recipe derives from others, as checkpoints."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import click

from composer.cli.common import RecipeReader, json_option, recipe_argument, recipe_options
from composer.cli.common import as_json as to_json
from composer.cli.derived import DerivedModel, chosen, derived_models
from composer.cli.terminal import err, out
from composer.compiler.graph import topological
from composer.diagnostics import Mistakes
from composer.diagnostics.amounts import bytes_of, counted, size_text
from composer.diagnostics.near_names import did_you_mean

if TYPE_CHECKING:
    from composer.diagnostics import Diagnostic
    from composer.engine.weights.building import Build
    from composer.recipe import Recipe


class Size(click.ParamType[int]):
    """A number of bytes, such as `500 MB`."""

    name = "size"

    def convert(self, value: str, param: click.Parameter | None, ctx: click.Context | None) -> int:
        """Return the bytes."""
        size = bytes_of(value)
        if not size:
            self.fail(f"{value!r} is not a size: write it like `2 GB`", param, ctx)
        return size


@click.command()
@recipe_argument
@click.option(
    "--out",
    "folder",
    type=click.Path(path_type=Path),
    metavar="DIR",
    help="Write one model as a checkpoint into this folder, which must be new or empty.",
)
@click.option(
    "--model",
    metavar="NAME",
    help="Which model: the name of a `let`, or an expression such as `merge(A, B)`. Default: the "
    "one that answers.",
)
@click.option(
    "--shard-size",
    "shard",
    type=Size(),
    metavar="SIZE",
    help="With --out: the largest size of a file of weights. Default: 5 GB, as in transformers.",
)
@recipe_options
@json_option
def command(
    recipe: Path,
    reading: RecipeReader,
    folder: Path | None,
    model: str | None,
    shard: int | None,
    *,
    as_json: bool,
) -> None:
    """Build the models that a recipe derives from others, such as merges.

    Without --out all of them are built in the cache folder, where a run finds them. With --out
    one is written as a checkpoint that transformers loads.
    """
    loaded = _read(reading, recipe, model)
    models = derived_models(loaded)
    if folder is None:
        told = [_in_cache(each) for each in models]
    else:
        one = chosen(models, loaded)
        needed = set(topological(one.node))
        for each in models:
            if each.model.trained and each.node in needed:
                _trained(each)
        told = [_written(one, loaded, folder, shard)]
    lines = [_line(each) for each in told]
    out(to_json({"version": 1, "built": told}) if as_json else "\n".join(lines), as_json=as_json)


def _read(reading: RecipeReader, path: Path, model: str | None) -> Recipe:
    """Read a recipe, or its model of this name as if that were its answer, with the fit beside."""
    if model is None:
        return reading.read(path)
    whole = reading.read(path)
    try:
        lone = reading.load(path, answer=model)
    except Mistakes as mistakes:
        raise Mistakes([_among_models(each, whole) for each in mistakes.diagnostics]) from None
    return replace(lone, path=whole.path)


def _among_models(mistake: Diagnostic, whole: Recipe) -> Diagnostic:
    """Return the mistake of an unknown name with the names of the recipe's models for a help."""
    if mistake.code != "E201" or mistake.place is None:
        return mistake
    names = [*whole.compiled.models]
    with suppress(click.UsageError):
        names += [each.text for each in derived_models(whole) if each.text.isidentifier()]
    return replace(mistake, help=did_you_mean(mistake.place.text, names))


def _in_cache(each: DerivedModel) -> dict[str, object]:
    """Build a model in the cache folder, where the models that it is made of are."""
    from composer.engine.weights.building import build_in_cache

    return _told(each, _trained(each) if each.model.trained else build_in_cache(each.model))


def _trained(each: DerivedModel) -> Build:
    """Train a model in the cache folder."""
    from composer.build.trainers import train_model

    return train_model(each.model, err)


def _written(
    each: DerivedModel, recipe: Recipe, folder: Path, shard: int | None
) -> dict[str, object]:
    """Write a model into a folder."""
    from composer.engine.weights.building import export
    from composer.engine.weights.readme import readme
    from composer.engine.weights.writing import SHARD

    name = Path(recipe.name).name
    written = export(
        each.model, folder, lambda told: readme(each.model, name, told), shard or SHARD
    )
    return _told(each, written)


def _told(each: DerivedModel, build: Build) -> dict[str, object]:
    from composer.specs.headers import shards, size_of

    parameters, size = size_of(build.folder)
    return {
        "model": each.text,
        "formula": each.formula,
        "folder": str(build.folder),
        "parameters": parameters,
        "bytes": size,
        "files": [file.name for file in shards(build.folder)],
        "new": build.new,
    }


def _line(told: dict[str, object]) -> str:
    files = told["files"]
    assert isinstance(files, list)
    assert isinstance(told["bytes"], int)
    size = f"{size_text(told['bytes'])} in {counted(len(files), 'file')}"
    how = "" if told["new"] else "already there: "
    return f"{how}{told['model']} in {told['folder']}, {size}"
