"""Batch files: requests of the OpenAI protocol, one a line, that a recipe answers without a server.

Each is read, and its reply written, as the server does it. FastAPI is not needed.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from composer.data import CUSTOM, REQUEST, BadRow
from composer.diagnostics.errors import CodedError, code_in
from composer.run.result import Failure
from composer.serve.errors import ProtocolError, refusal
from composer.serve.protocol.accounts import Answer
from composer.serve.protocol.bodies import ChatBody, CompletionBody
from composer.serve.protocol.forms import ChatForm, CompletionForm, whole_reply
from composer.serve.protocol.options import field_at_fault
from composer.serve.protocol.orders import chat_order, completion_order
from composer.serve.protocol.problems import problem_of
from composer.serve.responses import chat_body, response

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from composer.run.result import Result
    from composer.serve.protocol.forms import Form
    from composer.serve.protocol.orders import Order
    from composer.serve.served import ServedModel
    from composer.values import Query
    from composer.values.options import AnswerOptions

__all__ = ["Batch"]

DONE = 200
"""The status of a request that was answered."""

CHAT, COMPLETION, RESPONSE = "/chat/completions", "/completions", "/responses"

NOT_HERE = {
    "stream": "a batch has no streams",
    "stream_options": "a batch has no streams",
    "echo": "a batch repeats no prompts; ask a server (`compose serve`)",
}
"""Fields of a body that only a server honours, and why."""

ADVICE = "a request is what a server is sent: `docs/serving.md` has its fields"


@dataclass(eq=False)
class _Request:
    """A request that is being answered: what it comes to, and the results that are there."""

    order: Order
    form: Form
    is_response: bool = False
    results: dict[int, Result] = field(default_factory=dict)

    @property
    def is_done(self) -> bool:
        return len(self.results) == len(self.order.draws)


class Batch:
    """Requests of a batch file: as queries for a model, and with its results as replies."""

    def __init__(self, served: ServedModel) -> None:
        self._served = served
        self._draws: dict[str, tuple[str, int]] = {}
        self._requests: dict[str, _Request] = {}
        self._rows: dict[str, dict[str, object]] = {}

    def query_of(self, row: Mapping[str, Any]) -> Query:
        """Return the query of a row that is a request, under its id; raises BadRow."""
        try:
            request = self._read(row[REQUEST])
        except ProtocolError as error:
            raise BadRow(error.message, ADVICE) from None
        except CodedError as error:
            raise BadRow(error.message, error.help) from None
        fields, name = {CUSTOM: row[CUSTOM], REQUEST: row[REQUEST]}, str(row[CUSTOM])
        return replace(request.order.draws[0].query, id=name, content="", fields=fields)

    def check(self, queries: Iterable[Query]) -> None:
        """Raise Failure where the recipe cannot honour what a request asks; nobody is asked."""
        honoured: set[AnswerOptions] = set()
        ids, further = set[str](), set[str]()
        for query in queries:
            ids.add(query.id)
            if REQUEST not in query.fields:
                continue
            order = self._read(query.fields[REQUEST]).order
            further.update(_draw_id(query, at) for at in range(1, len(order.draws)))
            options = order.draws[0].options
            if options in honoured:
                continue
            try:
                self._served.settled(options)
            except CodedError as error:
                message = field_at_fault(error, order.prompt).message
                text = f"the request `{query.id}` cannot be honoured: {message}"
                raise Failure(error.code, text) from error
            honoured.add(options)
        for id_ in sorted(ids & further):
            text = f"the id `{id_}` is also that of a further answer to another request"
            raise Failure("E504", text, "give that request an id without `#` and a number")

    def questions(self, queries: Iterable[Query]) -> Iterator[Query | tuple[Query, AnswerOptions]]:
        """Yield each query, or those of a request, one for each answer that it wants."""
        for query in queries:
            if REQUEST not in query.fields:
                yield query
                continue
            request = self._requests[query.id] = self._read(query.fields[REQUEST])
            is_seeded = query.fields[REQUEST]["body"].get("seed") is not None
            for at, draw in enumerate(request.order.draws):
                name = _draw_id(query, at)
                self._draws[name] = query.id, at
                content = draw.query.content if is_seeded else ""  # what is drawn depends on it
                asked = replace(draw.query, id=name, content=content, fields=query.fields)
                yield asked, draw.options

    def whole(self, results: Iterable[Result]) -> Iterator[Result]:
        """Yield the results, of a request with several answers only one when all are there."""
        for result in results:
            place = self._draws.pop(result.id, None)
            if place is None:
                yield result
                continue
            name, at = place
            request = self._requests[name]
            request.results[at] = result
            if request.is_done:
                del self._requests[name]
                ordered = [request.results[each] for each in range(len(request.results))]
                first = next((each for each in ordered if each.error is not None), ordered[0])
                self._rows[name] = _row(name, request, ordered, first.error)
                yield replace(first, id=name)

    def row(self, result: Result) -> dict[str, object] | None:
        """Return the line that a request is answered with; None for any other query."""
        return self._rows.pop(result.id, None)

    def _read(self, request: Mapping[str, Any]) -> _Request:
        """Return what a request comes to; raises ProtocolError or a CodedError."""
        url, body = request["url"] or _url(request["body"]), request["body"]
        for name in NOT_HERE.keys() & body.keys():
            if body[name]:
                raise refusal(name, f"`{name}` is not honoured: {NOT_HERE[name]}")
        is_response = url.endswith(RESPONSE)
        body = {"model": self._served.id, **(chat_body(body) if is_response else body)}
        kind = ChatBody if is_response or url.endswith(CHAT) else CompletionBody
        try:
            parsed = kind.model_validate(body)
        except ValidationError as error:
            raise problem_of(error.errors(), kind) from None
        if isinstance(parsed, ChatBody):
            order = chat_order(self._served, parsed)
            return _Request(order, ChatForm(self._served.id, order.names), is_response)
        order = completion_order(self._served, parsed)
        return _Request(order, CompletionForm(self._served.id, order.names))


def _draw_id(query: Query, at: int) -> str:
    """Return the id of the answer at a place, of those that a request wants."""
    return query.id if at == 0 else f"{query.id}#{at + 1}"


def _url(body: Mapping[str, object]) -> str:
    """Return where a request that does not say it would be sent."""
    if "prompt" in body:
        return COMPLETION
    return RESPONSE if "input" in body else CHAT


def _row(
    name: str, request: _Request, results: list[Result], error: str | None
) -> dict[str, object]:
    """Write the line of a batch's output: a response, or an error with its code."""
    row: dict[str, object] = {"id": f"batch_req_{name}", CUSTOM: name}
    if error is not None:
        failure = {"code": code_in(error) or "E701", "message": error}
        return row | {"response": None, "error": failure}
    draws = request.order.draws
    answers = [Answer(each, draw.seed, None) for each, draw in zip(results, draws, strict=True)]
    body = json.loads(whole_reply(request.order, request.form, answers))
    if request.is_response:
        body = response(body)
    reply = {"status_code": DONE, "request_id": f"req_{name}", "body": body}
    return row | {"response": reply, "error": None}
