"""Demonstrations: questions like this one that were solved before, with their answers."""

from contextlib import AbstractAsyncContextManager, nullcontext
from dataclasses import replace
from types import MappingProxyType
from typing import TYPE_CHECKING, ClassVar

from pydantic import Field, PrivateAttr, field_validator

from composer.methods.carry.base import Carry, with_last_message
from composer.methods.cascade_state import CascadeState
from composer.methods.retrieval import Fit
from composer.methods.solved import Solved, readable_store, solved_store, turns_of
from composer.methods.template import Template
from composer.methods.templates import TEMPLATES
from composer.values import Asker, Query, WrittenFile

if TYPE_CHECKING:
    from asyncio import Semaphore


class Demonstrations(Carry):
    """Each stage, the first one too, reads solved questions like this one, with their answers.

    They come from the `store`, a `.jsonl` file with a `query` and an `answer` in each line. An
    answer that the rule of the cascade accepts is added to it, unless `learn` is false. The best
    `k` are chosen by the cosine of `tfidf` vectors, or by `bm25`. The `template` replaces the
    user's last message: it names `query` (that message) and `fields.solved`, each with `query` and
    `answer`. Where no solved question shares a word with this one, the message stays as it is.

    With `at_once = 1` one question is answered after the other, so that each sees what was solved
    before it; more at once are faster, and see less.
    """

    name: ClassVar[str] = "demonstrations"
    paper: ClassVar[str] = "arXiv:2310.03046"

    store: WrittenFile
    k: int = Field(default=1, ge=1)
    by: Fit = "tfidf"
    template: Template = TEMPLATES["demonstrations"]
    learn: bool = True
    at_once: int = Field(default=1, ge=1)
    _turns: "Semaphore | None" = PrivateAttr(None)

    @field_validator("store")
    @classmethod
    def _is_jsonl(cls, store: str) -> str:
        return readable_store(store)

    @property
    def needs_verdict(self) -> bool:
        """Whether it learns."""
        return self.learn

    def begin(self) -> "Demonstrations":
        """Return the part with its turns, which last as long as an ensemble is open."""
        return self.model_copy().in_turns()

    def in_turns(self) -> "Demonstrations":
        """Make the turns that questions wait for."""
        self._turns = turns_of(self.at_once)
        return self

    def reading(self) -> "Demonstrations":
        """Return the part without what it writes."""
        return self.model_copy(update={"learn": False})

    def turn(self) -> AbstractAsyncContextManager[object]:
        """Wait until fewer than `at_once` questions are in work."""
        return self._turns if self.learn and self._turns is not None else nullcontext()

    async def query(self, query: Query, state: CascadeState, ask: Asker) -> Query:
        """Return the query with demonstrations before it."""
        del state
        store, question = solved_store(self.store), query.root.text
        pairs = await ask.compute(lambda: store.nearest(question, self.k, self.by))
        if not pairs:
            return query
        ask.note(demonstrations=[each.query for each, _ in pairs])
        solved = [{"query": each.query, "answer": each.answer} for each, _ in pairs]
        shown = replace(query, fields=MappingProxyType({**query.fields, "solved": solved}))
        told = with_last_message(query, self.template.render(shown))
        return replace(told, before=query)

    async def accepted(self, state: CascadeState, stage: int, ask: Asker) -> None:
        """Add the answer to the store; one that abstains is no solution."""
        text, store = state.answers[stage].text, solved_store(self.store)
        if self.learn and text.answer is not None:
            solved = Solved(state.query.root.text, text.text, text.source)
            await ask.compute(lambda: store.add(solved))
