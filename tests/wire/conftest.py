import contextlib

import pytest
from small_server import serving

import composer
from composer import zoo

WHOLE = {"completions": True, "top": 20, "chosen": 128, "ids": True, "prompt_ids": True}


@pytest.fixture(scope="session")
def servers():
    """The addresses of running servers: `servers("maths")`, each with its options started once."""
    with contextlib.ExitStack() as stack:
        started = {}

        def serve(model, **options):
            key = model, *sorted(options.items())
            if key not in started:
                started[key] = stack.enter_context(serving(zoo.folder(model), **options))
            return started[key]

        yield serve


@pytest.fixture
def remote(servers):
    """Declare a model behind a server: `remote("A", "maths", top = 5)`."""

    def declare(name, model, *, server=None, **abilities):
        url = servers(model, **(server or {}))
        has = {**WHOLE, "prompts": 64, "usage": True} | abilities
        stated = ", ".join(f"{key}: {str(value).lower()}" for key, value in has.items())
        return (
            f'model {name} = endpoint("{model}", url = "{url}", probe = false, api = completions, '
            f'tokenizer = "{zoo.folder(model)}", abilities = [{stated}])\n'
        )

    return declare


@pytest.fixture
def local():
    """Declare a model of the zoo in this process: `local("A", "maths")`."""
    return lambda name, model: f'model {name} = zoo("{model}")\n'


@pytest.fixture
def answers():
    """The results of a recipe: `answers(recipe, "a query", ...)`."""

    def run(recipe, *queries, **ready):
        with composer.Recipe.load(recipe).ready(**ready) as ensemble:
            return list(ensemble.map(queries))

    return run
