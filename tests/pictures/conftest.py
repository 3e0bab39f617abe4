import pytest

from composer.compiler.pictures import Box, Edge, Picture, sketch
from composer.recipe import Recipe

ZOO = """
model A = zoo("general-1")
model B = zoo("maths")
model C = zoo("text")
model D = zoo("large")
"""


@pytest.fixture
def drawn():
    """The picture of a recipe over four models of the zoo, optimized or as written."""

    def make(text, *, plain=False):
        recipe = Recipe.load(ZOO + text + "\n")
        root = recipe.compiled.answer if plain else recipe.optimized.root
        return sketch(recipe.compiled, root)

    return make


@pytest.fixture
def made():
    """A picture of plain boxes r0, r1, ... from pairs of numbers; the last one is the answer."""

    def make(count, pairs):
        boxes = (
            Box("r0", "query", "query"),
            *(Box(f"r{n}", "step", "text") for n in range(1, count)),
        )
        edges = tuple(Edge(f"r{a}", f"r{b}") for a, b in pairs)
        return Picture("made", boxes, edges, f"r{count - 1}", ("query", "text"))

    return make
