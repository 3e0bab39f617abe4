"""What the application answers whatever it serves, and the models that it has."""

import pytest
from asgi import call

from composer.recipe import Recipe
from composer.serve.app import create_app
from composer.serve.errors import ProtocolError
from composer.serve.served import Registry, ServedModel
from composer.serve.settings import Settings
from composer.values import Query


@pytest.fixture(scope="module")
def registry():
    names = {"average": "token/average", "mission": "mission"}
    recipes = {name: Recipe.load(path) for name, path in names.items()}
    models = {name: ServedModel(name, each, each.ready()) for name, each in recipes.items()}
    yield Registry(models)
    for model in models.values():
        model.ensemble.close()


def test_an_address_that_is_not_there_has_the_error_of_the_protocol(registry):
    reply = call(create_app(registry, Settings()), "GET", "/v2/models")
    assert (reply.status, reply.error["code"]) == (404, "E808")
    assert "GET /v2/models" in reply.error["message"]


def test_a_model_that_is_not_served_is_named_with_the_nearest_one(registry):
    with pytest.raises(ProtocolError, match="did you mean `mission`") as caught:
        registry.get("misson")
    assert (caught.value.status, caught.value.param) == (404, "model")


def test_the_tokenizer_is_that_of_the_model_that_writes_first(registry):
    tokenizer = registry.get("average").tokenizer
    assert tokenizer.name == "general"
    ids = tokenizer.prompt(Query.of("2 + 2?"))
    assert b"2 + 2?" in tokenizer.vocabulary.bytes_of(ids, first=True)


def test_writers_with_one_tokenizer_have_it_in_common(registry):
    assert registry.get("mission").tokenizer is not None


def test_writers_with_unlike_tokenizers_have_none_in_common(models):
    assert models.get("mixed").tokenizer is None
