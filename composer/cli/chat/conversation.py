"""A conversation with an ensemble: what was said, and the options of what is asked next."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from composer.run.queries import as_query
from composer.values.options import AnswerOptions
from composer.values.results import Usage

if TYPE_CHECKING:
    from composer.run import Ensemble, Result
    from composer.values import Query

__all__ = ["Conversation", "Turn"]


@dataclass(frozen=True)
class Turn:
    """A question, and the result that has its answer."""

    question: str
    result: Result


@dataclass
class Conversation:
    """What was said to an ensemble so far; `options` hold for the next questions.

    `seed` is that of the recipe. `again` counts how often the last question was asked again.
    """

    ensemble: Ensemble
    seed: int
    turns: list[Turn] = field(default_factory=list)
    options: AnswerOptions = field(default_factory=AnswerOptions)
    spent: dict[str, Usage] = field(default_factory=dict)
    again: int = 0
    _last_question: str | None = None

    def query(self, question: str) -> Query:
        """Return a question with all that was said before it."""
        self._last_question = question
        return as_query({"messages": self.messages(question)}, default_id=f"{len(self.turns) + 1}")

    def messages(self, question: str | None = None) -> list[dict[str, str]]:
        """Return what was said as the messages of a chat, and a question behind it."""
        messages = [
            {"role": role, "content": content}
            for turn in self.turns
            for role, content in (("user", turn.question), ("assistant", str(turn.result)))
        ]
        return messages if question is None else [*messages, {"role": "user", "content": question}]

    def asked_options(self) -> AnswerOptions | None:
        """Return the options of the next question, None without any; each repetition has a seed."""
        options = self.options
        if self.again:
            seed = self.seed if options.seed is None else options.seed
            options = replace(options, seed=seed + self.again)
        return options if options.set_names else None

    def keep(self, question: str, result: Result) -> None:
        """Keep an answer as part of the conversation."""
        self.turns.append(Turn(question, result))
        self.count(result)

    def count(self, result: Result) -> None:
        """Count what a query took, answered or not."""
        for name, usage in result.members.items():
            self.spent[name] = self.spent.get(name, Usage()) + usage

    def repeat(self) -> str | None:
        """Take back the last answer, and return its question to be asked with another seed."""
        question = self._last_question
        if self.turns and self.turns[-1].question == question:
            self.turns.pop()
            self.again += 1
        return question

    def undo(self) -> Turn | None:
        """Take back the last question with its answer; None where there is none."""
        undone, self.again = self.turns.pop() if self.turns else None, 0
        self._last_question = self.turns[-1].question if self.turns else None
        return undone
