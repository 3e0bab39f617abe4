"""Small models whose answers are known, and ways to compile and to ask a recipe."""

from pathlib import Path
from textwrap import dedent

import pytest

from composer import zoo as zoo_models
from composer.compiler.graph import compile_recipe
from composer.diagnostics import Mistakes, Source
from composer.recipe import Recipe

MODELS = """
model A = fake(says = "a", confidence = 0.9)
model B = fake(says = "b", confidence = 0.4)
model C = fake(says = "c", confidence = 0.7)
model mute = fake(says = "mute")
model broken = fake(fails = true)
model free = fake()
model say = fake(style = echo)
def shown() =
  prompt(\"\"\"{% for a in answers %}{{ a.name }}={{ a.text }}{{ " " }}{% endfor %}\"\"\") -> say
"""


@pytest.fixture
def load(tmp_path):
    """Read a recipe that may use the models above: `load(text, plain=True)`."""

    def read(text, *, models=MODELS, settings=None, **how):
        path = tmp_path / "recipe.ens"
        path.write_text(models + dedent(text) + "\n", encoding="utf-8")
        return Recipe.load(path, settings, root=tmp_path, **how)

    return read


@pytest.fixture
def ask(load):
    """Answer a query with a recipe, and return the result."""

    def answer(text, query="Why?", **how):
        with load(text, **how).ready() as ensemble:
            return ensemble(query)

    return answer


@pytest.fixture
def says(ask):
    """Answer a query with a recipe, and return what it says."""
    return lambda text, query="Why?", **how: ask(text, query, **how).answer


@pytest.fixture
def calls(ask):
    """Answer a query with a recipe, and return how often each model was asked."""

    def count(text, query="Why?", **how):
        members = ask(text, query, **how).members
        return {name: usage.calls for name, usage in members.items()}

    return count


@pytest.fixture
def graph(tmp_path):
    """Compile a recipe and return its graph as written."""

    def compiled(text, *, models=MODELS, settings=None):
        source = Source("recipe.ens", models + dedent(text) + "\n")
        return compile_recipe(tmp_path / "recipe.ens", source, settings, tmp_path)

    return compiled


@pytest.fixture
def mistakes(load):
    """Return the mistakes of a recipe."""

    def found(text, **how):
        with pytest.raises(Mistakes) as caught:
            load(text, **how)
        return caught.value.diagnostics

    return found


@pytest.fixture
def codes(mistakes):
    """Return the codes of a recipe's mistakes."""
    return lambda text, **how: [each.code for each in mistakes(text, **how)]


@pytest.fixture(scope="session")
def zoo():
    """Three zoo models that share a tokenizer, as declarations of P, Q and R."""
    there = [n for n in zoo_models.names() if (Path(zoo_models.folder(n)) / "config.json").exists()]
    wanted = [name for name in ("general-1", "general-2", "maths") if name in there]
    if len(wanted) < 3:
        pytest.skip("the zoo's models are not there")
    declared = zip("PQR", wanted, strict=True)
    return "\n".join(f'model {name} = zoo("{model}")' for name, model in declared) + "\n"
