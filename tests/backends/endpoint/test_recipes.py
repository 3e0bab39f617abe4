"""What a recipe asks of a server: draws in one request, parts, schemas, and where it came from."""

import asyncio
import json
import urllib.request

import pytest
from scripted_server import reply, scripted
from small_server import serving

import composer
from composer import zoo
from composer.backends.endpoint.chain import HEADER, LOOP_STATUS
from composer.backends.endpoint.chain import serving as answering
from composer.run import Failure

ABLE = "chat: true, several: true, usage: true, schema: true, seeds: true"
CAT = {"type": "image_url", "image_url": {"url": "https://example.org/cat.png"}}
ROW = {"id": "7", "messages": [{"role": "user", "content": [{"type": "text", "text": "?"}, CAT]}]}


@pytest.fixture(scope="module")
def server():
    with serving(zoo.folder("general-1")) as url:
        yield url


def model(url, abilities=ABLE, **options):
    more = "".join(f", {name} = {value}" for name, value in options.items())
    declared = (
        f'endpoint("general-1", url = "{url}", probe = false, abilities = [{abilities}]{more})'
    )
    return f"model A = {declared}\n"


def answer(text, query="What is 17 plus 25?", **ready):
    with composer.Recipe.load(text).ready(**ready) as ensemble:
        return ensemble(query)


def stats(url, method="GET"):
    page = urllib.request.Request(url.removesuffix("/v1") + "/stats", method=method)
    with urllib.request.urlopen(page) as response:
        return json.load(response)


@pytest.mark.parametrize(
    "steps", ["sample(A, 4)", "[A(temperature = 1), A(temperature = 1), A(temperature = 1)]"]
)
def test_draws_are_one_request_and_only_missing_ones_are_asked_for(server, tmp_path, steps):
    path = tmp_path / "answers.sqlite"
    recipe = model(server, price="[2, 8]") + "default sample(max_tokens = 8)\n"
    recipe += "default generate(max_tokens = 8)\n" + steps
    stats(server, "DELETE")
    first = answer(recipe + " -> vote(by = exact())", cache=path)
    paid = stats(server)
    assert sum(paid["requests"].values()) == 1
    usage = first.members["A"]
    assert usage.calls == len([c for event in first.trace.events for c in event.asked])
    assert usage.prompt_tokens == paid["prompt_tokens"]
    assert usage.completion_tokens == paid["completion_tokens"]
    again = answer(recipe + " -> vote(by = exact())", cache=path)
    assert (again.answer, again.cost) == (first.answer, 0)
    more = recipe.replace("sample(A, 4)", "sample(A, 6)") + " -> vote(by = exact())"
    calls = answer(more, cache=path).members["A"].calls
    assert (calls, sum(stats(server)["requests"].values())) in [(2, 2), (0, 1)]


def test_an_answer_follows_a_schema_and_one_that_does_not_failed(server, tmp_path):
    schema = {"type": "object", "properties": {"n": {"type": "number"}}, "required": ["n"]}
    (tmp_path / "n.json").write_text(json.dumps(schema))
    path = tmp_path / "recipe.ens"
    path.write_text(model(server) + 'A(schema = "n.json", max_tokens = 16)')
    assert "n" in json.loads(composer.Recipe.load(path, root=tmp_path)("What is 2 plus 2?").answer)
    step = f'A(schema = "{tmp_path}/n.json")'
    failure, ((_, _, body),) = put(lambda url: model(url) + step, "What is 2 plus 2?")
    assert (failure.code, body["response_format"]["json_schema"]["schema"]) == ("E720", schema)


def test_a_server_without_schemas_refuses_the_option_when_the_recipe_is_read(server, tmp_path):
    (tmp_path / "n.json").write_text("{}")
    path = tmp_path / "recipe.ens"
    path.write_text(model(server, "chat: true") + 'A(schema = "n.json")')
    with pytest.raises(composer.Mistakes, match="`A` does not support `schema`"):
        composer.Recipe.load(path, root=tmp_path)


def put(recipe, question, *script, chain=None):
    """Ask a recipe behind a scripted server; return the result or the failure, and the requests."""
    said = {"role": "assistant", "content": "a cat"}
    done = reply({"choices": [{"index": 0, "message": said, "finish_reason": "stop"}]})

    async def whole():
        async with scripted(*(script or (done,))) as server:
            with composer.Recipe.load(recipe(server.url)).ready() as ensemble:
                try:
                    if chain is None:
                        result = await ensemble.ask(question)
                    else:
                        with answering("me", chain):
                            result = await ensemble.ask(question)
                except Failure as failure:
                    result = failure
            return result, server.requests

    return asyncio.run(whole())


def test_parts_and_turns_go_to_a_chat_as_they_are():
    turns = [
        {"role": "system", "content": "Be brief."},
        *ROW["messages"],
        {"role": "assistant", "content": "A cat."},
        {"role": "user", "content": "Sure?"},
    ]
    result, ((path, _, body),) = put(lambda url: model(url) + "A", {"messages": turns})
    assert (result.answer, path) == ("a cat", "/v1/chat/completions")
    assert body["messages"] == turns


def test_a_model_that_is_asked_by_completions_refuses_parts():
    recipe = lambda url: model(url, "completions: true", api="completions") + "A"  # noqa: E731
    failure, requests = put(recipe, ROW)
    assert failure.code == "E722"
    assert "the row `7` has a part of type `image_url`, and `A` reads only text" in failure.message
    assert requests == []


def test_a_request_names_the_ensembles_that_it_came_through():
    _, ((_, headers, _),) = put(lambda url: model(url) + "A", "why?", chain="first, second")
    assert headers[HEADER.lower()] == "first, second, me"
    _, ((_, headers, _),) = put(lambda url: model(url) + "A", "why?")
    assert HEADER.lower() not in headers


def test_a_refusal_of_a_circle_is_not_asked_again():
    refusal = reply({"error": {"message": "this ensemble was asked by itself"}}, LOOP_STATUS)
    failure, requests = put(lambda url: model(url) + "A", "why?", refusal)
    assert "508: this ensemble was asked by itself" in failure.message
    assert len(requests) == 1
