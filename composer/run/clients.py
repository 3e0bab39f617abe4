"""The client of each model: the engine for models in this process, else a client of its own."""

from __future__ import annotations

import asyncio
import time
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Protocol, TypeVar

from composer.run.attempts import SharedLedger
from composer.run.reward_client import RewardEnsembleClient
from composer.run.span_client import SpanClient
from composer.run.timeouts import limit_of, within
from composer.specs import (
    Declared,
    Derived,
    Remote,
    RewardEnsemble,
    SpanFuse,
    TokenFuse,
    bare,
    leaves,
    member_names,
)
from composer.values import Client, Generated, ModelError, Usage
from composer.values.bounds import most_tokens
from composer.values.gather import side_by_side
from composer.values.ledger import LEDGER

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from concurrent.futures import Future
    from contextlib import AbstractAsyncContextManager

    from composer.engine.engine import Engine
    from composer.engine.group import Group
    from composer.engine.rows.remote import NextTokenSource
    from composer.engine.sessions.base import Session
    from composer.engine.task import Task
    from composer.run.cluster import Pools
    from composer.specs import Checkpoint
    from composer.values import (
        Completion,
        Generate,
        Model,
        NextDistributions,
        NextTokens,
        Score,
        ScoreTexts,
    )
    from composer.values.ledger import Ledger

ROUNDS = 2
"""How often a server is asked at most for a token: for the likeliest ones, and for chosen ids."""

Prices = dict[str, tuple[float, float] | None]
T = TypeVar("T")


class StartEngine(Protocol):
    """Starts the engine."""

    def __call__(self, ask: Callable[[Checkpoint], NextTokenSource]) -> Engine:
        """Start it; `ask` gives what asks the server of a model."""


class ModelClients:
    """Clients by model, each opened when it is first asked, and closed with the ensemble.

    Models that `pools` have are asked there, and those of this process by its engine.
    """

    def __init__(
        self,
        engine: StartEngine,
        prices: Prices,
        clock: Callable[[], float] = time.perf_counter,
        pools: Pools | None = None,
    ) -> None:
        self._prices, self._clock, self._pools = prices, clock, pools
        self._local = EngineClient(engine, self, prices)
        self._remote: dict[Declared, asyncio.Task[Client]] = {}
        self._rewarding: dict[RewardEnsemble, RewardEnsembleClient] = {}

    async def of(self, model: Model) -> Client:
        """Return the client of a model; raises ModelError if there can be none."""
        if self._pools is not None and (pool := self._pools.of(model)) is not None:
            return pool
        if isinstance(model, Declared):
            return self._local if model.is_local else await self._open_once(model)
        if isinstance(model, Derived) and not model.is_local:
            return await self._open_once(await asyncio.to_thread(_built, model))
        if isinstance(model, RewardEnsemble):
            return self._rewarding.setdefault(model, RewardEnsembleClient(model, self))
        remote = [leaf for leaf in leaves(model) if not leaf.in_engine]
        if not remote or (isinstance(bare(model), TokenFuse) and all(map(_tells, remote))):
            return self._local
        if isinstance(model, SpanFuse):
            return SpanClient(model, self, self._prices)
        raise ModelError(
            "E302",
            f"the members of `{model.name}` must run on this machine, and `{remote[0].name}` "
            "does not",
            "choose among whole answers instead: `[A, B] -> vote()`, or declare a local model",
        )

    def within(self, model: Model) -> AbstractAsyncContextManager[None]:
        """Hold the time limit of a model over one request that is put to it."""
        return within(limit_of(model), lambda: f"`{model.name}`", self._clock)

    async def close(self) -> None:
        """Close every client that was opened."""
        tasks, self._remote = list(self._remote.values()), {}
        for task in tasks:
            task.cancel()
        for client in await asyncio.gather(*tasks, return_exceptions=True):
            if isinstance(client, Client):
                await client.close()
        if self._pools is not None:
            await self._pools.close()

    async def _open_once(self, model: Declared) -> Client:
        """Open a client once, even if several requests wait for it; a failure is not kept."""
        opening = self._remote.get(model)
        if opening is None:
            assert isinstance(model.declaration, Remote)
            opening = asyncio.ensure_future(model.declaration.open(model.name))
            self._remote[model] = opening
        try:
            return opening.result() if opening.done() else await asyncio.shield(opening)
        except Exception:
            self._remote.pop(model, None)
            raise


class EngineClient(Client):
    """The engine as a client: it answers for models whose weights are in this process."""

    tells_attempts = True

    def __init__(self, start: StartEngine, clients: ModelClients, prices: Prices) -> None:
        self._start, self._clients, self._prices = start, clients, prices
        self._engine: Engine | None = None
        self._waiting: list[Task[Completion]] = []

    async def _start_once(self) -> Engine:
        """Start the engine on first use, in a thread, so that the event loop goes on meanwhile."""
        if self._engine is None:
            ask = partial(self._ask, asyncio.get_running_loop())
            self._engine = await asyncio.to_thread(self._start, ask)
        return self._engine

    def _ask(self, loop: asyncio.AbstractEventLoop, model: Checkpoint) -> NextTokenSource:
        """Return what puts requests to the server of a model, from the engine's thread."""

        async def put(request: NextTokens, ledgers: Sequence[Ledger]) -> NextDistributions:
            LEDGER.set(SharedLedger(ledgers))
            client = await self._clients.of(model)
            async with self._clients.within(model):
                return await client.next_tokens(request)

        def ask(request: NextTokens, ledgers: Sequence[Ledger]) -> Future[NextDistributions]:
            return asyncio.run_coroutine_threadsafe(put(request, ledgers), loop)

        return ask

    def cost(self, request: Generate) -> float | None:
        """Return the most that members behind a server may cost: each token reads all anew."""
        remote = [leaf for leaf in leaves(request.model) if not leaf.in_engine]
        if not remote:
            return None
        rounds = request.sampling.max_tokens
        read = most_tokens(request.query, request.prefix) + rounds
        prices = [self._prices.get(leaf.name) or (0.0, 0.0) for leaf in leaves(request.model)]
        return sum(ROUNDS * rounds * (read * price[0] + price[1]) for price in prices) / 1e6

    async def generate(
        self, request: Generate, on_text: Callable[[str], None] | None = None
    ) -> Generated:
        """Write the answers side by side."""
        engine = await self._start_once()
        how = (replace(request.sampling, seed=seed) for seed in request.seeds)
        tasks = [engine.task(replace(request, sampling=each), on_text) for each in how]
        self._begin(engine, tasks)
        written = await side_by_side(asyncio.wrap_future(task.future) for task in tasks)
        return Generated(tuple(self._with_costs(request.model, each) for each in written))

    def _begin(self, engine: Engine, tasks: Sequence[Task[Completion]]) -> None:
        """Begin answers, together with all others that are asked for at this moment."""
        if not self._waiting:
            asyncio.get_running_loop().call_soon(self._begin_waiting, engine)
        self._waiting += tasks

    def _begin_waiting(self, engine: Engine) -> None:
        tasks, self._waiting = self._waiting, []
        try:
            engine.begin(tasks)
        except ModelError as error:
            for task in tasks:
                task.fail(error)

    async def start(self) -> None:
        """Start the engine, if it does not run."""
        await self._start_once()

    def submit(
        self, model: Model, session: Callable[[Group], Session[T]], *, holds: bool
    ) -> Future[T]:
        """Run a session in the engine, which `start` has started."""
        assert self._engine is not None
        return self._engine.run(model, session, holds=holds)

    async def load(self, model: Model) -> None:
        """Load a model into the engine."""
        engine = await self._start_once()
        await asyncio.wrap_future(engine.load(model))

    async def score(self, request: ScoreTexts) -> tuple[Score, ...]:
        """Read texts, or the query's own tokens."""
        engine = await self._start_once()
        if request.texts is None:
            futures = [engine.perplexity(request)]
        else:
            futures = [engine.score(request, text) for text in request.texts]
        return tuple(await side_by_side(map(asyncio.wrap_future, futures)))

    def _with_costs(self, model: Model, completion: Completion) -> Completion:
        """Count what each declared model read and wrote, whatever a fuse calls it."""
        names = member_names(model)
        total: dict[str, Usage] = {}
        for member, usage in completion.usage.items():
            name = names.get(member, member)
            counts = usage.prompt_tokens, usage.completion_tokens
            priced = Usage.at(self._prices.get(name), 1, *counts)
            total[name] = total.get(name, Usage()) + priced
        return replace(completion, usage=total)


def _tells(model: Checkpoint) -> bool:
    """Whether the next tokens of a model behind a server can be read."""
    return model.token_access is not None


def _built(model: Derived) -> Declared:
    """Return a derived model that a client reads, with the weights that are built."""
    from composer.engine.weights.building import built

    assert model.reads is not None
    first = model.sources[0]
    timeout = first.timeout if isinstance(first, Declared) else None
    return Declared(model.name, model.reads.at(built(model)), timeout)
