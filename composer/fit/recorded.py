"""Recorded answers of a data file stand in for the models of a recipe: then nobody is asked."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from composer.backends.recorded import Recorded
from composer.backends.recording import recording
from composer.compiler.graph import topological
from composer.diagnostics import Diagnostic, Mistakes
from composer.values import ModelError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from composer.compiler.graph import Node
    from composer.recipe import Recipe


def with_records(recipe: Recipe, data: Path) -> Recipe:
    """Return a recipe in which models answer as the rows of a file recorded them.

    A model that the file does not know by any of its names is asked as before; so is a member of a
    fuse, of which the file has no distributions. The fit and the lock beside the recipe are left
    out.
    """
    answer = recipe.compiled.answer
    assert answer is not None
    names = recorded_names(answer, data)
    if not names:
        return recipe
    graph = recipe.compiled.graph

    def change(node: Node) -> Node:
        name = names.get(node)
        if name is None:
            return node
        price = getattr(node.declaration, "price", None)
        stand_in = Recorded(file=str(data), model=name, price=price)
        return graph.replaced(node, declaration=stand_in)

    compiled = replace(recipe.compiled, answer=graph.rebuild(answer, change))
    return replace(recipe, compiled=compiled, path=None)


def recorded_names(answer: Node, data: Path) -> Mapping[Node, str]:
    """Return the models under an answer that a file has records of, with their names there.

    Models that replay recorded answers anyway are none of them.
    """
    try:
        known = recording(str(data)).logged
    except ModelError as error:
        raise Mistakes([Diagnostic(error.code, error.message, help=error.help)]) from None
    nodes = topological(answer)
    fuses = [node for node in nodes if not node.is_query and node.step.fuses is not None]
    fused = {member for fuse in fuses for member in topological(fuse)}
    names = {}
    for node in nodes:
        declaration = node.declaration
        if declaration is None or declaration.replays or node in fused:
            continue
        aliases = (*declaration.aliases, node.title)
        name = next((alias for alias in aliases if alias in known), None)
        if name is not None:
            names[node] = name
    return names
