"""The spans of a request: its steps, its calls, and no texts unless they are asked for."""

import json

import pytest
from asgi import call

import composer
from composer.serve.app import create_app
from composer.serve.opening import open_server
from composer.serve.settings import Settings

pytest.importorskip("opentelemetry.sdk")

from opentelemetry.sdk.trace.export import SpanExportResult
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from composer.serve.telemetry import exporting

RECIPE = """
model A = fake(says = "yes it is", price = [1, 10])
model B = fake(fails = true)
[A, A, B] -> vote()
"""
BODY = {
    "model": "vote",
    "messages": [{"role": "user", "content": "a secret question"}],
    "max_tokens": 9,
    "seed": 7,
}
TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"


def spans_of(body=BODY, *, texts=False, headers=()):
    """Put a request; return its spans."""
    exporter = InMemorySpanExporter()
    with (
        exporting(texts=texts, fail=pytest.fail, exporter=exporter) as telemetry,
        open_server({"vote": composer.load(RECIPE)}, Settings(), telemetry=telemetry) as opened,
    ):
        app = create_app(opened.registry, Settings(), metrics=opened.metrics, monitors=[telemetry])
        headers = {"content-type": "application/json", **dict(headers)}
        call(app, "POST", "/v1/chat/completions", body, headers)
        call(app, "GET", "/health")
    return [*exporter.get_finished_spans()]


def named(spans, name):
    return next(each for each in spans if each.name == name)


@pytest.fixture(scope="module")
def spans():
    return spans_of(headers={"traceparent": f"00-{TRACE}-00f067aa0ba902b7-01"})


def test_a_request_has_a_span_with_spans_of_steps_and_calls_below_it(spans):
    names = {each.context.span_id: each.name for each in spans}
    below = {(names.get(each.parent.span_id), each.name) for each in spans}
    assert below == {
        (None, "chat vote"),
        ("chat vote", "bank"),
        ("chat vote", "vote"),
        ("chat vote", "generate"),
        ("generate", "chat A"),
        ("generate", "chat B"),
    }


def test_the_span_of_a_request_follows_the_conventions(spans):
    attributes = named(spans, "chat vote").attributes
    assert dict(attributes) == {
        "http.request.method": "POST",
        "http.response.status_code": 200,
        "url.path": "/v1/chat/completions",
        "gen_ai.operation.name": "chat",
        "gen_ai.provider.name": "ensemble-composer",
        "gen_ai.request.model": "vote",
        "gen_ai.response.model": "vote",
        "gen_ai.request.max_tokens": 9,
        "gen_ai.request.seed": 7,
        "gen_ai.usage.output_tokens": 3,
    }
    assert format(named(spans, "chat vote").context.trace_id, "032x") == TRACE
    assert named(spans, "chat vote").resource.attributes["service.name"] == "ensemble-composer"


def test_the_span_of_a_call_has_what_it_took_or_its_error(spans):
    answered, failed = named(spans, "chat A"), named(spans, "chat B")
    assert answered.attributes["gen_ai.usage.output_tokens"] == 3
    assert answered.attributes["compose.dollars"] == pytest.approx(33e-6)
    assert failed.attributes["error.type"] == "E701"
    assert not failed.status.is_ok
    assert answered.start_time <= answered.end_time <= named(spans, "vote").end_time


def test_texts_are_in_spans_only_if_they_are_asked_for(spans):
    written = "".join(each.to_json() for each in spans)
    assert "secret" not in written
    assert "yes it" not in written
    told = spans_of(texts=True)
    asked = json.loads(named(told, "chat vote").attributes["gen_ai.input.messages"])
    assert asked == [{"role": "user", "parts": [{"type": "text", "content": "a secret question"}]}]
    assert "yes it is" in named(told, "chat A").attributes["gen_ai.output.messages"]


def test_a_refused_request_has_its_status():
    (span,) = spans_of({**BODY, "model": "none"})
    assert (span.name, span.attributes["error.type"]) == ("POST /v1/chat/completions", "404")


def test_that_spans_cannot_be_sent_is_told_once():
    class Refusing(InMemorySpanExporter):
        def export(self, spans):  # noqa: ARG002
            return SpanExportResult.FAILURE

    told = []
    with exporting(texts=False, fail=told.append, exporter=Refusing()) as telemetry:
        for _ in range(3):
            telemetry._tracer.start_span("one").end()
    assert told == ["spans cannot be sent; check OTEL_EXPORTER_OTLP_ENDPOINT"]
