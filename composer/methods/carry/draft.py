"""Carrying the last answer as a draft, of which the next stage keeps what it would write."""

from dataclasses import replace
from typing import ClassVar

from composer.methods.carry.base import Carry
from composer.methods.cascade_state import CascadeState
from composer.values import Asker, Query


class LastDraft(Carry):
    """The next stage checks the last answer as a draft: the same answer as without, in less time.

    Several tokens of the draft are checked in one pass, wherever its last two tokens are those of
    the answer. This is for models of this process that write greedily (temperature 0), with any
    tokenizers; other stages write as they do without it. It pays for long answers.
    """

    name: ClassVar[str] = "draft"
    paper: ClassVar[str] = "arXiv:2304.04487"
    local: ClassVar[bool] = True

    async def query(self, query: Query, state: CascadeState, ask: Asker) -> Query:
        """Return the query with the last answer as its draft."""
        del ask
        answers = list(state.answers.values())
        return replace(query, draft=answers[-1].text.text) if answers else query
