"""A rehearsal: the walk of each query with stand-ins for answers, to count what a run would take.

The steps run as they would: prompts are rendered, fitted routes decide, recorded and kept answers
are used. Only where a step depends on an answer that nobody has is something assumed, and what
follows from it is marked as unsure.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, ClassVar, Self

from composer.methods import Acceptance, Carry, Rule, Standing, Stopping, Verdict
from composer.methods.acceptances.base import in_order
from composer.methods.cascade_state import CascadeState
from composer.methods.post_hoc.base import AfterAnswers
from composer.methods.students import Learner
from composer.run.program import Program
from composer.run.queries import asked_text
from composer.run.result import Failure
from composer.run.stand_ins import ESTIMATED, RehearsalClients, Tally, current, unsure
from composer.run.trace import Trace
from composer.run.walk import Walk
from composer.values import Candidates, Decision, Port, Ranking, Text

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from composer.compiler.graph import Node
    from composer.methods.cascade_state import Move
    from composer.methods.signals.base import Signal
    from composer.run.stand_ins import Assumption, Tokens
    from composer.run.walk import Argument, Substitution
    from composer.values import Asker, Query, Value

__all__ = ["Rehearsal"]


@dataclass(frozen=True, slots=True)
class AssumedRule(Rule):
    """A rule whose verdict over a stand-in is assumed; whom it asks is asked as always."""

    accepts: bool = True

    async def holds(
        self, answer: Text | Candidates, ask: Asker, cascade: CascadeState | None = None
    ) -> Verdict:
        """Decide over an answer that is known, assume it over a stand-in."""
        before = len(unsure.get())
        try:
            verdict = await Rule(self.expression).holds(answer, ask, cascade)
        except Exception:
            if not _estimated(answer):
                raise
            verdict = Verdict(None, {})
        guessed = _estimated(answer) or len(unsure.get()) > before
        return Verdict(self.accepts, verdict.facts) if guessed else verdict


class AssumedAcceptance(Acceptance):
    """Decides as another one, or by estimates; what it says of a stand-in is assumed."""

    name: ClassVar[str] = "assumed"

    base: Acceptance | None = None
    accepts: bool = True

    @property
    def signals(self) -> tuple[Signal, ...]:
        """What the other one measures."""
        return () if self.base is None else self.base.signals

    def move(self, state: CascadeState) -> Move:
        """Accept the latest answer, or ask the next stage, if the answer is a stand-in."""
        latest = state.latest
        known = latest is None or not _estimated(state.answers[latest].text)
        if self.base is not None and known:
            return self.base.move(state)
        return in_order(state, accepted=self.accepts)


class AssumedStopping(Stopping):
    """Stops as another one, but over a stand-in after the fewest votes, or the most."""

    name: ClassVar[str] = "assumed"

    base: Stopping
    most: bool = True

    def next(self, standing: Standing) -> int:
        """Decide over answers that are known, assume over a stand-in that all or none agree."""
        if not any(ESTIMATED in text.facts for text in standing.texts):
            return self.base.next(standing)
        if self.most:
            return len(standing.waiting)
        return self.base.next(replace(standing, sums=(standing.votes,)))


@dataclass(eq=False)
class Rehearsal:
    """Rehearses queries on one program; decisions that are certain are made once for all ends."""

    program: Program
    tokens: Tokens
    _decisions: dict[tuple[int, Node], Value] = field(default_factory=dict)

    async def count(
        self, queries: Iterable[tuple[int, Query]], assumption: Assumption
    ) -> list[Tally]:
        """Return what each query would take; each comes with its number."""
        program = self._assuming(assumption)
        return [await self._one(program, number, query, assumption) for number, query in queries]

    async def _one(
        self, program: Program, number: int, query: Query, assumption: Assumption
    ) -> Tally:
        learns = any(isinstance(e, Learner) for o in program.options.values() for e in o.values())
        tally = Tally(unsure=learns)
        tally_token, unsure_token = current.set(tally), unsure.set([])
        try:
            walk = RehearsalWalk(program, query, Trace(query.id, asked_text(query)))
            walk.number, walk.pick, walk.decisions = number, assumption.pick, self._decisions
            await walk.answer()
            tally.stages = _stages(walk.trace)
        except Exception as error:  # noqa: BLE001 - a row that would fail is counted as that
            tally.error = str(Failure.of(error))
        finally:
            current.reset(tally_token)
            unsure.reset(unsure_token)
        return tally

    def _assuming(self, assumption: Assumption) -> Program:
        """Make the program whose clients and rules assume one end of the range."""
        context = self.program.context
        clients = RehearsalClients(
            context.clients, context.cache, context.digests, self.tokens, assumption
        )
        known = replace(context, clients=clients, cache=None, budget=None)
        program = Program(self.program.root, self.program.ids, known, self.program.seed)
        program.options = {
            node: _assumed_options(options, assumption) for node, options in program.options.items()
        }
        return program


def _stages(trace: Trace) -> int:
    """Count the stages that the last cascade of a query waited for."""
    states = [event.kept for event in trace.events if isinstance(event.kept, CascadeState)]
    return len(states[-1].answers) + len(states[-1].failed) if states else 0


def _assumed_options(options: Mapping[str, Any], assumption: Assumption) -> dict[str, Any]:
    """Let a step that decides over answers assume one end of the range."""
    assumed = {name: _assumed(value, assumption) for name, value in options.items()}
    if options.get("ahead"):
        assumed["finish"] = True
    if isinstance(options.get("by"), AfterAnswers):
        accept = AssumedAcceptance(accepts=not assumption.most)
        assumed |= {"by": None, "policy": None, "accept": accept}
    return assumed


def _assumed(value: object, assumption: Assumption) -> object:
    """Let what decides over answers assume one end of the range."""
    match value:
        case Rule():
            return AssumedRule(value.expression, accepts=not assumption.most)
        case Acceptance():
            return AssumedAcceptance(base=value, accepts=not assumption.most)
        case Carry():
            return value.reading()
        case Learner():
            return value.assuming(asks=assumption.most)
        case Stopping():
            return AssumedStopping(base=value, most=assumption.most)
        case _:
            return value


@dataclass(eq=False)
class RehearsalWalk(Walk):
    """A walk that goes on where a step cannot work on stand-ins."""

    number: int = 0
    pick: int = 0
    decisions: dict[tuple[int, Node], Value] = field(default_factory=dict)
    unsure_nodes: set[Node] = field(default_factory=set)

    def _substituting(self, substitution: Substitution) -> Self:
        return replace(super()._substituting(substitution), decisions={})

    async def _call(self, node: Node, arguments: list[Argument]) -> Value:
        decides = node.port is Port.DECISION
        if decides and (self.number, node) in self.decisions:
            return self.decisions[self.number, node]
        marks: list[str] = []
        token = unsure.set(marks)
        try:
            value = await super()._call(node, arguments)
        except Exception:
            if not self._is_unsure(node, marks):
                raise
            value = self._instead(node, arguments)
        finally:
            unsure.reset(token)
        if self._is_unsure(node, marks):
            self.unsure_nodes.add(node)
            return self._picked(node, value) if isinstance(value, Decision) else value
        if decides:
            self.decisions[self.number, node] = value
        return value

    def _is_unsure(self, node: Node, marks: list[str]) -> bool:
        return bool(marks) or any(each in self.unsure_nodes for each in node.inputs)

    def _instead(self, node: Node, arguments: list[Argument]) -> Value:
        """Return what a step gives that could not work on stand-ins."""
        if node.port is Port.DECISION:
            return Decision(self.query, dict.fromkeys(node.get("names"), 1.0))
        texts = [text for argument in arguments for text in _texts(argument)]
        if not texts:
            raise Failure("E701", f"`{node.op}` cannot be estimated")
        if node.port is Port.RANKING:
            return Ranking(self.query, tuple(texts), (0.0,) * len(texts))
        several = Candidates(self.query, tuple(texts))
        return several if node.port is Port.CANDIDATES else texts[0]

    def _picked(self, node: Node, decision: Decision) -> Decision:
        """Let an unknown decision take the branches from the assumed one on."""
        if node.get("fused"):
            return decision
        names = list(decision.weights)
        tally = current.get()
        tally.branches = max(tally.branches, len(names))
        count = sum(weight > 0 for weight in decision.weights.values()) if decision.many else 1
        chosen = {names[(self.pick + at) % len(names)] for at in range(count)}
        return replace(decision, weights={name: float(name in chosen) for name in names})


def _texts(argument: Argument) -> tuple[Text, ...]:
    match argument:
        case Text():
            return (argument,)
        case Candidates() | Ranking():
            return argument.texts
        case _:
            return ()


def _estimated(answer: Text | Candidates) -> bool:
    """Say whether an answer, or one of several, is a stand-in."""
    return any(ESTIMATED in text.facts for text in _texts(answer))
