"""The page's addresses, asked as a browser asks them."""

import asyncio
import json
from pathlib import Path

import pytest
from asgi import acall, call

from composer.serve.app import create_app
from composer.serve.lifecycle import Lifecycle, Stage
from composer.serve.settings import Settings

STATIC = Path(__file__).parents[2] / "composer" / "serve" / "page" / "static"


def _ask(app, **body):
    asked = {"messages": [{"role": "user", "content": "Add 17 and 25."}], **body}
    return call(app, "POST", "/api/ask", asked, _JSON)


_JSON = (("content-type", "application/json"),)


def _events(reply):
    blocks = reply.body.decode().strip().split("\n\n")
    return [json.loads(block.removeprefix("data: ")) for block in blocks if block[0] != ":"]


@pytest.mark.parametrize("path", ["/", "/trace/0123"])
def test_the_document_is_the_same_at_the_root_and_for_a_trace(app, path):
    reply = call(app, "GET", path)
    assert reply.status == 200
    assert reply.headers["content-type"].startswith("text/html")
    assert "default-src 'none'" in reply.headers["content-security-policy"]
    assert b"app/main.js" in reply.body


def test_files_are_sent_once_and_then_only_where_they_changed(app):
    reply = call(app, "GET", "/page/app/main.js")
    assert reply.body == (STATIC / "app" / "main.js").read_bytes()
    assert reply.headers["content-type"].startswith("text/javascript")
    assert reply.headers["x-content-type-options"] == "nosniff"
    tag = (("if-none-match", reply.headers["etag"]),)
    again = call(app, "GET", "/page/app/main.js", headers=tag)
    assert (again.status, again.body) == (304, b"")


@pytest.mark.parametrize(
    "path", ["app/none.js", "../assets.py", "%2e%2e/assets.py", "vendor/NOTICE"]
)
def test_nothing_but_the_pages_files_is_served(app, path):
    assert call(app, "GET", f"/page/{path}").status == 404


def test_models_are_told_with_their_graphs_and_what_they_refuse(app):
    average, majority = call(app, "GET", "/api/models").json()["models"]
    assert average["id"] == "average"
    assert average["members"] == ["general", "general_2"]
    assert average["example"] == "Add 17 and 25."
    assert average["refused"] == {}
    boxes = {box["id"]: box["title"] for box in average["graph"]["boxes"]}
    assert average["writers"] == [average["graph"]["answer"]]
    assert boxes[average["graph"]["answer"]] == "token_fuse"
    assert "prefix" in majority["refused"]
    assert {edge["target"] for edge in majority["graph"]["edges"]} <= {
        box["id"] for box in majority["graph"]["boxes"]
    }


def test_an_answer_is_told_event_by_event_and_can_be_read_again(app):
    reply = _ask(app, model="average", seed=3)
    assert reply.headers["content-type"].startswith("text/event-stream")
    events = _events(reply)
    kinds = [event["type"] for event in events]
    assert (kinds[0], kinds[-2:]) == ("begin", ["answer", "result"])
    assert {"step", "call", "text", "token", "call_end", "step_end"} <= set(kinds)
    assert events[0]["seed"] == 3
    answer, result = events[-2]["text"], events[-1]["result"]
    tokens = [event["token"] for event in events if event["type"] == "token"]
    assert "".join(token["text"] for token in tokens) == answer
    assert {member["name"] for member in tokens[0]["members"]} == {"general", "general_2"}
    assert sum(member["weight"] for member in tokens[0]["members"]) == pytest.approx(1)
    assert len(tokens[0]["top"]) == 8
    assert result["answer"] == answer.strip()
    trace = call(app, "GET", f"/api/traces/{events[0]['trace']}").json()
    assert trace == {"id": events[0]["trace"], "running": False, "events": events}


def test_an_answer_goes_on_from_a_prefix_which_it_does_not_repeat(app):
    whole = _events(_ask(app, model="average"))[-2]["text"]
    assert len(whole) > 2
    rest = _events(_ask(app, model="average", prefix=whole[:2]))[-2]["text"]
    assert whole[:2] + rest == whole
    half = _ask(app, model="average", prefix="\ud800")  # after one that can be honoured
    assert (half.status, half.error["code"]) == (400, "E402")


def test_what_cannot_be_honoured_is_refused_before_anybody_is_asked(app):
    reply = _ask(app, model="majority", prefix="4")
    assert (reply.status, reply.error["code"]) == (400, "E410")
    assert "prefix" in reply.error["message"]


@pytest.mark.parametrize(
    ("body", "status", "param"),
    [
        ({"model": "none"}, 404, "model"),
        ({}, 400, "model"),
        ({"model": "average", "temperature": -1}, 400, "temperature"),
        ({"model": "average", "messages": []}, 400, "messages"),
        ({"model": "average", "colour": "red"}, 400, "colour"),
        ({"model": "average", "seed": 1 << 63}, 400, "seed"),
    ],
)
def test_what_cannot_be_read_is_refused_with_the_field_to_blame(app, body, status, param):
    reply = _ask(app, **body)
    assert (reply.status, reply.error["param"]) == (status, param)


def test_what_the_page_sends_wrongly_is_named_as_other_requests_are(app):
    messages = [{"role": "user", "content": "Hi", "contents": ""}]
    assert _ask(app, model="average", messages=messages).error["message"] == (
        "there is no field `messages[0].contents` here (did you mean `content`?)"
    )
    broken = call(app, "POST", "/api/ask", b"{", _JSON)
    assert (broken.status, "no JSON" in broken.error["message"]) == (400, True)


def test_a_trace_that_is_not_there_is_said_to_be_gone(app):
    reply = call(app, "GET", "/api/traces/0123")
    assert (reply.status, reply.error["code"]) == (404, "E811")


def test_a_reader_that_leaves_ends_the_work(app):
    async def leave_early():
        left = asyncio.Event()
        asyncio.get_running_loop().call_later(0.05, left.set)
        asked = [{"role": "user", "content": "Add 17 and 25."}]
        body = {"model": "average", "messages": asked}
        return await acall(app, "POST", "/api/ask", body, _JSON, leave=left.wait())

    begin = _events(asyncio.run(leave_early()))[0]
    trace = call(app, "GET", f"/api/traces/{begin['trace']}").json()
    assert not trace["running"]
    assert trace["events"][-1]["type"] in {"error", "stopped"}


def test_only_the_page_itself_needs_no_key(registry):
    app = create_app(registry, Settings(key="secret"), Lifecycle(Stage.READY))
    open_paths = ("/", "/trace/1", "/page/app/main.js")
    assert [call(app, "GET", path).status for path in open_paths] == [200, 200, 200]
    assert call(app, "GET", "/api/models").status == 401
    assert call(app, "GET", "/api/traces/1").status == 401
    assert _ask(app, model="average").status == 401
    key = (("authorization", "Bearer secret"),)
    assert call(app, "GET", "/api/models", headers=key).status == 200


def test_a_server_without_the_page_has_none_of_its_addresses(registry):
    app = create_app(registry, Settings(page=False), Lifecycle(Stage.READY))
    for path in ("/", "/page/app/main.js", "/api/models"):
        assert call(app, "GET", path).status == 404
