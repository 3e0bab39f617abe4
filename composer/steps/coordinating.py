"""Coordinating: turn by turn, one member is asked, until there is an answer or time is over."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from composer.diagnostics.amounts import counted
from composer.methods import Coordinator, PartError
from composer.methods.coordinators.base import Turn, names_of
from composer.steps.asking import Count, Temperature
from composer.steps.declare import step
from composer.steps.site import Complaint
from composer.values import (
    JSON,
    Asker,
    MissingAnswer,
    Model,
    ModelError,
    Port,
    Query,
    Sampling,
    Text,
)
from composer.values.capability import Capability
from composer.values.gather import attempt
from composer.values.ledger import TOO_MANY, CallLimit

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from composer.methods.coordinators.base import Conversation
    from composer.steps.site import Site


@step(
    paper="arXiv:2506.09033",
    needs=Capability.TEXT,
    hidden=("draw",),
    shown=("by",),
    per_query=("temperature", "max_tokens"),
)
async def coordinate(
    query: Query,
    *models: Model,
    by: Coordinator,
    turns: Count = 4,
    temperature: Temperature = 0.0,
    max_tokens: Count = 512,
    calls: Count | None = None,
    draw: int = 0,  # noqa: ARG001 - as in `generate`
    ask: Asker,
) -> Text:
    """Ask one model a turn; `by` says whom and what, until it has an answer.

    With `by = dialogue(M)` a router model M asks the others by name and answers itself; with `by =
    roles()` a fitted head chooses a model and its role for each turn. There are at most `turns`
    turns and `calls` calls, with those that are put again after a failure. Where they are used up,
    the answer is the one that there is so far. A model that fails costs its turn. The trace has
    each turn: who was asked, in which role, what, and the reply.
    """
    limit = CallLimit(calls or by.most_calls(turns))
    talk = _Talk(names_of(models), by.converse(query, models))
    try:
        with limit.counting():
            while len(talk.turns) < turns and not talk.ended:
                await talk.turn(turns - len(talk.turns), models, (temperature, max_tokens), ask)
            text = await talk.conversation.close(ask)
    except ModelError as error:
        text = talk.conversation.latest()
        if error.code != TOO_MANY or text is None:
            raise
        talk.ended = "calls"
    finally:
        ask.note(turns=talk.turns, ended=talk.ended or "turns", calls=limit.calls)
    if text is None:
        raise PartError(
            "E705",
            f"`{by.name}` had no answer after {counted(turns, 'turn')}",
            "raise `turns`, or add a fallback: `(...) | D`",
        )
    return text


@dataclass(eq=False)
class _Talk:
    """A conversation with the notes of its turns, and how it ended."""

    names: tuple[str, ...]
    conversation: Conversation
    turns: list[JSON] = field(default_factory=list)
    ended: str = ""

    async def turn(
        self, left: int, models: Sequence[Model], how: tuple[float, int], ask: Asker
    ) -> None:
        """Take one turn."""
        move = await self.conversation.move(left, ask)
        if move is None:
            self.ended = "answer"
            return
        if move.member is None or move.query is None:
            self.turns.append({"why": move.why})
            return
        temperature, max_tokens = how
        seed = ask.rng.getrandbits(62) if temperature else 0
        sampling = Sampling(temperature, max_tokens=max_tokens, seed=seed)
        name = self.names[move.member]
        reply = await attempt(name, ask.generate(models[move.member], move.query, sampling))
        if isinstance(reply, MissingAnswer) and getattr(reply.error, "code", "") == TOO_MANY:
            raise reply.error
        said = reply.text if isinstance(reply, Text) else str(reply)
        role = {"role": move.role} if move.role else {}
        self.turns.append({"asked": name, **role, "what": move.query.text, "said": said})
        self.conversation.receive(Turn(name, move.role, reply))


@coordinate.enough
def somebody_to_ask(given: Sequence[Port]) -> Complaint | None:
    """There is a model to ask."""
    if Port.MODEL in given:
        return None
    text = "`coordinate` needs models to ask: `coordinate(A, B, by = dialogue(M))`"
    return Complaint("E206", text, "no model")


@coordinate.calls
def once_a_turn(site: Site) -> int:
    """The same model may be asked in every turn."""
    return int(site.get("turns"))


@coordinate.check
def its_options_fit_its_models(site: Site) -> Iterator[Complaint]:
    """What `by` says of the models has the right length, and some turn fits the calls."""
    by, calls = site.get("by"), site.get("calls")
    mistake = by.mistake(len(site.models))
    if mistake:
        yield Complaint("E403", mistake, "uses these", "give one for each model", "by")
    if calls is not None and calls < by.calls_a_turn:
        text = f"`calls` allows {counted(calls, 'call')}, and a turn takes {by.calls_a_turn}"
        yield Complaint("E403", text, "too few", "raise `calls`", "calls")
