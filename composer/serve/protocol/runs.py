"""Putting the queries of a request to its model, and waiting for whole answers."""

from __future__ import annotations

import asyncio
from concurrent.futures import Future
from typing import TYPE_CHECKING

from starlette.responses import Response

from composer.diagnostics.errors import CodedError
from composer.run.result import closed
from composer.serve.errors import error_of, refusal
from composer.serve.protocol.accounts import Answer, no_trace
from composer.serve.protocol.forms import whole_reply
from composer.serve.protocol.mailbox import Mailbox
from composer.serve.protocol.options import field_at_fault

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from composer.run.result import Result
    from composer.serve.protocol.accounts import KeepTrace
    from composer.serve.protocol.forms import Form
    from composer.serve.protocol.orders import Order

__all__ = ["ReadyRuns", "Runs"]


class Runs:
    """Puts the queries of orders to their models; `keep_trace` keeps what led to a result."""

    def __init__(self, keep_trace: KeepTrace = no_trace) -> None:
        self._keep_trace = keep_trace
        self._mailbox: Mailbox | None = None

    @property
    def mailbox(self) -> Mailbox:
        """The mailbox of the running event loop."""
        loop = asyncio.get_running_loop()
        if self._mailbox is None or self._mailbox.loop is not loop:
            self._mailbox = Mailbox(loop)
        return self._mailbox

    def check(self, order: Order) -> None:
        """Raise ProtocolError where the model cannot honour the options; nobody is asked."""
        options = order.draws[0].options
        try:
            order.served.settled(options)
        except CodedError as error:
            raise field_at_fault(error, order.prompt) from error

    def start(
        self, order: Order, index: int, put: Callable[[object], None] | None = None
    ) -> Future[Result]:
        """Begin an answer when its turn comes; `put` takes its text and tokens."""
        put = put if order.served.ensemble.streams else None
        draw = order.draws[index]
        detail = draw.options.detail
        return order.served.start(
            draw.query,
            options=draw.options,
            on_text=put,
            on_token=None if detail is None else put,
        )

    async def whole(self, order: Order, form: Form) -> Response:
        """Return the reply when all answers are there; the first that fails ends the others."""
        futures: list[Future[Result]] = []
        try:
            futures.extend(self.start(order, at) for at in range(len(order.draws)))
            await _ended(futures)
            first = next((at for at, each in enumerate(futures) if _failed(each)), None)
            if first is not None:
                self.answer(order, first, futures[first])
            answers = [self.answer(order, at, each) for at, each in enumerate(futures)]
        finally:
            for future in futures:
                future.cancel()
        return Response(whole_reply(order, form, answers), media_type="application/json")

    def answer(self, order: Order, index: int, future: Future[Result]) -> Answer:
        """Return the answer of a future that is done; raises ProtocolError."""
        draw = order.draws[index]
        if future.cancelled():
            raise error_of(closed())
        error = future.exception()
        if error is not None:
            raise error_of(error, order.prompt) from error
        result = future.result()
        answer = Answer(result, draw.seed, self._keep_trace(order.served, draw, result))
        if draw.options.detail is not None and answer.text and not answer.body.choices:
            text = "the tokens of this answer came without log-probabilities: leave them out"
            raise refusal("logprobs", text, code="E807")
        return answer


class ReadyRuns(Runs):
    """Gives orders the results that are there already, one for each answer."""

    def __init__(self, results: Sequence[Result]) -> None:
        super().__init__()
        self._results = results

    def start(
        self, order: Order, index: int, put: Callable[[object], None] | None = None
    ) -> Future[Result]:
        """Return a future that is done; nobody is asked."""
        del order, put
        future: Future[Result] = Future()
        future.set_result(self._results[index])
        return future


async def _ended(futures: Sequence[Future[Result]]) -> None:
    """Wait until all futures are done, or one has failed."""
    waiting = [asyncio.wrap_future(each) for each in futures]
    for each in waiting:  # so that asyncio reports no error as never looked at, however late
        each.add_done_callback(lambda done: done.cancelled() or done.exception())
    await asyncio.wait(waiting, return_when=asyncio.FIRST_EXCEPTION)


def _failed(future: Future[Result]) -> bool:
    return future.done() and (future.cancelled() or future.exception() is not None)
