"""Scoring a given text under the model that a recipe's answer asks."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from composer.run.asking import prompts_of
from composer.run.result import Failure

if TYPE_CHECKING:
    from composer.compiler.graph import Node
    from composer.fusion.spec import Score
    from composer.ports import Model, Query
    from composer.run.executor import Program


def score(program: Program, text: str, query: Query | None) -> Score:
    """Return the log-probabilities of a text's tokens, after a query or on its own."""
    root = program.root
    asked = root.asks
    if asked is None or asked not in program.fixed:
        raise Failure(
            "E701",
            "this recipe's answer is not written by one model or fuse, so it scores no text",
            "let its last step be a model or a fuse, without a route",
        )
    model = _made(asked)
    prompts = None if query is None else prompts_of(model, query)
    try:
        return program.means.engine().score(model.member, prompts, text).result()
    except Exception as error:
        raise Failure.of(error) from error


def _made(node: Node) -> Model:
    """Build a model's handle, which needs no query."""
    inputs: list[Any] = [_made(each) for each in node.inputs]
    model: Model = node.step.function(*inputs, **node.values())
    return model
