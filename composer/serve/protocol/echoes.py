"""Prompts that a completion repeats, with the log-probabilities of their own tokens."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING

from composer.diagnostics.errors import CodedError
from composer.run.result import Result
from composer.serve.errors import error_of
from composer.values import Text

if TYPE_CHECKING:
    from collections.abc import Sequence

    from composer.serve.served import ServedModel
    from composer.values import Query
    from composer.values.details import LikelyToken, TokenChoice, TokenDetail

__all__ = ["Echo", "echo_result", "echoes_of"]


@dataclass(frozen=True, slots=True)
class Echo:
    """A prompt as it is repeated; its first token has no log-probability."""

    query: Query
    tokens: Sequence[TokenChoice | LikelyToken] = ()

    @property
    def text(self) -> str:
        """The text of the prompt."""
        return self.query.text


async def echoes_of(
    served: ServedModel, queries: Sequence[Query], detail: TokenDetail | None
) -> list[Echo]:
    """Return the prompts with what is wanted of their tokens; raises ProtocolError."""
    if detail is None:
        return [Echo(query) for query in queries]
    return list(await asyncio.gather(*(_scored(served, query, detail) for query in queries)))


async def _scored(served: ServedModel, query: Query, detail: TokenDetail) -> Echo:
    try:
        score = await asyncio.wrap_future(served.start_score(query, detail))
    except CodedError as error:
        raise error_of(error, "prompt") from error
    return Echo(query, (*score.before, *score.choices))


def echo_result(served: ServedModel, echo: Echo) -> Result:
    """Return the result of a request that repeats a prompt and wants nothing written."""
    text = Text(echo.query, "", facts={"finish": "length"})
    members = served.scoring_usage(len(echo.tokens))
    return Result(echo.query.id, echo.text, "", members=members, text=text)
