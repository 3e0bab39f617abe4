"""A reply in chunks: an event for each piece of text, as soon as it is written."""

from __future__ import annotations

import asyncio
from concurrent.futures import Future
from functools import partial
from typing import TYPE_CHECKING

from starlette.responses import Response

from composer.serve.errors import ProtocolError, error_of
from composer.serve.protocol.accounts import Answer, extension_json, token_counts, usage_json
from composer.serve.protocol.forms import DONE

if TYPE_CHECKING:
    from collections.abc import Sequence

    from starlette.types import Receive, Scope, Send

    from composer.run.result import Result
    from composer.serve.protocol.forms import Form
    from composer.serve.protocol.mailbox import Mailbox
    from composer.serve.protocol.orders import Order
    from composer.serve.protocol.runs import Runs
    from composer.values.details import TokenChoice

__all__ = ["EventStream"]

START = {
    "type": "http.response.start",
    "status": 200,
    "headers": [
        (b"content-type", b"text/event-stream; charset=utf-8"),
        (b"x-accel-buffering", b"no"),
    ],
}
"""How the reply begins; the second header keeps proxies from gathering the chunks."""


MOST_UNSENT = 4_000_000
"""The characters that may wait for a slow client; then its answers are ended."""


class Written:
    """One answer of a stream, as far as it is written: what was sent, and what is to be sent."""

    def __init__(self) -> None:
        self.begun = False
        self.text = ""
        self.pieces = 0
        self.tokens = 0
        self.waiting: list[TokenChoice] = []
        self.answer: Answer | None = None


class EventStream(Response):
    """Sends the answers of an order as they are written.

    Before the first text a failure is answered with its status. Later it is an event, which ends
    the stream.
    """

    def __init__(self, order: Order, form: Form, runs: Runs) -> None:
        super().__init__()
        self._order, self._form, self._runs = order, form, runs
        self._written = [Written() for _ in order.draws]
        self._open = len(order.draws)
        self._chunks: list[str] = []
        self._unsent = 0
        self._is_sending = False
        self._futures: list[Future[Result]] = []
        self._error: Exception | None = None
        self._waiter: asyncio.Future[None] | None = None
        self._mailbox: Mailbox = runs.mailbox
        self._read = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send the reply."""
        del scope, receive
        if self._order.counts:  # long prompts keep no other request waiting
            self._read = await asyncio.to_thread(_tokens_read, self._order)
        try:
            self._futures.extend(map(self._begun, range(len(self._order.draws))))
            await self._send_all(send)
        finally:
            self._stop()

    def _stop(self) -> None:
        """Stop what is still being written."""
        for future in self._futures:
            future.cancel()

    def _begun(self, index: int) -> Future[Result]:
        """Begin one answer; what it writes comes through the mailbox."""

        def put(item: object) -> None:
            self._mailbox.put(partial(self._take, index, item))

        future = self._runs.start(self._order, index, put)
        future.add_done_callback(put)
        return future

    async def _send_all(self, send: Send) -> None:
        begun = False
        while self._open and self._error is None:
            await self._news()
            if not begun:
                if self._error is not None:
                    raise self._error
                begun = True
                await send({**START})
            await self._send(send)
        last = self._end()
        if self._error is None:
            await self._send(send, last)
            return
        error = error_of(self._error, self._order.prompt)
        await self._send(send, error.event)
        if error is not self._error:  # a mistake of ours is logged
            raise self._error

    async def _send(self, send: Send, last: bytes = b"") -> None:
        """Send what was written since the last time."""
        body = "".join(self._chunks).encode() + last
        self._chunks.clear()
        self._unsent = 0
        self._is_sending = True
        await send({"type": "http.response.body", "body": body, "more_body": not last})
        self._is_sending = False

    async def _news(self) -> None:
        """Wait until there is something to send."""
        while not self._chunks and self._open and self._error is None:
            self._waiter = self._mailbox.loop.create_future()
            await self._waiter

    def _take(self, index: int, item: object) -> None:
        """Take a piece of text, a token or the end of an answer; called in the loop's thread."""
        if self._error is not None:
            return
        try:
            self._write(index, item)
        except Exception as error:  # noqa: BLE001 - whatever it is, it ends the stream
            self._error = error
        if (
            (self._chunks or not self._open or self._error)
            and self._waiter is not None
            and not self._waiter.done()
        ):
            self._waiter.set_result(None)

    def _write(self, index: int, item: object) -> None:
        if isinstance(item, str):
            self._add(index, item, None)
            self._demand_taker()
        elif isinstance(item, Future):
            self._finish(index, item)
        else:
            self._written[index].waiting.append(item)  # type: ignore[arg-type]

    def _demand_taker(self) -> None:
        """Raise ProtocolError where too much waits for a client that takes the last part slowly."""
        if self._is_sending and self._unsent > MOST_UNSENT:
            self._stop()
            text = f"{self._unsent:,} characters wait, since the client takes them too slowly"
            raise ProtocolError("E806", text, status=408)

    def _add(self, index: int, text: str, finish: str | None, tail: str = "") -> None:
        """Write a chunk with text, and the tokens that came with it."""
        written = self._written[index]
        if not written.begun:
            written.begun = True
            self._chunks.append(self._form.first(index))
        tokens, written.waiting = written.waiting, []
        written.tokens += len(tokens)
        written.text += text
        written.pieces += bool(text)
        counts = self._counts() if self._order.counts else ""
        self._chunks.append(self._form.delta(index, text, tokens, finish, counts + tail))
        self._unsent += len(self._chunks[-1])

    def _finish(self, index: int, future: Future[Result]) -> None:
        """Write what an answer had not written yet, and why it ended."""
        answer = self._runs.answer(self._order, index, future)
        rest = self._rest(index, answer)
        self._open -= 1
        written = self._written[index]
        written.answer = answer
        missing = answer.body.choices[written.tokens + len(written.waiting) :]
        if self._form.names is not None:
            written.waiting += missing
        if rest:
            self._add(index, rest, None)
        is_last = not self._open and not self._order.usage
        self._add(index, "", answer.finish, f',"ensemble":{self._extension()}' if is_last else "")

    def _rest(self, index: int, answer: Answer) -> str:
        """Return the text that was not sent; raises ProtocolError where another one was sent."""
        text, sent = answer.text, self._written[index].text
        if not text.startswith(sent):
            message = "the answer is another one than what was streamed: ask without `stream`"
            raise ProtocolError("E701", message)
        return text[len(sent) :]

    def _end(self) -> bytes:
        """Return the last events: the usage, where it is wanted, and the end; none after an error.

        A mistake of ours in them is an error as any other.
        """
        if self._error is not None or not self._order.usage:
            return b"" if self._error is not None else DONE
        try:
            usage = usage_json(each.result for each in self._answers)
            last = self._form.last(f'"usage":{usage},"ensemble":{self._extension()}')
        except Exception as error:  # noqa: BLE001 - whatever it is, it ends the stream
            self._error = error
            return b""
        return last.encode() + DONE

    @property
    def _answers(self) -> Sequence[Answer]:
        return [each.answer for each in self._written if each.answer is not None]

    def _extension(self) -> str:
        return extension_json(self._answers, whole_trace=self._order.trace)

    def _counts(self) -> str:
        """Return the usage so far, by the text that was written."""
        written = sum(max(each.pieces, each.tokens) for each in self._written)
        return f',"usage":{token_counts(self._read, written)}'


def _tokens_read(order: Order) -> int:
    """Return the tokens of all prompts as the first model reads them; 0 where they are not known.

    What each member has read is told at the end.
    """
    tokenizer = order.served.tokenizer
    if tokenizer is None:
        return 0
    return order.answers_each * sum(len(tokenizer.prompt(query)) for query in order.queries)
