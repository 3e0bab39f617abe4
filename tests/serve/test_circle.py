"""A served ensemble whose member is behind the server itself."""

import json
import socket
import urllib.request
from urllib.error import HTTPError

import pytest
from served_app import registry_of, serving

from composer.serve.app import create_app
from composer.serve.settings import Settings

ITSELF = """
model A = endpoint("itself", url = "http://127.0.0.1:{port}/v1", probe = false, retries = 0)
model B = fake(says = "yes")
A
"""


@pytest.fixture(scope="module")
def port():
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return listener.getsockname()[1]


@pytest.fixture(scope="module")
def ask(port):
    def put(model):
        body = {"model": model, "messages": [{"role": "user", "content": "Well?"}]}
        headers = {"Content-Type": "application/json"}
        url = f"http://127.0.0.1:{port}/v1/chat/completions"
        request = urllib.request.Request(url, json.dumps(body).encode(), headers)
        try:
            with urllib.request.urlopen(request, timeout=20) as reply:
                return reply.status, json.loads(reply.read())
        except HTTPError as error:
            return error.code, json.loads(error.read())["error"]

    itself = ITSELF.format(port=port)
    recipes = {"itself": itself, "fallback": itself.replace("\nA\n", "\nA | B\n")}
    with registry_of(**recipes) as registry, serving(create_app(registry, Settings()), port):
        yield put


def test_a_server_refuses_a_request_of_its_own_ensemble(ask):
    status, error = ask("itself")
    assert (status, error["code"]) == (508, "E721")
    assert "this ensemble was asked by itself" in error["message"]
    assert "give the member the address of another server" in error["message"]


def test_a_fallback_answers_instead(ask):
    status, reply = ask("fallback")
    assert (status, reply["choices"][0]["message"]["content"]) == (200, "yes")
