"""A key is sent to the addresses of its model, and is written nowhere else."""

import asyncio
import json
import logging
import pickle

import pytest
from scripted_server import reply, scripted

import composer
from composer.backends.endpoint import Endpoint
from composer.compiler.graph import compile_recipe
from composer.diagnostics import Mistakes, Source, draw
from composer.diagnostics.secrets import covered, starred
from composer.methods.environment import Environment
from composer.run import Failure
from composer.specs.digest import digest

KEY = "q7-Zx9.very/secret"
ANSWER = {
    "choices": [{"index": 0, "message": {"content": "42"}, "finish_reason": "stop"}],
    "usage": {"prompt_tokens": 3, "completion_tokens": 1},
}


@pytest.fixture(autouse=True)
def key(monkeypatch):
    monkeypatch.setenv("SERVER_LOGIN", KEY)
    monkeypatch.setenv("OPENAI_API_KEY", "official-key-of-openai")
    monkeypatch.setenv("OPENAI_ORG_ID", "some-organization")
    monkeypatch.setenv("OPENAI_BASE_URL", "http://127.0.0.1:1/v1")


def declared(url, **options):
    return Endpoint(model="m", url=url, probe=False, retries=0, **options)


def headers_sent(**options):
    """Ask a server once, and return the headers that it got."""

    async def ask():
        async with scripted(reply(ANSWER)) as server:
            recipe = composer.Recipe.load(
                f'model A = endpoint("m", url = "{server.url}", probe = false{options["more"]})\nA'
            )
            async with recipe.ready() as ensemble:
                assert (await ensemble.ask("?")).answer == "42"
            return server.requests[0][1]

    return asyncio.run(ask())


def test_the_key_is_sent_to_its_own_address():
    sent = headers_sent(more=', key = env("SERVER_LOGIN")')
    assert sent["authorization"] == f"bearer {KEY}".lower()


def test_no_other_address_is_sent_what_is_openais():
    sent = headers_sent(more="")
    assert "authorization" not in sent
    assert "official-key" not in str(sent)
    assert "some-organization" not in str(sent)


@pytest.mark.parametrize(
    ("options", "variable"),
    [
        ({}, "OPENAI_API_KEY"),
        ({"url": "https://api.openai.com/v1/"}, "OPENAI_API_KEY"),
        ({"url": "https://api.openai.com.example.org/v1"}, None),
        ({"url": ("https://api.openai.com/v1", "http://b/v1")}, None),
    ],
)
def test_openais_key_goes_to_openais_address_alone(options, variable):
    assert Endpoint(model="m", **options).key_variable == variable
    own = Environment(variable="SERVER_LOGIN")
    assert Endpoint(model="m", key=own, **options).key_variable == "SERVER_LOGIN"


def test_a_key_is_in_no_value_that_is_kept_or_shown():
    model = declared("http://h/v1", key=Environment(variable="SERVER_LOGIN"))
    other = declared("http://h/v1")
    shown = (repr(model), str(model.model_dump()), model.identity(), model.content(), digest(model))
    assert KEY not in "".join(shown)
    assert KEY.encode() not in pickle.dumps(model)
    assert model.content() == other.content()


def test_a_key_is_in_no_plan_lock_trace_error_or_log(tmp_path, caplog):
    caplog.set_level(logging.DEBUG)

    async def run():
        texts = []
        said = {"error": {"message": f"the key {KEY} is not valid"}}
        async with scripted(reply(said, 401), reply(ANSWER)) as server:
            path = tmp_path / "keyed.ens"
            path.write_text(
                f'model A = endpoint("m", url = "{server.url}", probe = false, retries = 0, '
                'key = env("SERVER_LOGIN"))\nA'
            )
            recipe = composer.Recipe.load(path)
            texts += [str(recipe.plan()), recipe.plan().model_dump_json()]
            recipe.lock()
            async with recipe.ready(cache=tmp_path / "answers") as ensemble:
                with pytest.raises(Failure) as failure:
                    await ensemble.ask("?")
                texts += [str(failure.value), repr(failure.value.__cause__)]
                result = await ensemble.ask("2?")
                texts.append(json.dumps(result.trace.as_dict(), default=str))
        return texts

    texts = asyncio.run(run())
    kept = b"".join(file.read_bytes() for file in tmp_path.rglob("*") if file.is_file())
    assert KEY not in "".join(texts) + caplog.text
    assert KEY.encode() not in kept
    assert "does not accept the key in `SERVER_LOGIN`" in texts[2]


def test_a_key_that_is_written_out_is_an_error_and_is_drawn_as_stars(tmp_path):
    texts = (
        'model A = endpoint("m", url = "x", key = "KEY")\nA(temperture = 1)',
        'let login = "KEY"\nmodel A = endpoint("m", key = login)\nA',
        'model A = endpoint("m", url = "http://me:KEY@host/v1")\nA',
    )
    for text in texts:
        source = Source("r.ens", text.replace("KEY", "hunter2hunter2"))
        with pytest.raises(Mistakes) as mistakes:
            compile_recipe(tmp_path / "r.ens", source, root=tmp_path)
        drawn = "\n".join(map(draw, mistakes.value.diagnostics))
        assert "E406" in drawn
        assert "hunter2" not in drawn


def test_an_address_with_a_password_is_starred_wherever_it_is_printed():
    text = "no connection to https://me:pass/w@host"
    assert starred("at https://me:secret@host/v1") == "at https://***@host/v1"
    assert covered('url = "https://me:secret@host"') == 'url = "https://*********@host"'
    assert starred(text) == text
