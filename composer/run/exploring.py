"""Asking the servers of a recipe's models what they give, before anything else runs."""

from __future__ import annotations

import math
import time
from typing import TYPE_CHECKING

from composer.compiler.graph import topological
from composer.diagnostics import Diagnostic, Mistakes
from composer.run.loop_thread import LoopThread
from composer.run.result import Failure
from composer.specs import Remote
from composer.values import ModelError, Usage
from composer.values.gather import side_by_side
from composer.values.ledger import LEDGER, Attempt, Ledger

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from composer.compiler.graph import Node
    from composer.diagnostics import Place
    from composer.run.budget import RunBudget
    from composer.specs import Declaration

__all__ = ["Outages", "explore", "explore_unknown"]

Failures = dict["Node", "Mapping[str, ModelError]"]
"""For each model whose servers were asked, why an address could not be, if so."""

Outages = dict["Declaration | None", float]
"""The models of which an address could not be asked, and when."""

AGAIN_AFTER = 60.0
"""Seconds after which a server is asked again that could not be asked."""

READ, WRITTEN = 10_000, 1_000
"""Tokens that a server reads and writes at most while it is asked what it gives."""

LEFT_TO_ITSELF = 0.2
"""Seconds for which the end of an interrupted exploration is waited for."""


def explore(
    models: Iterable[Node], *, anew: bool = False, budget: RunBudget | None = None
) -> Failures:
    """Ask all servers of which nothing is known, or all `anew`, at once; what they give is kept.

    A server is not asked where a `budget` is too small for that.
    """
    remote = {
        node: node.declaration
        for node in models
        if isinstance(node.declaration, Remote) and (anew or node.declaration.unexplored)
    }
    if not remote:
        return {}

    async def ask() -> list[Mapping[str, ModelError]]:
        asked = (_asked(node.title, model, budget, anew=anew) for node, model in remote.items())
        return await side_by_side(asked)

    loop = LoopThread(_nothing)
    try:
        return dict(zip(remote, loop.submit(ask()).result(), strict=True))
    finally:
        loop.stop()
        loop.join(LEFT_TO_ITSELF)


async def _asked(
    name: str, model: Remote, budget: RunBudget | None, *, anew: bool
) -> Mapping[str, ModelError]:
    """Ask the servers of a model, and count what that costs."""
    price = model.card().price
    if budget is None or price is None:
        return await model.explore(name, anew=anew)
    most = Usage.at(price, 1, READ, WRITTEN).cost * len(model.servers)
    try:
        async with budget.room(most) as room:
            LEDGER.set(costs := Costs())
            try:
                return await model.explore(name, anew=anew)
            finally:
                room.pay(min(costs.dollars, most))
    except Failure as failure:  # kept answers may be all that is wanted
        text = f"`{name}`: its server is not asked what it gives: {failure.message}"
        error = ModelError(failure.code, text, "raise `--budget`")
        error.transient = True
        return dict.fromkeys((facts.address for facts in model.servers), error)


class Costs(Ledger):
    """Adds up what attempts cost, at most where that is not told."""

    def __init__(self) -> None:
        self.dollars = 0.0

    def answered(self, attempt: Attempt, usage: Usage | None) -> None:
        """Add an answer."""
        self.dollars += (attempt.most if usage is None else usage).cost

    def failed(self, attempt: Attempt, reason: str, *, billed: bool) -> None:
        """Add an attempt that may be billed without an answer."""
        del reason
        self.dollars += attempt.most.cost * billed


def explore_unknown(
    root: Node, places: Mapping[Node, Place], outages: Outages, budget: RunBudget | None = None
) -> list[Diagnostic] | None:
    """Ask the servers under `root` of which nothing is known; None where there was none to ask.

    Return a warning (W703) for each that cannot be asked at present. Raises Mistakes where only
    another recipe helps, or another key; and where no model can be asked, so that nothing can work.
    What is among `outages` was told, and is asked again after a while only.
    """
    now, told = time.monotonic(), {*outages}
    failures = explore(
        (
            node
            for node in topological(root)
            if now - outages.get(node.declaration, -math.inf) > AGAIN_AFTER
        ),
        budget=budget,
    )
    for node, errors in failures.items():
        outages.pop(node.declaration, None)
        if errors:
            outages[node.declaration] = now
    new = {node: errors for node, errors in failures.items() if node.declaration not in told}
    return _warnings(new, root, places) if failures else None


def _warnings(failures: Failures, root: Node, places: Mapping[Node, Place]) -> list[Diagnostic]:
    errors = [(node, error) for node, all_ in failures.items() for error in all_.values()]
    mistakes = [(node, error) for node, error in errors if not error.transient]
    models = [node for node in topological(root) if node.declaration is not None]
    if all(len(failures.get(node, ())) == len(_addresses(node)) > 0 for node in models):
        mistakes = [(node, error) for node, error in errors if error.code != "E709"]
    if mistakes:
        raise Mistakes(_diagnostic(error.code, error, places[node]) for node, error in mistakes)
    return [_diagnostic("W703", error, places[node]) for node, error in errors]


def _addresses(node: Node) -> tuple[object, ...]:
    return node.declaration.servers if isinstance(node.declaration, Remote) else ()


async def _nothing() -> None:
    """End a loop that holds nothing."""


def _diagnostic(code: str, error: ModelError, place: Place) -> Diagnostic:
    return Diagnostic(code, error.message, place, "declared here", help=error.help)
