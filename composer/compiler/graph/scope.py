"""Names: what each name of a file stands for, and names for branches that have none."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from composer.diagnostics import Diagnostic
from composer.syntax import tree

if TYPE_CHECKING:
    from composer.diagnostics import Place

from typing import TYPE_CHECKING

from composer.diagnostics import Note, did_you_mean
from composer.syntax import unparse
from composer.values.flow import unique

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from composer.diagnostics import Place

Definition = tree.Model | tree.Param | tree.Let | tree.Def | tree.Use | tree.Parameter


@dataclass(eq=False, slots=True)
class Binding:
    """What a name stands for, and the scope in which that is to be read.

    `value` is the expression that a parameter was given; the expression of anything else stands
    in its statement.
    """

    name: str
    statement: Definition
    scope: Scope
    place: Place
    value: tree.Expr | None = None
    used: bool = False


@dataclass(eq=False, slots=True)
class Scope:
    """The names of a file, of a recipe used as a step, or of one use of a `def`.

    `parent` is where a name is looked up next, `user` the file that uses this one. `defaults`
    are the file's `default` statements, weakest first. In one use of a `def`, `caller` is the
    scope in which that use is written. A file with `several` answers is one with a mistake.
    """

    folder: Path
    names: dict[str, Binding] = field(default_factory=dict)
    parent: Scope | None = None
    user: Scope | None = None
    defaults: tuple[tree.Default, ...] = ()
    answer: tree.Answer | None = None
    example: str | None = None
    definition: tree.Def | None = None
    caller: Scope | None = None
    used: dict[str, Scope] = field(default_factory=dict)
    several: bool = False

    def find(self, name: str) -> Binding | None:
        """Look a name up here, then in the scopes around."""
        scope: Scope | None = self
        while scope is not None:
            if name in scope.names:
                scope.names[name].used = True
                return scope.names[name]
            scope = scope.parent
        return None

    def visible(self) -> Iterator[str]:
        """Yield every name that can be used here."""
        scope: Scope | None = self
        while scope is not None:
            yield from scope.names
            scope = scope.parent

    def all_defaults(self) -> Iterator[tuple[Scope, tree.Default]]:
        """Yield the `default` statements that hold here, weakest first.

        The file that uses a recipe has the last word over that recipe's own defaults.
        """
        scope: Scope | None = self
        while scope is not None:
            yield from ((scope, default) for default in scope.defaults)
            scope = scope.parent or scope.user

    def within(self, definition: tree.Def) -> bool:
        """Say whether what is written here belongs to a use of a definition."""
        scope: Scope | None = self
        while scope is not None:
            if scope.definition is definition:
                return True
            scope = scope.caller
        return False

    def copied(self, arguments: dict[str, tuple[tree.Expr, Scope]]) -> Scope:
        """Return a fresh copy of a file's scope, with some parameters given other values."""
        copy = Scope(self.folder, {}, self.parent, self.user, self.defaults, self.answer)
        copy.example, copy.used = self.example, self.used
        for name, old in self.names.items():
            scope = copy if old.scope is self else old.scope
            value = old.value
            if name in arguments:
                value, scope = arguments[name]
            copy.names[name] = Binding(name, old.statement, scope, old.place, value)
        return copy

    def bind(self, binding: Binding) -> Diagnostic | None:
        """Add a name; return the mistake if it is taken."""
        before = self.names.get(binding.name)
        if before is not None:
            return Diagnostic(
                "E204",
                f"`{binding.name}` is defined twice",
                binding.place,
                "again here",
                notes=(Note(before.place, "first defined here"),),
                help="rename one of them",
            )
        self.names[binding.name] = binding
        return None


def unknown_name(name: str, place: Place, among: list[str], what: str = "name") -> Diagnostic:
    """Return the mistake of a name that stands for nothing."""
    code = {"name": "E201", "step": "E202", "part": "E209", "backend": "E210"}[what]
    return Diagnostic(
        code, f"unknown {what} `{name}`", place, "unknown", help=did_you_mean(name, among)
    )


def label(expr: tree.Expr) -> str:
    """Name a branch or a member by what it is."""
    match expr:
        case tree.Name(id=name):
            return name
        case tree.Chain(stages=stages):
            return label(stages[-1])
        case tree.Branches(branches=(branch,)):
            return branch.name or label(branch.value)
        case tree.Call(function=name, arguments=arguments):
            names = [label(a.value) for a in arguments if isinstance(a.value, tree.Name)]
            return f"{name}({', '.join(names)})" if names else name
        case _:
            return unparse(expr)


def branch_names(bank: tree.Branches) -> tuple[str, ...]:
    """Return the names of a bank's branches: those written, else what each branch is."""
    return unique(branch.name or label(branch.value) for branch in bank.branches)


def follow(expr: tree.Expr, scope: Scope) -> tuple[tree.Expr, Scope]:
    """Replace a name by what it stands for, as long as that is a value and not a model."""
    visited: set[int] = set()
    while isinstance(expr, tree.Name) and id(expr) not in visited:
        visited.add(id(expr))
        binding = scope.find(expr.id)
        value = bound_value(binding) if binding else None
        if binding is None or value is None:
            break
        expr, scope = value, binding.scope
    return expr, scope


def bound_value(binding: Binding) -> tree.Expr | None:
    """Return the expression that a parameter or a `let` stands for."""
    match binding.statement:
        case tree.Param(value=value) | tree.Let(value=value):
            return binding.value if binding.value is not None else value
        case tree.Parameter():
            return binding.value
        case _:
            return None
