"""A recipe that is ready to be asked, from any thread or event loop.

It hands each query to its own event loop (`loop_thread.py`), where `answering.py` answers it.
"""

from __future__ import annotations

import asyncio
import math
import queue
import threading
from collections import deque
from functools import partial
from typing import TYPE_CHECKING, Self, TypeVar

from composer.compiler.graph import topological
from composer.run.answer_stream import AnswerStream, outcome
from composer.run.answering import answer, load, score
from composer.run.budget import RunBudget
from composer.run.engine_host import EngineHost
from composer.run.listeners import SILENT, Listeners
from composer.run.loop_thread import LoopThread
from composer.run.metered_client import RunContext
from composer.run.program import Program, can_stream
from composer.run.queries import as_queries, as_query, asked_text
from composer.run.resources import Resources
from composer.run.result import Failure, Result, closed
from composer.run.variants import Variants
from composer.run.writers import writers_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping
    from concurrent.futures import Future
    from types import TracebackType

    from composer.compiler.graph import Node
    from composer.compiler.plan import Planned
    from composer.run.cache import AnswerCache
    from composer.run.cluster import Pools
    from composer.run.engine_host import LoadingTimer
    from composer.run.events import OnEvent
    from composer.run.rehearsal import Rehearsal
    from composer.run.stand_ins import Assumption, Tally, Tokens
    from composer.values import Decision, Query, Score
    from composer.values.details import TokenChoice, TokenDetail
    from composer.values.options import AnswerOptions

    Question = Query | tuple[Query, AnswerOptions]

T = TypeVar("T")

HURRY = 0.2
"""Seconds that are left to what runs where a block ends by an interruption."""

AT_ONCE = 64
"""Queries that `map` works on at a time, unless a cluster has room for more."""


class Ensemble:
    """An ensemble that answers. Make one with `Recipe.ready()` and close it, or use `with`.

    All queries under way share the models' forward passes, from whatever thread they come. The
    `cache` it is given is closed with it; an `engine` that it shares with others is not. `pools`
    opens the pools of a cluster, where its models are asked.
    """

    def __init__(  # noqa: PLR0913 - what it is opened with
        self,
        planned: Planned,
        *,
        seed: int = 0,
        cache: AnswerCache | None = None,
        budget: float | RunBudget | None = None,
        timeout: float | None = None,
        loading: Callable[[str], None] | None = None,
        engine: EngineHost | None = None,
        pools: Callable[[LoadingTimer], Pools] | None = None,
    ) -> None:
        host = engine or EngineHost(loading, keep=cache is not None)
        self._timer = host.timer
        self._timeout = _seconds(timeout)
        self._lock = threading.Lock()
        self._open = True
        self.budget = RunBudget(budget) if isinstance(budget, int | float) else budget
        prices = {model.name: model.price for model in planned.plan.models}
        declared = [node.declaration for node in topological(planned.root)]
        host.stack(planned.stacks)
        host.digests.note(declaration for declaration in declared if declaration is not None)
        opened = None if pools is None else pools(host.timer)
        self._at_once = AT_ONCE if opened is None else max(AT_ONCE, opened.room)
        self._resources = Resources(host, cache, prices, opened, shared=engine is not None)
        context = RunContext(self._resources.clients, prices, cache, self.budget, host.digests)
        self._program = Program(planned.root, planned.ids, context, seed)
        self._variants = Variants(self._program, planned.apart)
        self._loop = LoopThread(self._resources.close)
        self._rehearsal: Rehearsal | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._end(_patience(kind))

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await asyncio.to_thread(self._end, _patience(kind))

    def __call__(
        self,
        query: str | Query | Mapping[str, object],
        *,
        options: AnswerOptions | None = None,
        on_event: OnEvent | None = None,
    ) -> Result:
        """Answer one query; raises Failure if that cannot be done."""
        self._loop.demand(waits=True)
        return outcome(self.start(query, options=options, on_event=on_event))

    async def ask(
        self,
        query: str | Query | Mapping[str, object],
        *,
        options: AnswerOptions | None = None,
        on_event: OnEvent | None = None,
    ) -> Result:
        """Answer one query from any event loop; raises Failure."""
        try:
            future = self.start(query, options=options, on_event=on_event)
            return await asyncio.wrap_future(future)
        except asyncio.CancelledError:
            if self._open:
                raise
            raise closed() from None

    def stream(
        self,
        query: str | Query | Mapping[str, object],
        *,
        options: AnswerOptions | None = None,
        on_event: OnEvent | None = None,
    ) -> AnswerStream:
        """Yield the answer piece by piece; in one piece where the last step needs all of it first.

        Read it with `for`, or with `async for` in a running event loop. Its `result` is then the
        same Result that a call returns.
        """

        def start(on_text: Callable[[str], None] | None, waits: bool) -> Future[Result]:  # noqa: FBT001
            self._loop.demand(waits=waits)
            return self.start(query, options=options, on_text=on_text, on_event=on_event)

        return AnswerStream(start, live=self.streams)

    def start(  # noqa: PLR0913 - what a query is asked with, and who is told
        self,
        query: str | Query | Mapping[str, object],
        *,
        options: AnswerOptions | None = None,
        on_text: Callable[[str], None] | None = None,
        on_token: Callable[[TokenChoice], None] | None = None,
        on_event: OnEvent | None = None,
        watch: TokenDetail | None = None,
    ) -> Future[Result]:
        """Begin to answer a query, and return at once; the future gives the result, or a Failure.

        Cancelling the future stops the work. Raises Failure at once where the `options` cannot be
        honoured (`demand_options`).

        The callbacks come from other threads; they must not block or raise. `on_text` is called
        with each piece of the answer, only where `streams` is true. `on_token` is called with each
        token of the same text, where the options ask for its `detail`. `on_event` is called with
        all that happens: each step, and each call of a model with its pieces of text. `watch` is
        what is wanted of each token of every such call, beside what the options want of the
        answer's; models that know no log-probabilities tell none.
        """
        listeners = SILENT
        if on_text or on_token or on_event:
            listeners = Listeners(on_text, on_token, on_event, watch)
        return self._submit(as_query(query), listeners, options)

    def load(self) -> None:
        """Load all models of this process now, and not when a question first reaches them.

        Raises Failure where one cannot be loaded.
        """
        self._loop.demand(waits=True)
        try:
            outcome(self._loop.submit(load(self._program)))
        except Exception as error:
            raise Failure.of(error) from error

    def demand_options(self, options: AnswerOptions) -> None:
        """Raise Failure where the recipe cannot honour an option; nobody is asked.

        The message names the option, the step that cannot honour it, and the remedy.
        """
        self._variants.of(options)

    @property
    def writers(self) -> tuple[Node, ...]:
        """The steps whose text may be the answer, for which the options of a query hold."""
        return writers_of(self._program.root)

    def map(
        self, queries: Iterable[str | Query | Mapping[str, object]], *, at_once: int | None = None
    ) -> Iterator[Result]:
        """Yield a result for each query, in their order; a failed one has its `error` set."""
        return self.in_order(as_queries(queries), at_once=at_once)

    def in_order(
        self, questions: Iterable[Question], *, at_once: int | None = None
    ) -> Iterator[Result]:
        """Yield a result for each query, alone or with its options, in their order, as `map`."""
        self._loop.demand(waits=True)
        waiting: deque[tuple[Query, Future[Result]]] = deque()
        try:
            for query, options in map(_pair, questions):
                waiting.append((query, self._submit(query, options=options)))
                if len(waiting) >= (at_once or self._at_once):
                    yield _result_or_error(*waiting.popleft())
            while waiting:
                yield _result_or_error(*waiting.popleft())
        finally:
            for _, future in waiting:
                future.cancel()

    def as_they_come(
        self, questions: Iterable[Question], *, at_once: int | None = None
    ) -> Iterator[Result]:
        """Yield results as they are ready, whichever comes first; a query may have its options."""
        self._loop.demand(waits=True)
        done: queue.SimpleQueue[tuple[Query, Future[Result]]] = queue.SimpleQueue()
        running: set[Future[Result]] = set()
        try:
            for query, options in map(_pair, questions):
                if len(running) >= (at_once or self._at_once):
                    yield _next(done, running)
                future = self._submit(query, options=options)
                running.add(future)
                future.add_done_callback(partial(_put, done, query))
            while running:
                yield _next(done, running)
        finally:
            for future in running:
                future.cancel()

    @property
    def steps(self) -> dict[str, Node]:
        """The steps of the recipe by their ids in the plan and in traces, inputs first."""
        return {self._program.ids[node]: node for node in topological(self._program.root)}

    @property
    def routes(self) -> dict[str, Node]:
        """The routes of the recipe by their ids in the plan and in traces, inputs first."""
        from composer.run.decisions import routes_of

        return routes_of(self._program)

    def decide(
        self, queries: Iterable[str | Query | Mapping[str, object]], route: str | None = None
    ) -> list[Decision]:
        """Return what a route decides for each query, the last one unless it is named by its id.

        No branch is asked. Raises Failure where there is no such route (E712), or where it cannot
        decide before something was answered.
        """
        from composer.run.decisions import decide, route_of

        node = route_of(self._program, route)
        asked_queries = list(as_queries(queries))
        self._loop.demand(waits=True)
        try:
            return outcome(self._loop.submit(decide(self._program, node, asked_queries)))
        except Exception as error:
            raise Failure.of(error) from error

    def rehearse(
        self, queries: Iterable[Query], assumption: Assumption, tokens: Tokens
    ) -> list[Tally]:
        """Return what each query would take, without asking anybody or loading anything.

        The same `tokens` must be given each time. Where only an answer would tell, `assumption`
        does.
        """
        from composer.run.rehearsal import Rehearsal

        if self._rehearsal is None:
            self._rehearsal = Rehearsal(self._program, tokens)
        self._loop.demand(waits=True)
        numbered = list(enumerate(queries))
        return outcome(self._loop.submit(self._rehearsal.count(numbered, assumption)))

    def score(
        self, text: str, query: str | Query | None = None, detail: TokenDetail | None = None
    ) -> Score:
        """Score a text under the model that the recipe's answer asks.

        Without a query the text stands alone, after the start token; with one it is scored as the
        answer to it. With a `detail` the score has `choices`, one for each token. Raises Failure
        where the recipe's last step asks no local model, or asks it another question.
        """
        question = None if query is None else as_query(query)
        self._loop.demand(waits=True)
        try:
            return outcome(self._loop.submit(score(self._program, text, question, detail)))
        except Exception as error:
            raise Failure.of(error) from error

    def start_score(self, query: Query, detail: TokenDetail | None = None) -> Future[Score]:
        """Begin to score a query's own tokens after the first, as the model that is asked reads it.

        The score has `choices` where `detail` wants them. The future raises Failure or ModelError
        where the recipe's last step asks no local model, or asks it another question.
        """
        self._loop.demand(waits=False)
        return self._loop.submit(score(self._program, None, query, detail))

    @property
    def streams(self) -> bool:
        """Whether `stream` yields the answer piece by piece."""
        return can_stream(self._program.root)

    @property
    def loading_seconds(self) -> float:
        """The seconds that went into loading models so far, which no answer's seconds count."""
        return self._timer.seconds

    def close(self) -> None:
        """Stop what runs and release the models; this also happens when the ensemble is dropped."""
        self._end(None)

    def _end(self, patience: float | None) -> None:
        """Stop what runs; what does not stop within so many seconds is left to itself."""
        if not self._loop.is_forked:  # where the lock may be held for ever
            with self._lock:
                self._open = False
                self._loop.stop()
            self._loop.join(patience)
            self._resources.write()

    def _submit(
        self,
        query: Query,
        listeners: Listeners = SILENT,
        options: AnswerOptions | None = None,
    ) -> Future[Result]:
        self._loop.demand(waits=False)
        variant = self._variants.unchanged if options is None else self._variants.of(options)
        with self._lock:
            if not self._open:
                raise closed()
            clock, timeout = self._timer.clock, self._timeout
            return self._loop.submit(answer(variant, query, listeners, clock=clock, limit=timeout))


def _pair(question: Question) -> tuple[Query, AnswerOptions | None]:
    return question if isinstance(question, tuple) else (question, None)


def _next(
    done: queue.SimpleQueue[tuple[Query, Future[Result]]], running: set[Future[Result]]
) -> Result:
    """Wait for whichever result comes first."""
    query, future = done.get()
    running.discard(future)
    return _result_or_error(query, future)


def _put(
    done: queue.SimpleQueue[tuple[Query, Future[Result]]], query: Query, ready: Future[Result]
) -> None:
    done.put((query, ready))


def _seconds(timeout: float | None) -> float | None:
    """Refuse a time limit that is none."""
    if timeout is not None and not 0 < timeout < math.inf:
        raise Failure("E402", f"a time limit must be a number of seconds above 0, not {timeout}")
    return timeout


def _result_or_error(query: Query, future: Future[Result]) -> Result:
    try:
        return outcome(future)
    except Failure as failure:
        failed_result = Result(query.id, asked_text(query), None, error=str(failure))
        return failure.result or failed_result
    except Exception as error:  # noqa: BLE001 - one query's trouble must not stop the others
        return Result(query.id, asked_text(query), None, error=str(Failure.of(error)))


def _patience(kind: type[BaseException] | None) -> float | None:
    """Return how many seconds to wait for what runs: few after an interruption."""
    return HURRY if kind is not None and not issubclass(kind, Exception) else None
