"""The decision of a cascade, again after each answer, until it falls on a stage that has answered.

A route decides once, before any branch has answered; see `routing.py`.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import TYPE_CHECKING, Protocol

from composer.methods import Acceptance, Choice, Rule
from composer.methods.acceptances.base import in_order
from composer.methods.cascade_replay import chosen_stage
from composer.methods.cascade_state import CascadeState, Move, StageAnswer
from composer.methods.post_hoc.base import AfterAnswers
from composer.methods.signals.learned import LearnedSignal, with_signals
from composer.values import MissingAnswer, Query, Text, Usage
from composer.values.finite import require_finite
from composer.values.flow import unique
from composer.values.gather import TooFewError, attempt, failure_notes

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from composer.methods import Carry, Estimator, Policy
    from composer.methods.signals.base import Signal
    from composer.steps.early import EarlyStages
    from composer.values import Asker, LazyBranch, MaybeMissing
    from composer.values.card import Price


class Decider(Protocol):
    """Decides what a cascade does next; `rule` says by what, for the trace."""

    @property
    def rule(self) -> str:
        """What decides, as text."""

    async def move(self, state: CascadeState) -> tuple[Move, CascadeState]:
        """Decide, and return the state with what was measured on the latest answer."""

    def takes_last(self, state: CascadeState) -> bool:
        """Say whether the latest answer is taken without a decision, as nothing else is left."""


_UNKNOWN: Mapping[str, object] = MappingProxyType({"accepted": None})
"""Facts of a move that was made because nothing could be decided."""


@dataclass(eq=False)
class Accepting:
    """Decides by a rule or an acceptance over the latest answer.

    If it `judges_last`, a rule judges the answer of the last stage too, which is taken in any case.
    """

    accept: Rule | Acceptance
    ask: Asker
    judges_last: bool = False
    judged: int | None = None

    @property
    def rule(self) -> str:
        """The rule, or the name of the part."""
        return self.accept.name if isinstance(self.accept, Acceptance) else str(self.accept)

    async def move(self, state: CascadeState) -> tuple[Move, CascadeState]:
        """Take the latest answer if it is accepted."""
        if isinstance(self.accept, Acceptance):
            state = await with_signals(self.accept.signals, state, self.ask)
            move = self.accept.move(state)
            return replace(
                move, facts={"accepted": move.stage in state.answers, **move.facts}
            ), state
        latest = state.latest
        if latest is None or latest == self.judged:
            return in_order(state, accepted=False), state
        self.judged = latest
        learned = [each for each in self.accept.signals() if isinstance(each, LearnedSignal)]
        inner = [signal for each in learned for signal in each.signals]
        state = await with_signals(inner, state, self.ask)
        verdict = await self.accept.holds(state.answers[latest].text, self.ask, state)
        state = state.with_answer(latest, state.answers[latest].measured(verdict.facts))
        accepted = bool(verdict.holds) or not state.open
        return in_order(state, accepted=accepted, facts={"accepted": verdict.holds}), state

    def takes_last(self, state: CascadeState) -> bool:
        """Accept whatever comes when no stage is left."""
        judges = self.judges_last and isinstance(self.accept, Rule)
        return not state.open and (not judges or state.latest == self.judged)


@dataclass(eq=False)
class Choosing:
    """Decides by estimates of all stages and a policy, as a route does."""

    by: Estimator
    policy: Policy
    choices: tuple[Choice, ...]
    ask: Asker

    @property
    def rule(self) -> str:
        """The name of the estimator."""
        return self.by.name

    async def move(self, state: CascadeState) -> tuple[Move, CascadeState]:
        """Choose the stage that the policy gives most weight."""
        if isinstance(self.by, AfterAnswers):
            state = await with_signals(self.by.signals, state, self.ask)
        estimates = await self.by.estimate_after(state, self.choices, self.ask)
        quality = dict(zip(state.names, estimates.quality, strict=True))
        require_finite(quality, f"the estimate by `{self.by.name}` of")
        facts: dict[str, object] = {"estimates": quality, "because": estimates.because}
        if estimates.cost and all(map(math.isfinite, estimates.cost)):
            facts["costs"] = dict(zip(state.names, estimates.cost, strict=True))
        stage = chosen_stage(self.policy, estimates, self.choices, state, self.ask.rng)
        return Move(stage, facts), state

    def takes_last(self, state: CascadeState) -> bool:
        """Take a lone answer when no stage is left."""
        return not state.open and len(state.answers) == 1


@dataclass(eq=False)
class AskingAll:
    """Asks every stage, and measures signals on each answer, on the last one only if `last`."""

    signals: tuple[Signal, ...]
    ask: Asker
    last: bool = True
    rule = "every stage"

    async def move(self, state: CascadeState) -> tuple[Move, CascadeState]:
        """Ask the next stage; a signal that fails is not known."""
        for signal in self.signals:
            measuring = await attempt(str(signal), with_signals((signal,), state, self.ask))
            state = measuring if isinstance(measuring, CascadeState) else state
        return in_order(state, accepted=not state.open), state

    def takes_last(self, state: CascadeState) -> bool:
        """Measure the last answer too, if that is wanted."""
        return not state.open and not self.last


@dataclass(eq=False)
class Attempts:
    """The attempts of one cascade at one question."""

    first: MaybeMissing[Query | Text]
    stages: tuple[LazyBranch[Text], ...]
    names: tuple[str, ...]
    decider: Decider
    ask: Asker
    carry: Carry | None = None
    early: EarlyStages | None = None
    state: CascadeState = field(init=False)
    failures: list[MissingAnswer] = field(default_factory=list, init=False)
    verdicts: list[dict[str, object]] = field(default_factory=list, init=False)
    judged: int | None = field(default=None, init=False)

    async def answer(self) -> Text:
        """Return the answer that is taken; raises TooFewError where every attempt failed."""
        try:
            return await self._answer()
        finally:
            if self.early is not None:
                await self.early.end()

    async def _answer(self) -> Text:
        self._begin()
        if self.early is not None and self.state.answers:
            self.early.begin(0)
        while True:
            if self.state.latest is None and not self.state.open:
                remedy = "add a fallback: `cascade(A, B) | C`"
                raise TooFewError(self.failures, "every attempt failed", remedy)
            if self.state.latest is not None and self.decider.takes_last(self.state):
                return self._taken(self.state.latest)
            move = await self._move()
            if move.stage in self.state.answers:
                if self.carry is not None and move.facts.get("accepted") is True:
                    await self.carry.accepted(self.state, move.stage, self.ask)
                return self._taken(move.stage)
            await self._attempt(move.stage)

    def _begin(self) -> None:
        """Make the state before any stage is asked; an answer before the stages is the first."""
        given = [] if isinstance(self.first, Query) else ["first"]
        names = self.names or unique([*given, *(stage.name for stage in self.stages)])
        match self.first:
            case Query():
                self.state = CascadeState(self.first, names)
            case Text():
                answer = _stage_answer(self.first, Usage(), 0.0, self.ask)
                self.state = CascadeState(self.first.query.root, names).with_answer(0, answer)
            case MissingAnswer():
                self.state = CascadeState(Query.of(""), names).with_failure(0)
                self._note_failure(self.first)

    def _taken(self, stage: int) -> Text:
        self.state = replace(self.state, taken=stage)
        self.ask.keep(self.state)
        return self.state.answers[stage].text

    async def _move(self) -> Move:
        """Decide; where what decides fails, the next stage in order is asked.

        What was asked to decide over an answer belongs to the cost of that answer.
        """
        latest, before = self.state.latest, self.ask.spent()
        if latest is None and isinstance(self.first, MissingAnswer):  # the question is not known
            return in_order(self.state, accepted=False)
        decision = await attempt("accept", self.decider.move(self.state))
        if isinstance(decision, MissingAnswer):
            self._note_failure(decision)
            move = in_order(self.state, accepted=not self.state.open, facts=_UNKNOWN)
        else:
            move, self.state = decision
        if latest is not None:
            dearer = _dearer(self.state.answers[latest], *before, self.ask)
            self.state = self.state.with_answer(latest, dearer)
        if latest is not None and latest != self.judged:
            self.judged = latest
            self._note_verdict(latest, move)
        return move

    async def _attempt(self, stage: int) -> None:
        """Ask a stage."""
        at = stage - (len(self.state.names) - len(self.stages))
        usage, began = self.ask.spent()
        if self.early is None:
            answer = await attempt(self.stages[at].name, self._asked(self.stages[at]))
        else:
            answer = await self.early.answer(at)
        if isinstance(answer, Text):
            if self.state.latest is None:
                self.state = replace(self.state, query=answer.query.root)
            self.state = self.state.with_answer(
                stage, _stage_answer(answer, usage, began, self.ask)
            )
        else:
            self.state = self.state.with_failure(stage)
            self._note_failure(answer)

    async def _asked(self, branch: LazyBranch[Text]) -> Text:
        """Ask a branch, with what is carried to it."""
        if self.carry is None:
            return await branch()
        question = await branch.question()
        query = await self.carry.query(question, self.state, self.ask)
        return replace(await branch(query), query=question)

    def _note_failure(self, failure: MissingAnswer) -> None:
        self.failures.append(failure)
        self.ask.note(**failure_notes(self.failures))

    def _note_verdict(self, latest: int, move: Move) -> None:
        answer, taken = self.state.answers[latest], move.stage in self.state.answers
        verdict = {
            "answer": answer.text.text,
            "by": answer.text.source,
            "accepted": taken,
            "rule": self.decider.rule,
            "signals": dict(answer.signals),
            **move.facts,
            "next": None if taken else self._name(move.stage),
        }
        if taken and move.stage != latest:
            verdict["took"] = self.state.names[move.stage]
        self.verdicts.append(verdict)
        self.ask.note(stages=self.verdicts)

    def _name(self, stage: int) -> str:
        return self.stages[stage - (len(self.state.names) - len(self.stages))].name


def choices_of(
    names: Sequence[str],
    aliases: Sequence[tuple[str, ...]] | None,
    prices: Sequence[Price] | None,
    recorded_costs: Sequence[float | None] | None,
) -> tuple[Choice, ...]:
    """Return the stages of a cascade as choices, whatever models they ask."""
    nothing = (None,) * len(names)
    aliases = aliases or ((),) * len(names)
    prices, recorded_costs = prices or nothing, recorded_costs or nothing
    return tuple(
        Choice(name, alias, None, price, cost)
        for name, alias, price, cost in zip(names, aliases, prices, recorded_costs, strict=True)
    )


def _stage_answer(text: Text, before: Usage, began: float, ask: Asker) -> StageAnswer:
    """Return an answer with what it took, which is all that came after `before`."""
    answer = _dearer(StageAnswer(text, cost=0.0, seconds=0.0), before, began, ask)
    seconds = text.facts.get("seconds")
    return answer if seconds is None else replace(answer, seconds=float(seconds))


def _dearer(answer: StageAnswer, before: Usage, began: float, ask: Asker) -> StageAnswer:
    """Return an answer that took as much more as was spent after `before`."""
    usage, now = ask.spent()
    spent = usage - before
    if spent == Usage():
        return answer
    return replace(
        answer,
        cost=answer.cost + (math.nan if spent.unpriced else spent.cost),
        calls=answer.calls + spent.calls,
        seconds=answer.seconds + (now - began if spent.calls else 0.0),
    )
