"""What all verbs share: options, exit statuses, and how mistakes and failures are shown."""

from __future__ import annotations

import functools
import json
import math
import sys
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

import click

from composer.cli.status import EXIT_FAILED, EXIT_MISTAKES, status_of
from composer.cli.terminal import err, has_colours
from composer.diagnostics import Diagnostic, Mistakes
from composer.diagnostics.amounts import counted

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from os import PathLike

    from composer.recipe import Recipe


recipe_argument = click.argument("recipe", type=click.Path(path_type=Path))
json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON for programs.")


class Amount(click.FloatRange):
    """A number of which there is so much: neither infinite nor undefined."""

    def convert(
        self, value: float, param: click.Parameter | None, ctx: click.Context | None
    ) -> float:
        """Return the number."""
        number: float = super().convert(value, param, ctx)
        if not math.isfinite(number):
            self.fail(f"{number} is not a finite number", param, ctx)
        return number


timeout_option = click.option(
    "--timeout",
    type=Amount(min=0, min_open=True),
    metavar="SECONDS",
    help="Stop a query after this time; loading models does not count.",
)


@dataclass(frozen=True, slots=True)
class RecipeReader:
    """Reads recipes with the options `--set`, `--with` and `--root`."""

    settings: tuple[str, ...]
    overlays: tuple[Path, ...]
    root: Path | None

    def load(
        self,
        path: Path,
        *,
        plain: bool = False,
        seed: int = 0,
        unmatched: list[Diagnostic] | None = None,
        answer: str | None = None,
    ) -> Recipe:
        """Read a recipe; raises Mistakes."""
        from composer.recipe import Recipe

        settings, overlays = split_settings(self.settings), self.overlays
        return Recipe.load(
            path,
            settings,
            root=self.root,
            overlays=overlays,
            plain=plain,
            seed=seed,
            unmatched=unmatched,
            answer=answer,
        )

    def attempts(self, paths: Sequence[Path], *, seed: int = 0) -> list[Recipe | Mistakes]:
        """Read recipes, each with its own mistakes.

        An override of several recipes must find a match in one of them; the others do without it.
        """
        several = len(paths) > 1
        results: list[Recipe | Mistakes] = []
        unmatched: list[list[Diagnostic]] = [[] for _ in paths]
        for path, misses in zip(paths, unmatched, strict=True):
            try:
                results.append(self.load(path, seed=seed, unmatched=misses if several else None))
            except Mistakes as mistakes:
                results.append(mistakes)
        everywhere = set.intersection(*({_subject(each) for each in one} for one in unmatched))
        if everywhere:
            nowhere = [each for each in unmatched[0] if _subject(each) in everywhere]
            first = results[0].diagnostics if isinstance(results[0], Mistakes) else ()
            results[0] = Mistakes([*first, *nowhere])
        return results

    def read_all(self, paths: Sequence[Path], *, seed: int = 0) -> list[Recipe]:
        """Read recipes and tell their warnings on stderr; raises Mistakes of all of them."""
        results = self.attempts(paths, seed=seed)
        mistakes = [each for each in results if isinstance(each, Mistakes)]
        if mistakes:
            raise Mistakes(each for one in mistakes for each in one.diagnostics)
        recipes = [each for each in results if not isinstance(each, Mistakes)]
        for recipe in recipes:
            show_diagnostics(_of_use(recipe.check()))
        return recipes

    def read(self, path: Path, *, plain: bool = False, seed: int = 0) -> Recipe:
        """Read a recipe and tell its warnings on stderr; raises Mistakes."""
        recipe = self.load(path, plain=plain, seed=seed)
        show_diagnostics(_of_use(recipe.check()))
        return recipe


class InputFile(click.Path):
    """A file that is read; one that is not there is a mistake (E501), as a missing recipe is."""

    def __init__(self, *, folders: bool = False) -> None:
        super().__init__(path_type=Path)
        self.folders = folders

    def convert(
        self,
        value: str | PathLike[str],
        param: click.Parameter | None,
        ctx: click.Context | None,
    ) -> str | bytes | PathLike[str]:
        """Return the file's path; raises Mistakes where there is no such file."""
        path = Path(value)
        if path.is_dir() and not self.folders:
            help_ = "give a file in it"
            raise Mistakes([Diagnostic("E503", f"`{path}` is a folder", help=help_)])
        if not path.exists():
            from composer.syntax.reading import similar_file

            text = f"there is no file `{path}`"
            raise Mistakes([Diagnostic("E501", text, help=similar_file(path))])
        return super().convert(value, param, ctx)


def _of_use(warnings: Iterable[Diagnostic]) -> list[Diagnostic]:
    """Leave out that a check is made later (W501): only `check` promises to make it now."""
    return [warning for warning in warnings if warning.code != "W501"]


def _subject(diagnostic: Diagnostic) -> tuple[object, ...]:
    """Return what tells one override from another."""
    place = diagnostic.place
    return diagnostic.message, place and (place.source.name, place.start)


def recipe_options(function: Callable[..., object]) -> Callable[..., object]:
    """Add the options with which recipes are read; the command is given them as `reading`."""

    @functools.wraps(function)
    def command(
        *,
        settings: tuple[str, ...],
        overlays: tuple[Path, ...],
        root: Path | None,
        **rest: object,
    ) -> object:
        return function(reading=RecipeReader(settings, overlays, root), **rest)

    for option in _READING:
        command = option(command)
    return command


_FOLDER = click.Path(exists=True, file_okay=False, path_type=Path)
_READING = (
    click.option(
        "--root", type=_FOLDER, help="The root folder; `use` reads no files outside of it."
    ),
    click.option(
        "--with",
        "overlays",
        multiple=True,
        type=InputFile(),
        metavar="FILE",
        help="A file whose statements replace those of the recipe.",
    ),
    click.option(
        "--set",
        "settings",
        multiple=True,
        metavar="PATH=VALUE",
        help="Set a parameter, a default or an option of a model: `doubt=0.8`.",
    ),
)


how_option = click.option(
    "--how",
    default="auto",
    metavar="GRADER",
    help='How answers are graded: `numeric`, `regex("yes|no")`, `judge("judge.ens")`; '
    "`compose ls parts` lists all. Default: auto, numeric for numbers, otherwise exact.",
)


class DataFile(InputFile):
    """A file that exists, or the zoo's own items by the names that recipes use for them.

    Also a folder of a published benchmark, where folders are allowed.
    """

    def convert(
        self,
        value: str | PathLike[str],
        param: click.Parameter | None,
        ctx: click.Context | None,
    ) -> str | bytes | PathLike[str]:
        """Return the file's path."""
        from composer import zoo
        from composer.compiler.graph.context import ZOO_ITEMS
        from composer.diagnostics import did_you_mean

        if str(value).startswith("zoo:") and value not in ZOO_ITEMS:
            advice = did_you_mean(str(value), ZOO_ITEMS)
            self.fail(f"the zoo has no set `{str(value)[4:]}`: {advice}", param, ctx)
        if value == "-" and param is not None and param.name == "input_":
            self.fail("leave out `--input` to read stdin", param, ctx)
        split = ZOO_ITEMS.get(str(value))
        return super().convert(value, param, ctx) if split is None else zoo.items(split)


def split_settings(settings: Iterable[str]) -> dict[str, str]:
    """Split `path=value` arguments."""
    values = {}
    for setting in settings:
        path, sign, value = setting.partition("=")
        if not sign or not path:
            raise click.UsageError(f"--set takes PATH=VALUE, not {setting!r}")
        values[path.strip()] = value.strip()
    return values


def need_extra(what: str, extra: str, package: str) -> None:
    """Refuse what needs a package of an extra that is not installed, and say how to install it."""
    if find_spec(package) is None:
        install = f"pip install 'ensemble-composer[{extra}]'"
        raise click.UsageError(f"{what} needs the extra `{extra}`: {install}")


def unwritable(path: Path, error: OSError) -> Mistakes:
    """Return the mistake of a file that cannot be written (E718)."""
    text = f"cannot write {path}: {error.strerror or error}"
    help_ = "give a file in a folder that exists and in which you may write"
    return Mistakes([Diagnostic("E718", text, help=help_)])


def show_diagnostics(diagnostics: Iterable[Diagnostic]) -> None:
    """Draw diagnostics on stderr."""
    for diagnostic in diagnostics:
        err(_drawn(diagnostic) + "\n", drawn=True)


def _drawn(diagnostic: Diagnostic) -> str:
    from composer.diagnostics import draw

    return draw(diagnostic, color=has_colours(sys.stderr))


def as_json(value: object) -> str:
    """Write a value as JSON for people and programs."""
    return json.dumps(value, indent=2, ensure_ascii=False)


def show_failure(error: Exception) -> int:
    """Tell what went wrong; return the exit status that says so."""
    if isinstance(error, Mistakes):
        diagnostics = error.diagnostics
    else:
        from composer.run.result import Failure

        diagnostics = (Failure.of(error).diagnostic(),)
    show_diagnostics(diagnostics)
    errors = [diagnostic.code for diagnostic in diagnostics if diagnostic.severity == "error"]
    status = max(map(status_of, errors), default=EXIT_FAILED)
    if status == EXIT_MISTAKES:
        err(counted(len(errors), "mistake"))
    return status
