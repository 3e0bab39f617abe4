"""What lowering carries along, and what it is asked to lower."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any, Literal

from composer import zoo
from composer.compiler.graph.arguments import BadValueError
from composer.compiler.graph.files import Loader, is_name, shipped, written_file
from composer.compiler.graph.graph import Graph
from composer.compiler.graph.values import Values
from composer.diagnostics import Diagnostic

if TYPE_CHECKING:
    from collections.abc import Callable

    from composer.compiler.graph.node import Node
    from composer.compiler.graph.scope import Binding, Scope
    from composer.diagnostics import Place
    from composer.syntax import tree
    from composer.trampoline import DeepCall
    from composer.values.typed import Resolve

ZOO_ITEMS: dict[str, Literal["validation", "test"]] = {
    "zoo:validation": "validation",
    "zoo:test": "test",
}
"""Data that ships with the package, by the names that recipes use."""

DEEPEST = 64
"""Fuses and prompts that may stand one inside the other."""


@dataclass(frozen=True, slots=True)
class AsStep:
    """A request to lower an expression in step position, reached by a wire."""

    expr: tree.Expr
    wire: Node
    scope: Scope


@dataclass(frozen=True, slots=True)
class AsModel:
    """A request to lower an expression where a model is wanted."""

    expr: tree.Expr
    scope: Scope


Request = AsStep | AsModel


@dataclass(eq=False)
class Context:
    """The graph that is being made, the mistakes met so far, and what was already lowered.

    `lowering` is what lowers, in whatever file that is done. Expressions are known by their
    identity here; `lowered_expressions` keeps them alive, so that no address is
    used twice.
    """

    loader: Loader
    lowering: Callable[[Context, Request], DeepCall[Node | None]]
    graph: Graph = field(default_factory=Graph)
    memo: dict[tuple[object, ...], Node | None] = field(default_factory=dict)
    active: set[Binding] = field(default_factory=set)
    draws: dict[tuple[int, int], int] = field(default_factory=dict)
    lowered_expressions: list[tree.Expr] = field(default_factory=list)
    depths: dict[Node, int] = field(default_factory=dict)
    declared: dict[Node, Place] = field(default_factory=dict)

    @property
    def mistakes(self) -> list[Diagnostic]:
        """Every mistake found so far, in files as in meaning."""
        return self.loader.mistakes

    @cached_property
    def values(self) -> Values:
        """The reader of option values."""
        return Values(self.find)

    def lower(self, request: Request) -> DeepCall[Node | None]:
        """Lower an expression; None stands for one that holds a mistake."""
        return self.lowering(self, request)

    def say(self, *args: Any, **words: Any) -> None:  # noqa: ANN401 - as for Diagnostic
        """Record a mistake."""
        self.mistakes.append(Diagnostic(*args, **words))

    def catch(self, bad: BadValueError) -> None:
        """Record the mistakes of a value."""
        self.mistakes.extend(bad.diagnostics)

    def shallow(self, model: Node, place: Place) -> bool:
        """Say whether a model is not made of too many others, one inside the other."""
        inner = max((self.depths.get(node, 0) for node in model.inputs), default=0)
        self.depths[model] = inner + 1
        if inner < DEEPEST:
            return True
        text = f"more than {DEEPEST} fuses or prompts are nested here"
        self.say("E116", text, place, "too deep", help="put the members side by side into one fuse")
        return False

    def draw(self, expr: tree.Expr, scope: Scope) -> int:
        """Return the number of an occurrence of work that may be sampled, counted from 1."""
        return self.draws.setdefault((id(expr), id(scope)), len(self.draws) + 1)

    def find(self, name: str, scope: Scope, place: Place, mark: Resolve) -> str:
        """Return the path of a file that a recipe names; `zoo:validation` is the zoo's own."""
        if mark.written:
            return str(written_file(scope.folder, name))
        if name in ZOO_ITEMS:
            return str(zoo.items(ZOO_ITEMS[name]))
        for base in (scope.folder, shipped()) if is_name(name) else ():
            # Those of os.path answer where pathlib raises: unknown users, names that are too long.
            path = base / os.path.expanduser(name)  # noqa: PTH111
            if os.path.exists(path):  # noqa: PTH110
                return str(path.resolve())
        if mark.must_exist:
            raise BadValueError(
                Diagnostic(
                    "E501",
                    f"there is no file `{name}`",
                    place,
                    "not beside this recipe, and not in the package",
                    help=f"paths start at the folder of the recipe, {scope.folder}",
                )
            )
        return name


def all_sound(nodes: list[Node | None]) -> tuple[Node, ...] | None:
    """Return nodes, or None where one of them was a mistake."""
    sound = tuple(node for node in nodes if node is not None)
    return sound if len(sound) == len(nodes) else None
