"""Queries that nobody watched: their traces as the events that the page reads."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from composer.serve.page.events import EventWriter, json_text
from composer.serve.page.traces import KeptTrace
from composer.values import Query, Text
from composer.values.media import shown_messages

if TYPE_CHECKING:
    from collections.abc import Mapping

    from composer.run.result import Result
    from composer.serve.protocol.orders import Draw
    from composer.serve.served import ServedModel

__all__ = ["FinishedTrace", "question_of", "result_events"]


class FinishedTrace(KeptTrace):
    """A result, whose events are written when somebody looks at them.

    It lets go of the tokens and of the query, whose details and media may be large.
    """

    def __init__(self, id: str, question: Mapping[str, object], result: Result) -> None:  # noqa: A002 - the word of the field
        super().__init__(id)
        self.is_open = False
        text = result.text and Text(Query.of(""), result.text.text, result.text.source)
        self._question, self._result = question, replace(result, text=text)
        trace = result.trace
        calls = [call for step in trace.events for call in step.asked] if trace else []
        self.size = sum(
            len(call.text) + sum(len(text) for _, text in call.prompt) for call in calls
        )

    @property
    def lines(self) -> list[str]:
        """The events as JSON."""
        writer, result = EventWriter(), self._result
        events = () if result.trace is None else result.trace.watched_events()
        return [
            json_text({"type": "begin", "trace": self.id, **self._question}),
            *map(writer.write, events),
            *result_events(result),
        ]


def question_of(served: ServedModel, draw: Draw) -> dict[str, object]:
    """Return what was asked, as the page asks it."""
    query, options = draw.query, draw.options
    messages = [
        {"role": role, "content": text}
        for role, text in shown_messages(query.messages, query.media)
    ]
    return {
        "model": served.id,
        "messages": messages,
        "prefix": options.prefix,
        "temperature": options.temperature,
        "max_tokens": options.max_tokens,
        "seed": draw.seed,
    }


def result_events(result: Result) -> list[str]:
    """Return the last events of a query: its answer and its result."""
    text, source = ("", "") if result.text is None else (result.text.text, result.text.source)
    trace = None if result.trace is None else result.trace.as_dict()
    return [
        json_text({"type": "answer", "text": text, "source": source}),
        json_text({"type": "result", "result": result.as_dict(), "trace": trace}),
    ]
