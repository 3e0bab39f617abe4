"""The walk of the graph for one query: a node runs when something asks for its value.

It runs once for each query. So a branch that is never asked for costs nothing, and a value with two
users is computed once. A node that does not depend on the query runs once for all queries. A step
that asks models is given an asker (`asker.py`).
"""

from __future__ import annotations

import asyncio
import inspect
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TYPE_CHECKING, Self, TypeAlias

from composer.compiler.graph import topological
from composer.compiler.graph.site import count_of
from composer.run.asker import RunAsker
from composer.run.listeners import SILENT, Listeners
from composer.run.timeouts import ended, is_cancelled, within
from composer.steps import Role
from composer.values import (
    Candidates,
    Decision,
    MissingAnswer,
    ModelError,
    Port,
    Query,
    Ranking,
    Text,
    widen,
)
from composer.values.gather import TooFewError, ends_all, failure_notes, gather_quorum, side_by_side

if TYPE_CHECKING:
    from composer.compiler.graph import Node
    from composer.run.program import Program
    from composer.run.trace import StepEvent, Trace
    from composer.run.variants import Variant
    from composer.steps import Input
    from composer.values import Value


Argument: TypeAlias = "Value | GraphBranch | MissingAnswer"
"""What a step is given for an input: its value, a branch to run, or how it failed."""


@dataclass(eq=False)
class Walk:
    """The walk of one query through a program.

    One with a `substitution` works for a branch that is asked another query.
    """

    program: Program
    query: Query
    trace: Trace
    listeners: Listeners = SILENT
    variant: Variant | None = None
    substitution: Substitution | None = None
    _tasks: dict[Node, NodeTask] = field(default_factory=dict)
    _abandoned: list[asyncio.Task[Value]] = field(default_factory=list)

    async def answer(self, limit: float | None = None) -> Text:
        """Return the value of the root; whatever still runs then is cancelled."""
        root = self.program.root
        alone = limit is None and self._is_open(root)  # needs no task to be told apart from this
        try:
            async with within(limit, self._waiting_for, self.trace.clock):
                value = await (self._run(root) if alone else self.value(root))
        finally:
            await self.close()
        assert isinstance(value, Text)
        return value

    async def branch_on(self, node: Node, origin: Node, query: Query) -> Value:
        """Return a node's value if the value of `origin`, which it depends on, were this query."""
        inner = self._substituting(Substitution(self, origin, query))
        try:
            return await inner.value(node)
        finally:
            await inner.close()

    def _substituting(self, substitution: Substitution) -> Self:
        return replace(self, substitution=substitution, _tasks={}, _abandoned=[])

    async def close(self) -> None:
        """Cancel whatever still runs."""
        tasks = [*(work.task for work in self._tasks.values()), *self._abandoned]
        await ended([task for task in tasks if not task.done()])

    async def value(self, node: Node) -> Value:
        """Return a node's value. It is computed once, and cancelled if nothing waits for it."""
        other = self.substitution
        if other is not None and node is other.origin:
            return other.query
        if other is not None and node not in other.changed:
            return await other.walk.value(node)
        if node.is_query:
            return self.query
        if node in self.program.constants:
            return self.program.constants[node]
        work = self._tasks.get(node)
        if work is None:
            work = self._tasks[node] = NodeTask(asyncio.create_task(self._run(node)))
        work.waiting += 1
        try:
            return await asyncio.shield(work.task)
        finally:
            work.waiting -= 1
            if not work.waiting and not work.task.done():
                work.task.cancel()
                self._abandoned.append(work.task)
                del self._tasks[node]

    async def _run(self, node: Node) -> Value:
        arguments = await self._arguments(node)
        value = await self._call(node, arguments)
        if node in self.program.fixed:
            self.program.constants[node] = value
        return value

    async def _arguments(self, node: Node) -> list[Argument]:
        gathers, inputs = node.step.gathers, self.program.inputs[node]
        if not gathers and sum(map(self._is_open, node.inputs)) <= 1:
            return [await self._argument(*entry, node.origin) for entry in inputs]
        awaitables = [self._argument(*entry, node.origin) for entry in inputs]
        if not gathers:
            return await side_by_side(awaitables)
        try:
            return await gather_quorum(awaitables, node.get("min"))
        except TooFewError as error:
            event = self.trace.begin(self.program.ids[node], node.op)
            event.notes.update(failure_notes(error.failed))
            event.error = str(error)
            self.trace.finish(event)
            raise

    def _is_open(self, node: Node) -> bool:
        """Say whether a node's value may have to be waited for."""
        return not node.is_query and node not in self.program.constants

    async def _argument(
        self, name: str, input_: Input, node: Node, origin: Node | None
    ) -> Argument:
        if input_.role is Role.LATER:
            return GraphBranch(self, node, name, origin)
        try:
            value = await self.value(node)
        except Exception as error:
            if not input_.tried or ends_all(error):
                raise
            return MissingAnswer(name, error, count=1 if node.port is Port.TEXT else count_of(node))
        takes = node.port in input_.ports
        return value if takes else widen(value)

    async def _call(self, node: Node, arguments: list[Argument]) -> Value:
        event = self.trace.begin(self.program.ids[node], node.op)
        event.notes.update(
            failure_notes(
                [argument for argument in arguments if isinstance(argument, MissingAnswer)]
            )
        )
        of_node = self.program.options if self.variant is None else self.variant.options
        values, options = node.call(arguments, of_node[node])
        if node.step.asks:
            options["ask"] = self._asker(node, event)
        limit: float | None = getattr(node.options, "timeout", None)
        try:
            value: Value = node.step.function(*values, **options)
            if inspect.isawaitable(value):
                async with within(limit, lambda: _who(node), self.trace.clock):
                    value = await value
            event.gave = _text_of(value)
        except asyncio.CancelledError as error:
            event.error = "cancelled"
            if is_cancelled():
                raise
            # Nobody has cancelled this: a member's own trouble must not pass for that.
            raise ModelError(
                "E701", f"{_who(node)} was cancelled by the code that it runs"
            ) from error
        except Exception as error:
            event.error = str(error)
            if isinstance(error, TooFewError):
                event.notes.update(failure_notes(error.failed))
            otherwise = node.step.hooks.otherwise
            if otherwise is None or ends_all(error):
                raise
            event.notes.update(failure_notes([MissingAnswer(node.op, error)]))
            value = otherwise(*values)
        finally:
            self.trace.finish(event)
        return value

    def _waiting_for(self) -> str:
        """Say which models a query waited for when its time was over."""
        running = [event for event in self.trace.events if event.end is None]
        models = [call.model for event in running for call in event.asked if call.end is None]
        names = ", ".join(f"`{name}`" for name in dict.fromkeys(models))
        return f"the query, which waited for {names}," if names else "the query"

    def _asker(self, node: Node, event: StepEvent) -> RunAsker:
        draw = getattr(node.options, "draw", 0)
        program, variant = self.program, self.variant
        run_seed = program.seed if variant is None else variant.seed
        seed = f"{run_seed}/{self.query.root.drawn_by}/{node.step.draws_as or node.op}/{draw}"
        ask = RunAsker(program.context, self.trace, event, seed, detail=program.details.get(node))
        if node is program.root:
            ask.on_text, ask.on_token = self.listeners.on_text, self.listeners.on_token
        if variant is not None and node in variant.writers:
            ask.prefix, wanted = variant.answer.prefix, variant.answer.detail
            if wanted is not None:
                ask.detail = wanted if ask.detail is None else ask.detail | wanted
            ask.sampling_options = variant.sampling_options.get(node, {})
        return ask


@dataclass(eq=False, slots=True)
class NodeTask:
    """The task that computes a node's value, and how many wait for it."""

    task: asyncio.Task[Value]
    waiting: int = 0


@dataclass(eq=False)
class Substitution:
    """Another query in place of the value of one node, for a branch of a walk.

    Whatever does not depend on that node has the value that it has in the walk.
    """

    walk: Walk
    origin: Node
    query: Query

    @cached_property
    def changed(self) -> frozenset[Node]:
        """The nodes that depend on the query."""
        nodes = {self.origin}
        for node in topological(self.walk.program.root):
            if any(source in nodes for source in node.inputs):
                nodes.add(node)
        return frozenset(nodes)


@dataclass(eq=False, slots=True)
class GraphBranch:
    """A branch that a step may run: `await branch()` runs it, once.

    `origin` is the node of the query that the branch is asked.
    """

    walk: Walk
    node: Node
    name: str
    origin: Node | None

    async def question(self) -> Query:
        """Return the query that the branch is asked."""
        value = self.walk.query if self.origin is None else await self.walk.value(self.origin)
        assert isinstance(value, Query)
        return value

    async def __call__(self, query: Query | None = None) -> Value:
        """Run the branch, on another query if one is given."""
        if query is None or self.origin is None:
            return await self.walk.value(self.node)
        return await self.walk.branch_on(self.node, self.origin, query)


def _who(node: Node) -> str:
    """Name a step by the model that it asks, if it is one."""
    asks = node.asks
    return f"`{node.op if asks is None else asks.title}`"


def _text_of(value: Value) -> str | None:
    match value:
        case Text():
            return value.text
        case Candidates() | Ranking():
            return " | ".join(text.text for text in value.texts)
        case Decision():
            return ", ".join(value.chosen)
        case Query():
            return value.text
        case _:
            return None
