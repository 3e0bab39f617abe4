"""Scoring a given text under the model that a recipe's answer asks."""

from __future__ import annotations

from typing import TYPE_CHECKING

from composer.compiler.graph import model_of
from composer.run.result import Failure
from composer.values import ScoreTexts

if TYPE_CHECKING:
    from composer.run.program import Program
    from composer.values import Query, Score


async def score(program: Program, text: str, query: Query | None) -> Score:
    """Return the log-probabilities of a text's tokens, after a query or on its own."""
    root = program.root
    node = root.asks
    if node is None or node not in program.fixed:
        raise Failure(
            "E701",
            "this recipe cannot score texts, because its answer is not written by a single model "
            "or fuse",
            "end the recipe with a model or a fuse, without a route",
        )
    request = ScoreTexts(model_of(node), query, (text,))
    (result,) = await (await program.context.clients.of(request.model)).score(request)
    return result
