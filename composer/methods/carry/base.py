"""What the next stage of a cascade is told of the answers so far, or of earlier questions."""

from __future__ import annotations

from abc import abstractmethod
from contextlib import nullcontext
from dataclasses import replace
from typing import TYPE_CHECKING, ClassVar

from composer.values import Candidates, Typed

if TYPE_CHECKING:
    from contextlib import AbstractAsyncContextManager

    from composer.methods.cascade_state import CascadeState
    from composer.values import Asker, Query


class Carry(Typed):
    """Rewrites the query of each stage of a cascade before it is asked.

    `needs_verdict` says that it keeps answers which the cascade's rule accepted, so that the answer
    of the last stage is judged too. `local` says that only models of this process use what it
    carries.
    """

    local: ClassVar[bool] = False

    @property
    def needs_verdict(self) -> bool:
        """Whether it is told which answers were accepted."""
        return False

    def reading(self) -> Carry:
        """Return what carries the same, and keeps nothing."""
        return self

    def turn(self) -> AbstractAsyncContextManager[object]:
        """Wait for the turn of a question, where what is carried depends on those before it."""
        return nullcontext()

    @abstractmethod
    async def query(self, query: Query, state: CascadeState, ask: Asker) -> Query:
        """Return the query for the next stage, the same one where there is nothing to carry."""

    async def accepted(self, state: CascadeState, stage: int, ask: Asker) -> None:
        """Learn that the answer of a stage was accepted."""
        del state, stage, ask


def with_answers(query: Query, state: CascadeState) -> Query:
    """Return a query which remembers the answers so far, so that templates can show them."""
    answers = tuple(answer.text for answer in state.answers.values())
    names = tuple(state.names[at] for at in state.answers)
    return replace(query, before=Candidates(query, answers, names))


def with_last_message(query: Query, text: str) -> Query:
    """Return a query whose last message of the user says something else."""
    if query.raw:
        return query.rewritten(text)
    last = max((at for at, (role, _) in enumerate(query.messages) if role == "user"), default=0)
    before, after = query.messages[:last], query.messages[last + 1 :]
    return query.chatted((*before, ("user", text), *after))
