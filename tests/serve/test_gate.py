"""What each request goes through before it is answered."""

import asyncio
from concurrent.futures import Future

import pytest
from asgi import acall, call
from fastapi import FastAPI, Request, Response

from composer.serve.admission import Admission
from composer.serve.app import create_app
from composer.serve.errors import ProtocolError
from composer.serve.lifecycle import Lifecycle, Stage
from composer.serve.served import Registry
from composer.serve.settings import Settings


def app_with(settings=None, lifecycle=None) -> FastAPI:
    app = create_app(Registry({}), settings or Settings(), lifecycle)

    @app.post("/echo")
    async def echo(request: Request) -> Response:
        return Response(await request.body())

    @app.post("/broken")
    async def broken() -> Response:
        raise ZeroDivisionError("sk-0123456789abcdefghij")

    return app


def error(app, method="POST", path="/echo", body=b"", **headers):
    reply = call(app, method, path, body, {k.replace("_", "-"): v for k, v in headers.items()})
    return reply.status, reply.error["code"]


KEY = Settings(key="secret")


def test_a_request_needs_the_key():
    app = app_with(KEY)
    assert error(app) == (401, "E803")
    assert error(app, authorization="Bearer other") == (401, "E803")
    assert error(app, authorization="Basic secret") == (401, "E803")
    assert call(app, "POST", "/echo", b"hi", {"authorization": "Bearer secret"}).body == b"hi"
    assert call(app, "POST", "/echo", b"hi", {"authorization": "bearer secret"}).status == 200


def test_figures_and_plans_need_the_key_and_the_health_does_not():
    app = app_with(KEY)
    statuses = {path: call(app, "GET", path).status for path in ("/metrics", "/plan", "/version")}
    assert set(statuses.values()) == {401}
    assert call(app, "GET", "/health").json() == {"status": "ready", "models": []}
    assert call(app, "HEAD", "/health").status == 200
    assert call(app, "GET", "/openapi.json").json()["info"]["title"] == "ensemble-composer"


@pytest.mark.parametrize(
    "host", ["evil.example", "evil.example:8000", "127.0.0.1.evil.example", "[::1", "[]", ""]
)
def test_without_a_key_the_host_is_this_machine(host):
    assert error(app_with(), host=host) == (403, "E803")
    assert call(app_with(KEY), "GET", "/health", headers={"host": host}).status == 200


@pytest.mark.parametrize("host", ["localhost:8000", "127.0.0.1", "[::1]:8000", "LOCALHOST"])
def test_names_of_this_machine_are_its_own(host):
    assert call(app_with(), "GET", "/health", headers={"host": host}).status == 200


def test_a_page_of_another_origin_may_not_ask():
    headers = {"host": "localhost:8000", "origin": "http://evil.example"}
    assert error(app_with(), **headers) == (403, "E803")
    for origin in ("null", "http://[", "["):
        assert error(app_with(), **headers | {"origin": origin}) == (403, "E803")
    own = headers | {"origin": "http://localhost:8000"}
    assert call(app_with(), "POST", "/echo", b"hi", own).body == b"hi"


def test_an_allowed_origin_may_ask_and_read():
    origin = "http://front.example"
    app = app_with(Settings(origins=(origin,)))
    reply = call(app, "POST", "/echo", b"hi", {"origin": origin})
    assert reply.headers["access-control-allow-origin"] == origin
    assert "access-control-allow-origin" not in call(app_with(), "GET", "/health").headers
    asked = {"access-control-request-method": "POST"}
    asked["access-control-request-headers"] = "authorization, x-stainless-lang"
    allowed = call(app, "OPTIONS", "/echo", headers={"origin": origin, **asked})
    assert (allowed.status, "x-stainless-lang" in str(allowed.headers)) == (200, True)


def test_each_reply_has_security_headers():
    for path in ("/health", "/nowhere"):
        headers = call(app_with(), "GET", path).headers
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["cache-control"] == "no-store"


def test_a_large_body_is_refused_by_its_stated_length_before_it_is_read():
    app = app_with(Settings(max_body=10))
    assert error(app, body=b"x", content_length="100000000") == (413, "E804")
    assert error(app, body=b"x" * 11, content_length="0") == (413, "E804")
    assert call(app, "POST", "/echo", b"x" * 10).body == b"x" * 10


def test_a_body_that_does_not_arrive_is_not_waited_for():
    app = app_with(Settings(stall=0.01))
    reply = asyncio.run(acall(app, "POST", "/echo", withheld=True))
    assert (reply.status, reply.error["code"]) == (408, "E801")


def test_a_mistake_of_the_server_is_told_without_its_text(capsys):
    assert error(app_with(), path="/broken") == (500, "E809")
    assert "ZeroDivisionError: ***" in capsys.readouterr().err


def test_a_request_that_came_through_this_server_is_refused():
    app = app_with(lifecycle=(lifecycle := Lifecycle()))
    assert error(app, x_ensemble_chain=f"other, {lifecycle.id}") == (508, "E721")


def test_a_server_that_stops_takes_nothing_new():
    app = app_with(lifecycle=Lifecycle(Stage.STOPPING))
    assert error(app) == (503, "E806")
    assert call(app, "GET", "/health").status == 503


def test_what_a_request_has_begun_ends_when_its_time_is_over():
    app, inner = app_with(Settings(timeout=0.01)), Future()
    admission = Admission()

    @app.post("/slow")
    async def slow() -> Response:
        await asyncio.wrap_future(admission.submit("m", lambda: inner))
        return Response()

    assert error(app, path="/slow") == (504, "E702")
    assert inner.cancelled()


def test_what_a_request_has_begun_ends_when_its_client_leaves():
    app, inner, admission = app_with(), Future(), Admission()
    begun = asyncio.Event()

    @app.post("/slow")
    async def slow() -> Response:
        outcome = admission.submit("m", lambda: inner)
        begun.set()
        await asyncio.wrap_future(outcome)
        return Response()

    async def leave():
        await begun.wait()

    reply = asyncio.run(acall(app, "POST", "/slow", leave=leave()))
    assert reply.status == 499
    assert inner.cancelled()


def test_what_a_request_has_begun_ends_with_its_reply():
    app, inner, admission = app_with(), Future(), Admission()

    @app.post("/quick")
    async def quick() -> Response:
        admission.submit("m", lambda: inner)
        return Response()

    assert call(app, "POST", "/quick").status == 200
    assert inner.cancelled()


def test_a_client_that_takes_nothing_is_left():
    lifecycle = Lifecycle()
    app = app_with(Settings(stall=0.02), lifecycle)

    async def nothing(_messages):
        await asyncio.Event().wait()

    asyncio.run(acall(app, "POST", "/echo", take=nothing))
    assert not lifecycle.visits


def test_ending_all_visits_tells_each_why():
    lifecycle = Lifecycle()
    app, admission = app_with(lifecycle=lifecycle), Admission()

    @app.post("/slow")
    async def slow() -> Response:
        outcome = admission.submit("m", Future)
        assert lifecycle.end_all(ProtocolError("E806", "the server is stopping")) == 1
        await asyncio.wrap_future(outcome)
        return Response()

    assert error(app, path="/slow") == (503, "E806")
