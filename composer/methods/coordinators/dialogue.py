"""`dialogue`: a router model thinks, asks a member, reads its reply, and answers in the end."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import TYPE_CHECKING, Annotated, ClassVar

from pydantic import Field

from composer.diagnostics import did_you_mean
from composer.diagnostics.amounts import counted
from composer.methods.coordinators.base import Conversation, Coordinator, Move, Turn, names_of
from composer.methods.template import Template
from composer.methods.templates import TEMPLATES
from composer.specs import Checkpoint
from composer.values import Asker, MissingAnswer, Model, ModelError, Query, Sampling, Text
from composer.values.capability import Capability
from composer.values.gather import ends_all
from composer.values.ledger import TOO_MANY

if TYPE_CHECKING:
    from collections.abc import Sequence

_ACTION = re.compile(r"<(search|answer)>(.*?)(?:</\1>|\Z)", re.DOTALL)
_ENDS = ("</search>", "</answer>")
_FORM = (
    "That was neither <search>Name: what you ask</search> nor <answer>the answer</answer>. "
    "Write one of the two."
)


class Dialogue(Coordinator):
    """A router model leads: `dialogue(M)`. It asks a member by name, reads the reply, goes on.

    In each turn the router reads the `template` with all that was written so far
    (`fields.dialogue`), the members (`fields.members`, each with `name` and `description`) and how
    many turns are left (`fields.left`). It writes `<search>Name: what it asks</search>`, and the
    reply comes back between `<information>` and `</information>`; or `<answer>...</answer>`. A
    reply that is neither, or names nobody, costs a turn, and the router is told so. After the last
    turn it is asked once more for its answer; if it gives none, or fails, the last information is
    the answer. `descriptions` has a text for each member; without them a member's card describes
    it. The router is not trained here: use one that was, or one that follows the template.
    """

    name: ClassVar[str] = "dialogue"
    paper: ClassVar[str] = "arXiv:2506.09033"
    calls_a_turn: ClassVar[int] = 2
    extra_calls: ClassVar[int] = 1

    router: Annotated[Model, Capability.TEXT]
    template: Template = TEMPLATES["dialogue"]
    descriptions: tuple[str, ...] = ()
    max_tokens: int = Field(default=512, ge=1)

    def mistake(self, members: int) -> str:
        """There is a description for each member, or for none."""
        if len(self.descriptions) in (0, members):
            return ""
        return (
            f"`{self.name}` has {counted(len(self.descriptions), 'description')} for "
            f"{counted(members, 'member')}"
        )

    def converse(self, query: Query, members: Sequence[Model]) -> Conversation:
        """Begin with nothing written."""
        names = names_of(members)
        texts = self.descriptions or tuple(map(described, members))
        return _Dialogue(self, query, dict(zip(names, texts, strict=True)))


@dataclass(eq=False)
class _Dialogue(Conversation):
    """What the router has written so far, with the replies that it was given."""

    how: Dialogue
    query: Query
    members: dict[str, str]
    written: str = ""
    final: Text | None = None
    information: Text | None = None
    failure: Exception | None = None

    async def move(self, left: int, ask: Asker) -> Move | None:
        """Let the router write; read whom it asks."""
        text = await self._router(left, ask)
        if text is None or self.final is not None:
            return None
        kind, content = _action(text)
        if kind != "search":
            self._tell(_FORM)
            return Move(None, why=_FORM)
        name, colon, question = content.partition(":")
        place = self._place(name.strip())
        if place is None or not question.strip():
            why = self._unknown(name.strip()) if colon and question.strip() else _FORM
            self._tell(why)
            return Move(None, why=why)
        return Move(place, query=self.query.root.asking(question.strip(), self.query))

    def receive(self, turn: Turn) -> None:
        """Insert the reply as information; a member that failed is said to be silent."""
        if isinstance(turn.reply, MissingAnswer):
            self._tell(f"{turn.member} cannot answer now.")
        else:
            self.information = replace(turn.reply, query=self.query)
            self._tell(turn.reply.text.strip())

    def latest(self) -> Text | None:
        """The router's answer, else the last information."""
        return self.final or self.information

    async def close(self, ask: Asker) -> Text | None:
        """Ask for the answer once more, if there is none yet."""
        if self.final is None and self.failure is None:
            await self._router(0, ask)
        if self.failure is not None and self.latest() is None:
            raise self.failure
        return self.latest()

    async def _router(self, left: int, ask: Asker) -> str | None:
        """Let the router go on; keep its answer, if it gives one. None where it fails."""
        sampling = Sampling(max_tokens=self.how.max_tokens, stop=_ENDS)
        try:
            reply = await ask.generate(self.how.router, self._prompt(left), sampling)
        except ModelError as error:
            if ends_all(error) or error.code == TOO_MANY:
                raise
            self.failure = error
            ask.note(failed={self.how.router.name: str(MissingAnswer("", error))})
            return None
        kind, content = _action(reply.text)
        if kind == "answer" and content:
            self.final = Text(self.query, content, self.how.router.name)
        self.written += _up_to_action(reply.text) + "\n"
        return reply.text

    def _prompt(self, left: int) -> Query:
        members = [{"name": n, "description": text} for n, text in self.members.items()]
        state = {"members": members, "dialogue": self.written.strip(), "left": left}
        fields = MappingProxyType({**self.query.fields, **state})
        return self.how.template.query(replace(self.query, fields=fields))

    def _tell(self, text: str) -> None:
        self.written += f"<information>{text}</information>\n"

    def _place(self, name: str) -> int | None:
        names = [each.casefold() for each in self.members]
        return names.index(name.casefold()) if name.casefold() in names else None

    def _unknown(self, name: str) -> str:
        near = did_you_mean(name, self.members)
        return (
            f"Nobody is called {name}{near and f'; {near}'}. Ask one of {', '.join(self.members)}."
        )


def _action(text: str) -> tuple[str, str]:
    """Return what a router does first, and with what: `search`, `answer`, or nothing."""
    match = _ACTION.search(text)
    return (match[1], match[2].strip()) if match else ("", "")


def _up_to_action(text: str) -> str:
    """Return what a router wrote up to its first action, which is closed."""
    match = _ACTION.search(text)
    if match is None:
        return text.strip()
    return f"{text[: match.start()]}<{match[1]}>{match[2].strip()}</{match[1]}>".strip()


def described(member: Model) -> str:
    """Describe a member by its card: architecture, size, context and price, as far as known."""
    if not isinstance(member, Checkpoint):
        return f"made of {', '.join(each.name for each in member.members)}"
    card = member.card
    facts = [f"a model of the kind {card.architecture}" if card.architecture else "a model"]
    if card.parameters is not None:
        facts.append(counted(card.parameters, "parameter"))
    if card.context is not None:
        facts.append(f"reads up to {counted(card.context, 'token')}")
    if card.price is not None:
        facts.append(f"{card.price[1]:g} $ for a million tokens")
    return ", ".join(facts)
