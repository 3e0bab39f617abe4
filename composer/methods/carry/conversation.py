"""Carrying the answers so far: the last one in the prompt, or all as turns of a conversation."""

from typing import ClassVar

from composer.methods.carry.base import Carry, with_answers, with_last_message
from composer.methods.cascade_state import CascadeState
from composer.methods.template import Template
from composer.methods.templates import TEMPLATES
from composer.values import Asker, Query


class LastAnswer(Carry):
    """The next stage reads the last answer beside the question (knowledge transfer of DER).

    The `template` replaces the user's last message. It names `query` (that message), `answer` (the
    last answer) and `answers` (all answers so far, in the order in which they came, each with
    `text`, `name` and `value`).
    """

    name: ClassVar[str] = "answer"
    paper: ClassVar[str] = "arXiv:2412.07448"

    template: Template = TEMPLATES["earlier_answer"]

    async def query(self, query: Query, state: CascadeState, ask: Asker) -> Query:
        """Return the query with the answers so far in it."""
        del ask
        if not state.answers:
            return query
        carried = with_answers(query, state)
        return with_last_message(carried, self.template.render(carried))


class History(Carry):
    """The next stage reads the conversation so far: each answer, and a request for a better one.

    `again` is what the user says after each answer. A raw query has no turns: its text, the answers
    and `again` follow each other with empty lines between them.
    """

    name: ClassVar[str] = "history"
    paper: ClassVar[str] = "arXiv:2310.03046"

    again: str = "That does not solve it. Try again, and give the complete answer."

    async def query(self, query: Query, state: CascadeState, ask: Asker) -> Query:
        """Return the query with a turn of the assistant and one of the user for each answer."""
        del ask
        if not state.answers:
            return query
        carried, texts = with_answers(query, state), [e.text.text for e in state.answers.values()]
        if query.raw:
            pieces = [query.text, *(piece for text in texts for piece in (text, self.again))]
            return carried.rewritten("\n\n".join(pieces))
        turns = [turn for text in texts for turn in (("assistant", text), ("user", self.again))]
        return carried.chatted((*query.messages, *turns))
