"""An ensemble that asks itself ends with an error at its first turn, not in endless requests."""

import json
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import httpx2
import pytest

import composer
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
from composer.values import ModelError


class Served:
    """Serves a recipe on loopback as a chat: it answers a question with the ensemble's answer."""

    def __init__(self):
        self.id, self.asked, self.ensemble = ensemble_id(), [], None
        served = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self):
                body = self.rfile.read(int(self.headers["Content-Length"]))
                status, reply = served.answer(json.loads(body), self.headers.get(HEADER))
                content = json.dumps(reply).encode()
                self.send_response(status)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                self.wfile.write(content)

            def log_message(self, *_):
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.port = self._server.server_address[1]
        self.url = f"http://127.0.0.1:{self.port}/v1"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def answer(self, body, chain):
        self.asked.append(chain)
        try:
            with serving(self.id, chain):
                text = self.ensemble(body["messages"][-1]["content"]).answer
        except (ModelError, Failure) as error:
            status = LOOP_STATUS if error.code == "E721" else 500
            return status, {"error": {"message": error.message, "code": error.code}}
        message = {"role": "assistant", "content": text}
        choice = {"index": 0, "message": message, "finish_reason": "stop"}
        return 200, {"choices": [choice], "usage": {"prompt_tokens": 1, "completion_tokens": 1}}

    def close(self):
        self._server.shutdown()
        self._server.server_close()
        self.ensemble.close()


def post(served, question, way=""):
    """Ask a served ensemble; return the answer, or the status and the message of an error."""
    body = {"model": "ensemble", "messages": [{"role": "user", "content": question}]}
    headers = {HEADER: way} if way else {}
    reply = httpx2.post(f"{served.url}/chat/completions", json=body, headers=headers, timeout=20)
    if reply.status_code != httpx2.codes.OK:
        return reply.status_code, reply.json()["error"]["message"]
    return reply.json()["choices"][0]["message"]["content"]


@pytest.fixture
def serve():
    """Serve recipes: `serve(A = "...", B = "...")`, which may name each other's addresses."""
    with ExitStack() as stack:

        def start(**recipes):
            servers = {name: Served() for name in recipes}
            for name, recipe in recipes.items():
                text = recipe.format(**{each: server.url for each, server in servers.items()})
                servers[name].ensemble = composer.Recipe.load(text).ready()
                stack.callback(servers[name].close)
            return servers

        yield start


def behind(name):
    """Declare a model `M` behind a server, and ask it."""
    options = "probe = false, abilities = [chat: true, usage: true]"
    return f'model M = endpoint("ensemble", url = "{{{name}}}", {options})\nM'


def test_an_ensemble_that_asks_itself_ends_at_its_first_turn(serve):
    served = serve(A=behind("A"))["A"]
    status, message = post(served, "why?")
    assert status == LOOP_STATUS
    assert message.startswith(
        f"`M`: {served.url} refused the request: 508: this ensemble was asked"
    )
    assert served.asked == [None, served.id]


def test_two_that_ask_each_other_end_where_the_circle_closes(serve):
    servers = serve(A=behind("B"), B=behind("A"))
    a, b = servers["A"], servers["B"]
    status, message = post(a, "why?")
    assert (status, "was asked by itself" in message) == (LOOP_STATUS, True)
    assert a.asked == [None, f"{a.id}, {b.id}"]
    assert b.asked == [a.id]


def test_one_that_asks_another_is_answered_and_each_query_has_its_own_chain(serve):
    servers = serve(A=behind("B"), B="model M = fake(style = echo)\nM")
    ways = [f"way{n}" for n in range(16)]
    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(lambda way: post(servers["A"], way, way), ways)) == ways
    assert set(servers["B"].asked) == {f"{way}, {servers['A'].id}" for way in ways}


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
    served = serve(A=behind("A"))["A"]
    with serving_at("0.0.0.0", served.port), pytest.raises(Failure) as caught:
        served.ensemble("why?")
    assert caught.value.code == "E721"
    assert served.asked == []
