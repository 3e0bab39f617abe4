"""An answer of the protocol has a trace, which the page shows as if it had watched."""

import weakref

import pytest
from asgi import call
from served_app import registry_of

from composer.run.result import Result
from composer.serve.app import create_app
from composer.serve.page.finished import FinishedTrace
from composer.serve.settings import Settings
from composer.values import Query, Text

JSON = {"content-type": "application/json"}
RECIPE = 'model A = fake("yes")\nmodel B = fake("no")\n[A, A, B] -> vote()'


@pytest.fixture
def vote():
    with registry_of(vote=RECIPE) as registry:
        yield registry


def asked(app):
    body = {"model": "vote", "messages": [{"role": "user", "content": "Well?"}], "seed": 3}
    return call(app, "POST", "/v1/chat/completions", body, JSON).json()["ensemble"]["trace"]


def test_an_answer_of_the_protocol_has_a_trace_to_look_at(vote):
    app = create_app(vote, Settings())
    id_ = asked(app)
    trace = call(app, "GET", f"/api/traces/{id_}").json()
    begin, *events = trace["events"]
    assert (trace["running"], begin["trace"]) == (False, id_)
    question = {"model": "vote", "messages": [{"role": "user", "content": "Well?"}], "seed": 3}
    assert question.items() <= begin.items()
    kinds = [each["type"] for each in events]
    assert kinds[-2:] == ["answer", "result"]
    assert kinds.count("call") == kinds.count("call_end") == 2  # A is asked once
    assert kinds.count("step") == kinds.count("step_end") > 3
    moments = [each["at"] for each in events if "at" in each]
    assert moments == sorted(moments)
    assert events[-2]["text"] == "yes"


def test_a_trace_lets_go_of_the_media_of_its_query():
    class Media(dict):
        """A dict that can be watched."""

    media = Media(image="large")
    text = Text(Query((("user", "What is this?"),), media=media), "a cat", "A")
    trace = FinishedTrace("1", {"model": "A"}, Result("1", "What is this?", "a cat", text=text))
    watched = weakref.ref(media)
    del media, text
    assert watched() is None
    assert '"a cat"' in trace.json


def test_without_the_page_no_trace_is_kept(vote):
    app = create_app(vote, Settings(page=False))
    assert asked(app) is None
