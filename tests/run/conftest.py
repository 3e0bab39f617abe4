"""Small models whose answers are known, and ways to make a recipe ready."""

from textwrap import dedent

import pytest

from composer.recipe import Recipe

MODELS = """
model A = fake(says = "a", confidence = 0.9)
model B = fake(says = "b", confidence = 0.4)
model C = fake(says = "c", confidence = 0.7)
model free = fake()
model say = fake(style = echo)
model slow = fake(says = "slow", seconds = 0.2)
model broken = fake(fails = true)
"""


@pytest.fixture
def load(tmp_path):
    """Read a recipe that may use the models above."""

    def read(text, *, models=MODELS, **how):
        path = tmp_path / "recipe.ens"
        path.write_text(models + dedent(text) + "\n", encoding="utf-8")
        return Recipe.load(path, root=tmp_path, **how)

    return read


@pytest.fixture
def ready(load):
    """Make recipes ready; they are closed when the test ends."""
    made = []

    def make(text, **how):
        made.append(load(text, **how).ready())
        return made[-1]

    yield make
    for each in made:
        each.close()


@pytest.fixture
def asked(ready):
    """Answer a query; return the models that were asked, in order, failed ones with them."""

    def names(text, query="Why?", **how):
        from composer.run import Failure

        try:
            result = ready(text, **how)(query)
        except Failure as failure:
            result = failure.result
        events = result.trace.events
        return [each.model for event in events for each in event.asked]

    return names
