"""One query from its walk through the graph (`walk.py`) to its Result; or the score of a text."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from composer.compiler.graph import checkpoints, model_of, topological
from composer.run.metered_client import MeteredClient
from composer.run.queries import asked_text
from composer.run.result import FailedBranch, Failure, Result
from composer.run.timeouts import is_cancelled
from composer.run.trace import Trace
from composer.run.walk import Walk
from composer.steps import STEPS
from composer.values import Port, ScoreTexts

if TYPE_CHECKING:
    from collections.abc import Callable

    from composer.run.listeners import Listeners
    from composer.run.program import Program
    from composer.run.variants import Variant
    from composer.values import Query, Score, Text
    from composer.values.details import TokenDetail


async def answer(
    variant: Variant,
    query: Query,
    listeners: Listeners,
    *,
    clock: Callable[[], float],
    limit: float | None,
) -> Result:
    """Walk the graph for a query and return its result; raises Failure, which holds one too."""
    trace = Trace(query.id, asked_text(query), clock=clock)
    trace.on_event, trace.detail = listeners.on_event, listeners.detail
    trace.options = variant.answer
    try:
        text = await Walk(variant.program, query, trace, listeners, variant).answer(limit)
    except BaseException as error:  # an exit that a member raises is its failure
        if is_cancelled():
            raise
        failure = Failure.of(error)
        failure.result = Result(
            query.id,
            asked_text(query),
            None,
            members=trace.usage,
            seconds=trace.now(),
            error=str(failure),
            failed=_failed_branches(trace),
            trace=trace,
        )
        raise failure from error
    finally:
        trace.on_event = None  # the trace may outlive whoever watched by far
    return Result(
        query.id,
        asked_text(query),
        answer_text(text),
        text.confidence,
        _decision(trace),
        trace.usage,
        trace.now(),
        failed=_failed_branches(trace),
        text=text,
        trace=trace,
    )


async def score(
    program: Program, text: str | None, query: Query | None, detail: TokenDetail | None
) -> Score:
    """Return the log-probabilities of a text's tokens, after a query or on its own.

    Without a text they are those of the query's own tokens after the first. What that takes counts
    against the budget.
    """
    root = program.root
    node = root.asks
    if node is None or node not in program.fixed:
        raise Failure(
            "E302",
            "this recipe cannot score texts, because its answer is not written by a single model "
            "or fuse",
            "end the recipe with a model or a fuse, without a route",
        )
    if query is not None and not root.inputs[0].is_query:
        raise Failure(
            "E302",
            "this recipe cannot score texts, because its last model is asked another question "
            "than the one that is put",
            "end the recipe with a model or a fuse, without a `prompt` before it",
        )
    request = ScoreTexts(model_of(node), query, None if text is None else (text,), detail=detail)
    trace = Trace("" if query is None else query.id, "")
    step = trace.begin(program.ids[root], root.op)
    uncached = replace(program.context, cache=None)  # what is kept lacks the tokens before a text
    (result,) = await MeteredClient(uncached, trace, step).score(request)
    return result


async def load(program: Program) -> None:
    """Load each model and fuse that a step may ask; raises ModelError for one that fails.

    Of a fuse that depends on the query, its members are loaded.
    """
    clients = program.context.clients
    steps = (node for node in topological(program.root) if node.port is not Port.MODEL)
    asked = (each for node in steps for each in node.inputs if each.port is Port.MODEL)
    for node in dict.fromkeys(asked):
        for part in (node,) if node in program.fixed else checkpoints(node):
            model = model_of(part)
            await (await clients.of(model)).load(model)


def answer_text(text: Text) -> str:
    """Return the answer for the user: the extracted value if there is one, else the text."""
    return text.value if text.extracted and text.value is not None else text.text.strip()


def _decision(trace: Trace) -> dict[str, float] | None:
    decided = (event for event in trace.events if STEPS[event.op].gives is Port.DECISION)
    routes = (event.notes for event in decided)
    return next((notes["weights"] for notes in routes if "weights" in notes), None)


def _failed_branches(trace: Trace) -> tuple[FailedBranch, ...]:
    """Return the branches that failed while the answer went on without them."""
    return tuple(
        FailedBranch(event.id, name, why)
        for event in trace.events
        for name, why in event.notes.get("failed", {}).items()
    )
