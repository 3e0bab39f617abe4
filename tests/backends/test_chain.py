"""An ensemble that asks itself ends with an error at its first turn, not in endless requests."""

import asyncio
import json
import threading
import urllib.error
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import ClassVar

import pytest

import composer
from composer.backends import BACKENDS, Capability, Card, ModelError, Remote
from composer.backends.endpoint.chain import (
    HEADER,
    LONGEST,
    LOOP_STATUS,
    chain_headers,
    ensemble_id,
    refuse_own,
    refuse_own_address,
    serving,
    serving_at,
)
from composer.run import Failure
from composer.values import Client, Completion, Generated


class Served:
    """Serves a recipe on loopback: it answers a question with the ensemble's answer."""

    def __init__(self, name):
        self.id, self.asked, self.ensemble = ensemble_id(), [], None
        self.name = name
        served = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self):
                served.answer(self)

            def log_message(self, *_):
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.port = self._server.server_address[1]
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def answer(self, handler):
        question = handler.rfile.read(int(handler.headers["Content-Length"])).decode()
        self.asked.append(handler.headers.get(HEADER))
        status, text = 200, ""
        try:
            with serving(self.id, handler.headers.get(HEADER)):
                text = self.ensemble(question).answer
        except ModelError as error:
            status, text = LOOP_STATUS, error.message
        except Failure as failure:
            status, text = 500, failure.message
        body = json.dumps(text).encode()
        handler.send_response(status)
        handler.send_header("Content-Length", str(len(body)))
        handler.end_headers()
        handler.wfile.write(body)

    def close(self):
        self._server.shutdown()
        self._server.server_close()
        self.ensemble.close()


class Behind(Remote):
    """A model behind such a server."""

    name: ClassVar[str] = "behind"

    port: int

    def card(self):
        return Card(Capability.TEXT, "behind")

    async def open(self, name):
        refuse_own_address(name, [f"http://127.0.0.1:{self.port}/v1"])
        return BehindClient(self.port)


class BehindClient(Client):
    """It sends the chain with each request."""

    def __init__(self, port):
        self.port = port

    async def generate(self, request, on_text=None):
        del on_text
        text = await asyncio.to_thread(post, self.port, request.query.text, chain_headers())
        return Generated((Completion(text),) * len(request.seeds))


def post(port, question, headers):
    data = question.encode()
    request = urllib.request.Request(f"http://127.0.0.1:{port}/", data, headers)
    try:
        with urllib.request.urlopen(request, timeout=10) as reply:
            return json.load(reply)
    except urllib.error.HTTPError as refusal:
        raise ModelError("E701", f"{refusal.code}: {json.load(refusal)}") from None


@pytest.fixture
def serve(monkeypatch):
    """Serve recipes: `serve(A = "...", B = "...")`, which may name each other's ports."""
    monkeypatch.setitem(BACKENDS._all, "behind", Behind)
    with ExitStack() as stack:

        def start(**recipes):
            servers = {name: Served(name) for name in recipes}
            ports = {name: each.port for name, each in servers.items()}
            for name, recipe in recipes.items():
                servers[name].ensemble = composer.Recipe.load(recipe % ports).ready()
                stack.callback(servers[name].close)
            return servers

        yield start


def test_an_ensemble_that_asks_itself_ends_at_its_first_turn(serve):
    served = serve(A="model M = behind(port = %(A)d)\nM")["A"]
    with pytest.raises(ModelError, match="508: this ensemble was asked by itself"):
        post(served.port, "why?", {})
    assert served.asked == [None, served.id]


def test_two_that_ask_each_other_end_where_the_circle_closes(serve):
    servers = serve(A="model M = behind(port = %(B)d)\nM", B="model M = behind(port = %(A)d)\nM")
    a, b = servers["A"], servers["B"]
    with pytest.raises(ModelError, match="asked by itself"):
        post(a.port, "why?", {})
    assert a.asked == [None, f"{a.id}, {b.id}"]
    assert b.asked == [a.id]


def test_one_that_asks_another_is_answered_and_each_query_has_its_own_chain(serve):
    servers = serve(A="model M = behind(port = %(B)d)\nM", B="model M = fake(style = echo)\nM")
    with ThreadPoolExecutor(8) as pool:
        ways = [{HEADER: f"way{n}"} for n in range(16)]
        answers = list(pool.map(lambda way: post(servers["A"].port, way[HEADER], way), ways))
    assert answers == [way[HEADER] for way in ways]
    expected = {f"way{n}, {servers['A'].id}" for n in range(16)}
    assert set(servers["B"].asked) == expected


def test_a_chain_has_an_end():
    way = ", ".join(f"id{n}" for n in range(LONGEST))
    with pytest.raises(ModelError, match="came through 8 ensembles") as caught:
        refuse_own("other", way)
    assert caught.value.code == "E721"
    assert refuse_own("other", " a,, b ") == ("a", "b")
    assert chain_headers() == {}


@pytest.mark.parametrize(
    ("listens", "address", "own"),
    [
        ("127.0.0.1", "http://localhost:8000/v1", True),
        ("0.0.0.0", "http://127.0.0.1:8000/v1", True),
        ("::", "http://[::1]:8000", True),
        ("127.0.0.1", "http://localhost:8001/v1", False),
        ("127.0.0.1", "http://example.org:8000/v1", False),
        ("example.org", "https://example.org:8000/v1", True),
    ],
)
def test_a_model_behind_the_server_that_would_run_it_is_refused(listens, address, own):
    refuse_own_address("M", [address])
    with serving_at(listens, 8000):
        if own:
            with pytest.raises(ModelError, match="which is this server itself"):
                refuse_own_address("M", [address])
        else:
            refuse_own_address("M", [address])


def test_a_recipe_that_would_ask_its_own_server_is_refused_before_it_does(serve):
    served = serve(A="model M = behind(port = %(A)d)\nM")["A"]
    with serving_at("0.0.0.0", served.port), pytest.raises(Failure) as caught:
        served.ensemble("why?")
    assert caught.value.code == "E721"
    assert served.asked == []
