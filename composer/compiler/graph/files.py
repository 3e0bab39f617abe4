"""Reading recipe files into scopes: `use`, the project's root, and cycles among files."""

from __future__ import annotations

import os
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from composer.compiler.graph.scope import Binding, Scope
from composer.compiler.graph.value_mistakes import written_secret
from composer.diagnostics import Diagnostic, Mistakes, Place, Source, did_you_mean, nearest
from composer.diagnostics.secrets import KEY
from composer.syntax import parse, read, tree

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

LONGEST = 1024
ROOT_MARKS = ("pyproject.toml", ".git")


@cache
def shipped() -> Path:
    """Return the folder of the recipes that come with the package."""
    package = Path(__file__).parents[2]
    inside = package / "recipes"
    return inside if inside.is_dir() else package.parent / "recipes"


def written_file(folder: Path, name: str) -> Path:
    """Return where a recipe of a folder writes a file; a shipped one writes to the working folder.

    The package itself is never written to.
    """
    base = Path.cwd() if folder.is_relative_to(shipped()) else folder
    return (base / Path(name).expanduser()).resolve()


def root_of(folder: Path) -> Path:
    """Return the nearest parent that holds a project's marks, else the folder itself."""
    folder = folder.resolve()
    for parent in (folder, *folder.parents):
        if any((parent / mark).exists() for mark in ROOT_MARKS):
            return parent
    return folder


@dataclass(eq=False)
class Loader:
    """Reads a recipe and the files that it uses, and keeps every mistake that it meets."""

    root: Path
    mistakes: list[Diagnostic] = field(default_factory=list)
    _files: dict[Path, tree.File | None] = field(default_factory=dict)

    def hold(self, path: Path, file: tree.File) -> None:
        """Take a file as it is held by an editor, whatever lies at its path."""
        self._files[path] = file

    def scope(
        self,
        path: Path,
        source: Source | None = None,
        trail: tuple[Path, ...] = (),
    ) -> Scope:
        """Read a file into a new scope; the trail is the files that led here by `use`."""
        scope = Scope(folder=path.parent)
        file = self._file(path, source)
        if file is not None:
            for statement in file.statements:
                self._declare(statement, scope, (*trail, path))
        return scope

    def _file(self, path: Path, source: Source | None) -> tree.File | None:
        if path not in self._files or source is not None:
            self._files[path] = None
            try:
                text = source or _named(read(path), path)
                self.mistakes += _secrets(text)
                self._files[path] = parse(text)
            except Mistakes as mistakes:
                self.mistakes += mistakes.diagnostics
        return self._files[path]

    def _declare(self, statement: tree.Statement, scope: Scope, trail: tuple[Path, ...]) -> None:
        match statement:
            case tree.Use():
                self._use(statement, scope, trail)
            case tree.Default():
                scope.defaults = (*scope.defaults, statement)
            case tree.Example():
                self._example(statement, scope)
            case tree.Answer():
                self._answer(statement, scope)
            case _:
                name = statement.name
                self._bind(scope, Binding(name, statement, scope, statement.name_place))

    def _example(self, statement: tree.Example, scope: Scope) -> None:
        if scope.example is not None:
            self.mistakes.append(
                Diagnostic(
                    "E208",
                    "a recipe has only one example, and this is a second one",
                    statement.place,
                    "the second example",
                    help="keep one of them; give other questions on the command line or in a file",
                )
            )
        scope.example = statement.text

    def _answer(self, statement: tree.Answer, scope: Scope) -> None:
        if scope.answer is not None:
            self.mistakes.append(
                Diagnostic(
                    "E208",
                    "a recipe has only one answer, and this is a second one",
                    statement.place,
                    "the second answer",
                    help="to continue a chain, begin the line with `->`; or name the first "
                    "expression: `let first = ...`",
                )
            )
            scope.several = True
        scope.answer = statement

    def _use(self, use: tree.Use, scope: Scope, trail: tuple[Path, ...]) -> None:
        path = self._find(use, scope.folder)
        if path is None:
            self._bind_all(use, scope)
            return
        if path in trail:
            names = " -> ".join(file.name for file in (*trail, path))
            self.mistakes.append(
                Diagnostic(
                    "E205",
                    f"these files use each other in a circle: {names}",
                    use.file_place,
                    "a circle",
                )
            )
            return
        used = self.scope(path, trail=trail)
        if self._files[path] is None:
            self._bind_all(use, scope)
            return
        used.user = scope
        if use.alias:
            scope.used[use.alias] = used
            self._bind(scope, Binding(use.alias, use, scope, use.place))
        self._import(use, used, scope)

    def _bind_all(self, use: tree.Use, scope: Scope) -> None:
        """Bind the names of a file that cannot be read, so that nothing calls them unknown."""
        for name, alias, place in use.names:
            self._bind(scope, Binding(alias or name, use, scope, place))
        if use.alias:
            self._bind(scope, Binding(use.alias, use, scope, use.place))

    def _import(self, use: tree.Use, used: Scope, scope: Scope) -> None:
        for name, alias, place in use.names:
            binding = used.names.get(name)
            if binding is None:
                self.mistakes.append(
                    Diagnostic(
                        "E201",
                        f"`{use.file}` has no `{name}`",
                        place,
                        "not in that file",
                        help=did_you_mean(name, used.names),
                    )
                )
                binding = Binding(name, use, scope, place)
            shared = Binding(alias or name, binding.statement, binding.scope, place, binding.value)
            self._bind(scope, shared)

    def _bind(self, scope: Scope, binding: Binding) -> None:
        mistake = scope.bind(binding)
        if mistake:
            self.mistakes.append(mistake)

    def _find(self, use: tree.Use, folder: Path) -> Path | None:
        """Resolve a used file: from the file's folder, then from the shipped recipes."""
        for base in (folder, shipped()) if is_name(use.file) else ():
            path = (base / use.file).resolve()
            if os.path.isfile(path):  # noqa: PTH113 - answers where a name is too long
                inside = [self.root, shipped()]
                if any(path.is_relative_to(folder_.resolve()) for folder_ in inside):
                    return path
                self.mistakes.append(
                    Diagnostic(
                        "E502",
                        f"`{use.file}` is outside of the project's root, {self.root}",
                        use.file_place,
                        "not read",
                        help="move it inside, or set a higher root: `--root FOLDER`",
                    )
                )
                return None
        near = nearest(use.file, _recipes_near(folder))
        advice = f"paths start at the folder of the recipe, {folder}"
        self.mistakes.append(
            Diagnostic(
                "E501",
                f"there is no file `{use.file}`",
                use.file_place,
                "not beside this recipe, and not in the package",
                help=f"did you mean `{near}`?" if near else advice,
            )
        )
        return None


def is_name(name: str) -> bool:
    """Say whether a text can name a file on any system: no NUL, and not longer than a path is."""
    return "\0" not in name and len(name) < LONGEST


def _named(source: Source, path: Path) -> Source:
    """Name a source as the user would: from the working folder, if it lies below."""
    here = Path.cwd()
    below = path.is_relative_to(here)
    return replace(source, name=str(path.relative_to(here))) if below else source


def _recipes_near(folder: Path) -> Iterable[str]:
    for base in (folder, shipped()):
        recipes = (path for path in base.glob("**/*") if path.suffix in (".ens", ".yaml", ".yml"))
        for path in sorted(recipes)[:500]:
            yield str(path.relative_to(base))


def _secrets(source: Source) -> Iterator[Diagnostic]:
    """Yield a mistake for each secret in a file; what is drawn of it shows stars."""
    for key in KEY.finditer(source.text):
        yield written_secret(Place(source, key.start(), key.end()))
