"""A question of the page: what it may hold, and what it becomes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from composer.run.queries import as_query
from composer.serve.protocol.bodies import LARGEST, Seed
from composer.values.details import TokenDetail
from composer.values.options import AnswerOptions

if TYPE_CHECKING:
    from composer.values import Query

__all__ = ["WATCHED", "Question"]

WATCHED = TokenDetail(top=8, members=8)
"""How many of the likeliest tokens the page shows in each place."""


class PageMessage(BaseModel):
    """A message of the conversation."""

    model_config = ConfigDict(extra="forbid")

    role: Literal["system", "user", "assistant"]
    content: str


class Question(BaseModel):
    """What the page asks; an option that is left out is as the recipe says.

    The answer goes on from `prefix`.
    """

    model_config = ConfigDict(extra="forbid", allow_inf_nan=False)

    model: str
    messages: Annotated[list[PageMessage], Field(min_length=1)]
    prefix: str = ""
    temperature: Annotated[float, Field(ge=0)] | None = None
    max_tokens: Annotated[int, Field(ge=1, le=LARGEST)] | None = None
    seed: Seed | None = None

    @property
    def query(self) -> Query:
        """The question as a query."""
        return as_query({"messages": [message.model_dump() for message in self.messages]})

    def options(self, seed: int) -> AnswerOptions:
        """Return what it sets over the recipe, with this seed if it names none."""
        return AnswerOptions(
            temperature=self.temperature,
            max_tokens=self.max_tokens,
            seed=seed if self.seed is None else self.seed,
            prefix=self.prefix,
        )
