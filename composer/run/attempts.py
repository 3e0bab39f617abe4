"""The ledger of a request in a run: its attempts are held against the budget and noted."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from composer.specs import leaves
from composer.values import Usage
from composer.values.ledger import CALL_LIMIT, Attempt, Ledger

if TYPE_CHECKING:
    from collections.abc import Sequence

    from composer.run.budget import Room
    from composer.run.trace import StepEvent, Trace, TracedCall
    from composer.values import Model

__all__ = ["RunLedger", "SharedLedger"]


class RunLedger(Ledger):
    """Counts the attempts at one request of a step, for the first call that it is made for.

    Those that may be billed without an answer are part of what the query took. `told` says that a
    client has told of attempts.
    """

    def __init__(self, trace: Trace, event: StepEvent, call: TracedCall, room: Room | None) -> None:
        self._trace, self._event, self._call, self._room = trace, event, call, room
        self._answers: list[tuple[str, Usage]] = []
        self.told = self._failed = False

    async def begin(self, attempt: Attempt, *, waits: bool = True) -> None:
        """Wait until the highest cost of an attempt fits the budget; raises Failure (E709).

        The first one is the call itself, any other one counts as a further call (E725).
        """
        limit = CALL_LIMIT.get()
        if self.told and limit is not None:
            limit.take()
        self.told = True
        if self._room is not None:
            await self._room.take(attempt.most.cost, waits=waits)

    def answered(self, attempt: Attempt, usage: Usage | None) -> None:
        """Count what an answer took, or the most that it can have taken."""
        known = attempt.most if usage is None else usage
        self._answers.append((attempt.model, known))
        if self._room is not None:
            self._room.answer(attempt.most.cost, known.cost)
        if self._failed or not attempt.first:
            self.note(f"`{attempt.model}` answered at {attempt.address}")

    def failed(self, attempt: Attempt, reason: str, *, billed: bool) -> None:
        """Count an attempt that failed: with its highest cost if it may be billed."""
        self._failed = True
        self.note(f"`{attempt.model}` failed at {attempt.address}: {reason}")
        if billed:
            self._trace.spend(attempt.model, attempt.most, self._call)
        if self._room is not None:
            (self._room.lose if billed else self._room.give_back)(attempt.most.cost)

    def waits(self, seconds: float) -> None:
        """Note a wait."""
        self.note(f"waited {seconds:.2f} s")

    def pay(self, dollars: float) -> None:
        """Count what the request has cost, unless its attempts told more."""
        if self._room is not None:
            self._room.pay(dollars)

    def spend_answers(self) -> None:
        """Count in the trace what its attempts told, where its result does not say it."""
        for name, usage in self._answers:
            self._trace.spend(name, usage, self._call)

    def give_up(self, model: Model, dollars: float) -> None:
        """End a request without a result, whose client may have spent so much in silence.

        Answers to parts of it are lost with it, and count too.
        """
        self.spend_answers()
        for leaf in leaves(model) if dollars else ():
            self._trace.spend(leaf.name, Usage(calls=1, cost=dollars), self._call)
            self.pay(dollars)

    def note(self, text: str) -> None:
        """Note it with the step."""
        self._event.notes.setdefault("attempts", []).append(text)


class SharedLedger(Ledger):
    """Parts the attempts at a request among the ledgers of its prompts, equally."""

    def __init__(self, ledgers: Sequence[Ledger]) -> None:
        self._ledgers = ledgers
        self._shares: dict[Attempt, list[Attempt]] = {}

    async def begin(self, attempt: Attempt, *, waits: bool = True) -> None:
        """Begin each share; raises Failure (E709) if one does not fit now, and none has begun then.

        Nobody waits: an answer that waited for room would hold up the steps of the others, and they
        may be those that have the room.
        """
        del waits
        shares = [replace(attempt, most=usage) for usage in self._equal_shares(attempt.most)]
        begun: list[tuple[Ledger, Attempt]] = []
        try:
            for ledger, share in zip(self._ledgers, shares, strict=True):
                await ledger.begin(share, waits=False)
                begun.append((ledger, share))
        except BaseException:
            for ledger, share in begun:
                ledger.failed(share, "not sent, the budget is too small", billed=False)
            raise
        self._shares[attempt] = shares

    def answered(self, attempt: Attempt, usage: Usage | None) -> None:
        """Tell each ledger its share of what an answer took."""
        shares = self._shares.pop(attempt)
        parts = [None] * len(shares) if usage is None else self._equal_shares(usage)
        for ledger, share, part in zip(self._ledgers, shares, parts, strict=True):
            ledger.answered(share, part)

    def failed(self, attempt: Attempt, reason: str, *, billed: bool) -> None:
        """Tell each ledger its share of what a failure may have taken."""
        for ledger, share in zip(self._ledgers, self._shares.pop(attempt), strict=True):
            ledger.failed(share, reason, billed=billed)

    def waits(self, seconds: float) -> None:
        """Tell each ledger once."""
        for ledger in dict.fromkeys(self._ledgers):
            ledger.waits(seconds)

    def note(self, text: str) -> None:
        """Tell each ledger once."""
        for ledger in dict.fromkeys(self._ledgers):
            ledger.note(text)

    def _equal_shares(self, usage: Usage) -> list[Usage]:
        """Return equal shares; what cannot be parted goes to the first."""
        count = len(self._ledgers)
        share = Usage(
            prompt_tokens=usage.prompt_tokens // count,
            completion_tokens=usage.completion_tokens // count,
            cost=usage.cost / count,
        )
        others = [share] * (count - 1)
        rest = usage - sum(others, Usage())
        return [replace(rest, cost=share.cost), *others]
