"""The executor: one asynchronous walk of the graph for each query, on demand.

A node runs when something asks for its value, once for each query; so a branch that nobody asks
for costs nothing, and work with two users is done once. What does not depend on the query, such
as a group of models, is made once for all queries.
"""

from __future__ import annotations

import asyncio
import inspect
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from composer.compiler.graph import QUERY, Node, topological
from composer.ports import Candidates, Decision, Port, Query, Ranking, Text, Typed, widen
from composer.run.asking import RunAsker
from composer.steps import Role

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from composer.ports import Value
    from composer.run.asking import Means
    from composer.run.trace import Event, Trace
    from composer.steps import Input


@dataclass(eq=False)
class Program:
    """A graph that is ready to run: node names from the plan, and what is shared by all queries.

    `options` are those of each node, with what its parts keep while the program is open.
    """

    root: Node
    ids: Mapping[Node, str]
    means: Means
    seed: int = 0
    constants: dict[Node, Value] = field(default_factory=dict)
    fixed: frozenset[Node] = frozenset()
    options: Mapping[Node, Mapping[str, object]] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        self.options = {node: _begun(node) for node in self.ids}
        moving: set[Node] = set()
        for node in topological(self.root):
            if node.op == QUERY or any(each in moving for each in node.inputs):
                moving.add(node)
        self.fixed = frozenset(node for node in self.ids if node not in moving)


@dataclass(eq=False)
class Walk:
    """The walk of one query through a program."""

    program: Program
    query: Query
    trace: Trace
    on_text: Callable[[str], None] | None = None
    _tasks: dict[Node, asyncio.Task[Value]] = field(default_factory=dict)

    async def answer(self) -> Text:
        """Return the value of the root; whatever still runs then is cancelled."""
        try:
            value = await self.value(self.program.root)
        finally:
            pending = [task for task in self._tasks.values() if not task.done()]
            for task in pending:
                task.cancel()
            await asyncio.gather(*self._tasks.values(), return_exceptions=True)
        assert isinstance(value, Text)
        return value

    def value(self, node: Node) -> asyncio.Task[Value]:
        """Return the task of a node's value, started on first demand."""
        if node not in self._tasks:
            self._tasks[node] = asyncio.create_task(self._run(node))
        return self._tasks[node]

    async def _run(self, node: Node) -> Value:
        if node.op == QUERY:
            return self.query
        if node in self.program.constants:
            return self.program.constants[node]
        given = [self._given(input_, each) for input_, each in node.paired()]
        arguments = await asyncio.gather(*given)
        value = await self._call(node, arguments)
        if node in self.program.fixed:
            self.program.constants[node] = value
        return value

    async def _given(self, input_: Input, node: Node) -> Value | Branch:
        if input_.role is Role.LATER:
            return Branch(self, node, _name(node, self.program.ids))
        value = await self.value(node)
        takes = node.port in input_.ports
        return value if takes else widen(value)

    async def _call(self, node: Node, arguments: list[Value | Branch]) -> Value:
        event = self.trace.begin(self.program.ids[node], node.op)
        given, options = node.call(arguments, self.program.options[node])
        if node.step.asks:
            options["ask"] = self._asker(node, event)
        try:
            value: Value = node.step.function(*given, **options)
            if inspect.isawaitable(value):
                value = await value
        except asyncio.CancelledError:
            event.error = "cancelled"
            raise
        except Exception as error:
            event.error = str(error)
            raise
        finally:
            event.end = self.trace.now()
        event.gave = _brief(value)
        return value

    def _asker(self, node: Node, event: Event) -> RunAsker:
        draw = getattr(node.options, "draw", 0)
        program = self.program
        seed = f"{program.seed}/{self.query.root.id}/{node.op}/{draw}"
        on_text = self.on_text if node is program.root else None
        return RunAsker(program.means, self.trace, event, seed, on_text)


@dataclass(eq=False, slots=True)
class Branch:
    """A branch that a step may run: `await branch()` runs it, once."""

    walk: Walk
    node: Node
    name: str

    async def __call__(self) -> Value:
        """Run the branch."""
        return await self.walk.value(self.node)


def _begun(node: Node) -> dict[str, object]:
    """Return the options of a node, its parts begun."""
    values = node.values().items()
    return {name: each.begin() if isinstance(each, Typed) else each for name, each in values}


def _name(node: Node, ids: Mapping[Node, str]) -> str:
    """Name a branch by the model that it asks, else by its place in the plan."""
    asks = node.asks
    return ids[node] if asks is None or asks.declaration is None else asks.title


def _brief(value: Value) -> str | None:
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


def can_stream(root: Node) -> bool:
    """Say whether a recipe's answer comes piece by piece."""
    return root.op != QUERY and root.step.streams and root.port is Port.TEXT
