"""Spans of OpenTelemetry: one for each request, and below it one for each step and each call.

Attributes follow the semantic conventions for generative AI. Texts are in them only if asked for.
"""

from __future__ import annotations

import json
import logging
import os
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

from opentelemetry.propagate import extract
from opentelemetry.sdk.trace.export import SpanExporter, SpanExportResult
from opentelemetry.trace import SpanKind, Status, StatusCode, set_span_in_context

from composer.diagnostics.errors import code_in
from composer.run.events import CallBegan, CallEnded, StepBegan, StepEnded
from composer.steps import STEPS
from composer.values import Port

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator, Mapping, Sequence

    from opentelemetry.sdk.trace import ReadableSpan
    from opentelemetry.trace import Span, Tracer
    from opentelemetry.util.types import AttributeValue

    from composer.run.events import Event, OnEvent
    from composer.serve.visits import Visit
    from composer.values import Query, Usage
    from composer.values.options import AnswerOptions

__all__ = ["Telemetry", "exporting"]

PROVIDER = "ensemble-composer"

OPERATIONS = {"/v1/chat/completions": "chat", "/v1/completions": "text_completion"}
"""The operations of the conventions, by the addresses that ask for them."""

REQUEST = {
    "temperature": "temperature",
    "top_p": "top_p",
    "top_k": "top_k",
    "max_tokens": "max_tokens",
    "stop": "stop_sequences",
    "seed": "seed",
    "presence_penalty": "presence_penalty",
    "frequency_penalty": "frequency_penalty",
}
"""The attributes of options below `gen_ai.request`."""

CARRIED = ("traceparent", "tracestate", "baggage")
"""The headers that name the span which a request belongs to."""

SECOND = 10**9
"""Nanoseconds."""


class Telemetry:
    """Makes the spans of a server. Prompts and answers are written into them if `texts`."""

    def __init__(self, tracer: Tracer, *, texts: bool = False) -> None:
        self._tracer, self._texts = tracer, texts
        self._spans: dict[Visit, Span] = {}

    def arrive(self, visit: Visit, headers: Mapping[bytes, bytes]) -> None:
        """Begin the span of a request, below the one that its headers name."""
        if visit.method != "POST":
            return
        carrier = {
            each: headers[each.encode()].decode("latin-1")
            for each in CARRIED
            if each.encode() in headers
        }
        attributes = {
            "http.request.method": visit.method,
            "url.path": visit.path,
            "gen_ai.operation.name": OPERATIONS.get(visit.path, visit.path.rpartition("/")[2]),
            "gen_ai.provider.name": PROVIDER,
        }
        self._spans[visit] = self._tracer.start_span(
            f"POST {visit.path}", extract(carrier), SpanKind.SERVER, attributes
        )

    def leave(self, visit: Visit, status: int) -> None:
        """End the span of a request."""
        span = self._spans.pop(visit, None)
        if span is None:
            return
        span.set_attribute("http.response.status_code", status)
        if visit.tokens is not None:
            span.set_attribute("gen_ai.usage.output_tokens", visit.tokens)
        if visit.first_text is not None:
            span.set_attribute("gen_ai.response.time_to_first_chunk", visit.first_text)
        if status >= 400 or not status:  # noqa: PLR2004 - the first status of an error
            span.set_attribute("error.type", str(status))
            span.set_status(Status(StatusCode.ERROR))
        span.end()

    def listener(
        self,
        visit: Visit,
        query: Query,
        options: AnswerOptions | None,
        also: OnEvent | None,
    ) -> OnEvent | None:
        """Return what makes spans of the events of a query, and hands them on to `also`."""
        span = self._spans.get(visit)
        if span is None:
            return also
        operation = OPERATIONS.get(visit.path)
        if operation is not None:
            span.update_name(f"{operation} {visit.model}")
        span.set_attributes(_asked(visit.model, options))
        if self._texts:
            span.set_attribute("gen_ai.input.messages", _messages(query.messages))
        events = _QuerySpans(self._tracer, span, texts=self._texts)

        def listen(event: Event) -> None:
            events.take(event)
            if also is not None:
                also(event)

        return listen


class _QuerySpans:
    """The spans of one query: one for each step, and below it one for each call."""

    def __init__(self, tracer: Tracer, parent: Span, *, texts: bool) -> None:
        self._tracer, self._parent, self._texts = tracer, parent, texts
        self._began: int | None = None
        self._steps: dict[str, Span] = {}
        self._calls: dict[tuple[str, int], Span] = {}

    def take(self, event: Event) -> None:
        """Begin or end a span."""
        match event:
            case StepBegan() if STEPS[event.op].gives is not Port.MODEL:
                attributes = {"compose.step": event.step, "compose.operation": event.op}
                self._steps[event.step] = self._span(
                    event.op, self._parent, SpanKind.INTERNAL, attributes, event.at
                )
            case StepEnded() if event.step in self._steps:
                if self._texts and event.gave is not None:
                    self._steps[event.step].set_attribute("compose.gave", event.gave)
                self._end(self._steps.pop(event.step), event.error, event.at)
            case CallBegan():
                parent = self._steps.get(event.step, self._parent)
                self._calls[event.step, event.call] = self._span(
                    f"chat {event.model}", parent, SpanKind.CLIENT, _call(event), event.at
                )
            case CallEnded() if (event.step, event.call) in self._calls:
                span = self._calls.pop((event.step, event.call))
                span.set_attributes(_answered(event.usage.values()))
                span.set_attribute("compose.cached", event.cached)
                if self._texts:
                    answer = _messages([("assistant", event.text)])
                    span.set_attribute("gen_ai.output.messages", answer)
                self._end(span, event.error, event.at)

    def _span(
        self,
        name: str,
        parent: Span,
        kind: SpanKind,
        attributes: Mapping[str, AttributeValue],
        at: float,
    ) -> Span:
        context = set_span_in_context(parent)
        return self._tracer.start_span(name, context, kind, attributes, start_time=self._time(at))

    def _end(self, span: Span, error: str | None, at: float) -> None:
        if error is not None:
            span.set_attribute("error.type", code_in(error) or error)
            span.set_status(Status(StatusCode.ERROR))
        span.end(self._time(at))

    def _time(self, at: float) -> int:
        """Return a time of the query in nanoseconds since 1970."""
        if self._began is None:
            self._began = time.time_ns() - int(at * SECOND)
        return self._began + int(at * SECOND)


@contextmanager
def exporting(
    *, texts: bool, fail: Callable[[str], None], exporter: SpanExporter | None = None
) -> Iterator[Telemetry]:
    """Send spans to where `OTEL_EXPORTER_OTLP_ENDPOINT` says, and the rest of them at the end.

    `fail` is told once if they cannot be sent.
    """
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
    from opentelemetry.sdk.resources import Resource
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import BatchSpanProcessor

    logging.getLogger("opentelemetry").setLevel(logging.CRITICAL)
    named = Resource.create({"service.name": os.environ.get("OTEL_SERVICE_NAME") or PROVIDER})
    provider = TracerProvider(resource=named, shutdown_on_exit=False)
    telling = _TellingExporter(exporter or OTLPSpanExporter(), fail)
    provider.add_span_processor(BatchSpanProcessor(telling))
    try:
        yield Telemetry(provider.get_tracer(PROVIDER), texts=texts)
    finally:
        provider.shutdown()


class _TellingExporter(SpanExporter):
    """Sends spans by another exporter, and tells once if that fails."""

    def __init__(self, exporter: SpanExporter, fail: Callable[[str], None]) -> None:
        self._exporter, self._fail, self._told = exporter, fail, False

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        """Send spans."""
        result = self._exporter.export(spans)
        if result is not SpanExportResult.SUCCESS and not self._told:
            self._told = True
            self._fail("spans cannot be sent; check OTEL_EXPORTER_OTLP_ENDPOINT")
        return result

    def shutdown(self) -> None:
        """Close the other exporter."""
        self._exporter.shutdown()


def _asked(model: str, options: AnswerOptions | None) -> dict[str, AttributeValue]:
    """Return the attributes of a request: the model, and the options that it set."""
    names = options.set_names if options is not None else ()
    values = {REQUEST[each]: getattr(options, each) for each in names if each in REQUEST}
    chosen = {f"gen_ai.request.{name}": value for name, value in values.items()}
    return {"gen_ai.request.model": model, "gen_ai.response.model": model, **chosen}


def _call(event: CallBegan) -> dict[str, AttributeValue]:
    return {
        "gen_ai.operation.name": "chat",
        "gen_ai.request.model": event.model,
        "compose.call": event.what,
    }


def _answered(usages: Collection[Usage]) -> dict[str, AttributeValue]:
    """Return the attributes of what an answer has taken."""
    return {
        "gen_ai.usage.input_tokens": sum(each.prompt_tokens for each in usages),
        "gen_ai.usage.output_tokens": sum(each.completion_tokens for each in usages),
        "compose.dollars": sum(each.cost for each in usages),
    }


def _messages(messages: Sequence[tuple[str, str]]) -> str:
    """Return messages in the form of the conventions."""
    return json.dumps([{"role": r, "parts": [{"type": "text", "content": c}]} for r, c in messages])
