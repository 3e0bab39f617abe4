"""One engine step: one forward pass of each model for all waiting requests, then the replies.

A request goes through these stages:

1. `ready` picks the requests that are answered in this step.
2. Draws whose shapes allow it are answered by static steps (`static`), where these are on; what
   follows is the ragged way, for all others.
3. Each says what its models read (`StepRequest.readings`), and all that one model reads is one
   forward pass (`Runner.forward`).
4. A request to a server flies (`flights`): it goes on in the step after the reply has come.
5. Logits processors change the logits of those requests that generate.
6. The requests of one family and one group are answered together (`StepRequest.answer`).

An error reaches only the requests that it concerns; the step itself never fails.
"""

from __future__ import annotations

from bisect import bisect_left
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import torch
from torch.nn.functional import pad

from composer.diagnostics.amounts import counted
from composer.engine.flights import Flight, Flights
from composer.engine.memory import memory_full, ran_out
from composer.engine.processors import LogitContext
from composer.engine.requests.base import Replies
from composer.engine.requests.prompt_room import PromptRoom
from composer.engine.requests.reading import FAILED, MemberLogits
from composer.engine.rows.row import Feed
from composer.engine.sequence import MemberDropped
from composer.engine.shared_prompts import readers_and_twins
from composer.engine.stacks import stacked_passes

if TYPE_CHECKING:
    from collections.abc import Hashable, Sequence
    from types import TracebackType

    from torch import Tensor

    from composer.engine.group import Group
    from composer.engine.requests.base import AnyRequest, Batch
    from composer.engine.requests.reading import ForwardPass, Reading
    from composer.engine.rows.runner import Runner
    from composer.engine.static.steps import StaticSteps
    from composer.values.processing import Processing

    PassItem = tuple[AnyRequest, Reading, Feed]
    RequestLogits = tuple[AnyRequest, MemberLogits]

__all__ = ["engine_step", "ready"]


def engine_step(
    requests: Batch, flights: Flights | None = None, static: StaticSteps | None = None
) -> Replies:
    """Answer the requests that one forward pass of each model can answer.

    A request without a reply and without an error is asked again in the next step: its phase has
    not come, its prompt is not read to the end, a member has dropped out, or it is among the
    `flights` of the engine.
    """
    flights = Flights() if flights is None else flights
    waiting = [request for request in ready(requests) if request not in flights]
    work = _Work(Replies(), flights, PromptRoom(waiting))
    for request in waiting if static is None else static.answer(waiting, work.replies):
        with _ErrorsTo(work.replies, (request,)):
            work.take(request)
    work.read()
    replies = work.replies
    for request, logits in (pair for batch in work.families.values() for pair in batch):
        processing = request.processing
        if processing is not None and request not in replies.errors:
            with _ErrorsTo(replies, (request,)):
                _process(request, processing, logits)
    for flight in work.landed:
        with _ErrorsTo(replies, (flight.request,)):
            flight.note_gap()
    for (group, family), pairs in work.families.items():
        sound = [(request, logits) for request, logits in pairs if request not in replies.errors]
        if sound:
            _answer(group, family, sound, replies)
    replies.errors = {r: e for r, e in replies.errors.items() if not isinstance(e, MemberDropped)}
    return replies


@dataclass(eq=False)
class _Work:
    """What one step reads, and the requests that can be answered then, by group and family."""

    replies: Replies
    flights: Flights
    prompt_room: PromptRoom
    items: dict[ForwardPass, list[PassItem]] = field(default_factory=dict)
    outputs: dict[ForwardPass, Tensor | None] = field(default_factory=dict)
    families: dict[tuple[Group, type[AnyRequest]], list[RequestLogits]] = field(
        default_factory=dict
    )
    landed: list[Flight] = field(default_factory=list)
    starting: list[tuple[AnyRequest, MemberLogits, list[Reading]]] = field(default_factory=list)

    def take(self, request: AnyRequest) -> None:
        """Add what a request reads, if there is room for its prompt.

        It is answered now unless its prompt is read in chunks.
        """
        readings = request.readings()
        here = [each for each in readings if not each.is_remote]
        chunked = [reading for reading in here if reading.needs_chunks]
        for reading in chunked or here:
            reading.rewind()
        feeds = [(each, each.chunk() if chunked else each.feed()) for each in chunked or here]
        if not self.prompt_room.admits(feeds):
            return
        for reading, feed in feeds:
            if feed.ids:
                self.items.setdefault(reading.forward_pass, []).append((request, reading, feed))
        if chunked:
            return
        logits = MemberLogits(readings, self.outputs)
        remote = [each for each in readings if each.is_remote and each.positions]
        if remote:
            self.starting.append((request, logits, remote))
        else:
            self._answer_later(request, logits)

    def read(self) -> None:
        """Run the forward passes, and ask servers; take the requests to which these replied."""
        self._read_stacked()
        for forward_pass, items in self.items.items():
            if forward_pass in self.outputs:
                continue
            with _ErrorsTo(self.replies, [request for request, _, _ in items]):
                self.outputs[forward_pass] = _read_once(forward_pass[0], items, self.replies)
        for request, logits, remote in self.starting:
            if request not in self.replies.errors:
                self.flights.start(request, logits, remote)
        with _ErrorsTo(self.replies, self.flights.requests):
            self.landed = self.flights.arrived(self.replies)
        for flight in self.landed:
            self._answer_later(flight.request, flight.logits)
        self.flights.send(more=bool(self.landed))

    def _read_stacked(self) -> None:
        """Read members that step as one model; those of a pass that fails are read apart."""
        feeds = {key: [feed for _, _, feed in items] for key, items in self.items.items()}
        for stack, passes in stacked_passes(feeds):
            if any(reading.hidden for key in passes for _, reading, _ in self.items[key]):
                continue
            try:
                outputs = stack.forward([feeds[key] for key in passes])
            except Exception as error:  # noqa: BLE001  # if it is a member's own, it comes again
                stack.give_up(error)
                continue
            for key, output in zip(passes, outputs, strict=True):
                self.outputs[key] = output
                _note(self.items[key])

    def _answer_later(self, request: AnyRequest, logits: MemberLogits) -> None:
        key = request.sequence.group, request.family
        self.families.setdefault(key, []).append((request, logits))


def ready(requests: Batch) -> list[AnyRequest]:
    """Return the requests that are answered now; the others wait.

    Requests of one cycle are answered phase by phase (see `Phase`): those in the lowest phase
    above 0 come first, and a new cycle begins, with phase 0, when nobody is in a later phase.
    """
    phases: dict[Hashable, set[int]] = {}
    for request in requests:
        if request.phase is not None:
            phases.setdefault(request.phase.cycle, set()).add(request.phase.step)
    current = {cycle: min(steps - {0}, default=0) for cycle, steps in phases.items()}
    return [r for r in requests if r.phase is None or r.phase.step == current[r.phase.cycle]]


def _process(request: AnyRequest, processing: Processing, logits: MemberLogits) -> None:
    """Apply the request's logits processors to the logits of each member, in place."""
    sequence = request.sequence
    processors, by_slot = sequence.group.processors(processing), logits.by_slot()
    for reading in logits.readings:
        process, output = processors[reading.slot], by_slot.get(reading.slot)
        if process is not None and output is not None:
            state, width = reading.state, reading.state.slot.runner.model.width
            for n, position in enumerate(reading.positions):
                ahead = len(state.entry_starts) - bisect_left(state.entry_starts, position)
                context = LogitContext(
                    state.ids[:position], state.answer_start, sequence.answer_length - ahead
                )
                process(output[n, :width], context)


def _answer(
    group: Group, family: type[AnyRequest], pairs: Sequence[RequestLogits], replies: Replies
) -> None:
    """Answer requests of one family together; where that fails, one by one.

    So an error reaches only the request that causes it.
    """
    try:
        replies.add(family.answer(group, pairs))
    except Exception as error:  # noqa: BLE001  # it belongs to the jobs, not the loop
        if len(pairs) == 1:
            replies.fail(pairs[0][0], error)
            return
        for pair in pairs:
            _answer(group, family, [pair], replies)


class _ErrorsTo:
    """Give an exception that is raised inside to some requests, instead of raising it further."""

    def __init__(self, replies: Replies, requests: Batch) -> None:
        self._replies, self._requests = replies, requests

    def __enter__(self) -> None:
        pass

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> bool:
        if not isinstance(error, Exception):
            return False
        for request in self._requests:
            self._replies.fail(request, error)
        return True


def _read_once(runner: Runner, items: Sequence[PassItem], replies: Replies) -> Tensor | None:
    """Run one forward pass in which rows with the same prompt read it once.

    A row whose like failed reads by itself, since the error may be that row's own.
    """
    readers, twins = readers_and_twins(runner.rows, items)
    output = _forward(runner, readers, replies)
    if not twins:
        return output
    outputs = [output]
    alone = [item for item, reader in twins if reader[0] in replies.errors]
    start = 0 if output is None else len(output)
    for (_, reading, feed), reader in twins:
        if reader[0] in replies.errors:
            continue
        source = reader[1]
        runner.rows.copy(source.state.row, reading.state.row, source.state.row.length)
        reading.state.counts.calls += 1
        reading.first_row = start
        if feed.keep and output is not None:
            outputs.append(output[source.first_row : source.first_row + len(feed.keep)])
            start += len(feed.keep)
    if alone:
        outputs.append(_forward(runner, alone, replies))
        for _, reading, _ in alone:
            reading.first_row += start
    known = [output for output in outputs if output is not None]
    return _concatenated(known) if len(known) > 1 else next(iter(known), None)


def _forward(runner: Runner, items: Sequence[PassItem], replies: Replies) -> Tensor | None:
    """Run one forward pass; return logits [all kept tokens, width].

    If it fails, run smaller passes, so that only the rows that cause the error fail: halves where
    memory ran out, else one row each. None if all of them fail.
    """
    lengths = [reading.state.row.length for _, reading, _ in items]
    for _, reading, _ in items:
        reading.first_row = FAILED
    try:
        hidden = any(reading.hidden for _, reading, _ in items)
        output: Tensor | None = runner.forward([feed for _, _, feed in items], hidden=hidden)
    except Exception as error:  # noqa: BLE001  # it belongs to the jobs, not the loop
        if len(items) == 1:
            _fail(runner, items[0], error, replies)
            return None
        size = (len(items) + 1) // 2 if ran_out(error) else 1
        items = [_retried(*item, length) for item, length in zip(items, lengths, strict=True)]
        output = _in_parts(
            runner, [items[n : n + size] for n in range(0, len(items), size)], replies
        )
        items = [item for item in items if item[1].first_row != FAILED]
    _note(items)
    return output


def _note(items: Sequence[PassItem]) -> None:
    """Note of each item that it was read, and where its logits begin in the output."""
    start = 0
    for _, reading, feed in items:
        reading.first_row = start
        reading.state.counts.calls += 1
        start += len(feed.keep)


def _in_parts(
    runner: Runner, parts: Sequence[Sequence[PassItem]], replies: Replies
) -> Tensor | None:
    """Run a pass for each part; return the logits of all, None if all fail."""
    outputs = [_forward(runner, part, replies) for part in parts]
    known = [output for output in outputs if output is not None]
    return _concatenated(known) if known else None


def _fail(runner: Runner, item: PassItem, error: Exception, replies: Replies) -> None:
    """Let the request of a row that cannot be read fail, or go on without this member."""
    request, reading, feed = item
    if ran_out(error):
        error = memory_full(error, _row(runner, reading.state.row.length + len(feed.ids)))
    replies.fail(request, request.sequence.drop(reading.slot, error))


def _row(runner: Runner, tokens: int) -> str:
    """Name a row of so many tokens, and how many there are beside it."""
    others = len(runner.rows.live) - 1
    beside = f" beside {counted(others, 'other row')}" if others else ""
    model = runner.model
    return f"a row of {counted(tokens, 'token')} of `{model.name}` on {model.device}{beside}"


def _retried(request: AnyRequest, reading: Reading, feed: Feed, length: int) -> PassItem:
    """Return the same item for a row that a failed pass may have cut back from `length` tokens."""
    row = reading.state.row
    lost = reading.state.ids[row.length : length]
    keep = [len(lost) + place for place in feed.keep]
    return request, reading, Feed(row, [*lost, *feed.ids], keep)


def _concatenated(outputs: Sequence[Tensor]) -> Tensor:
    """Concatenate outputs [row, width] of unlike widths: only some have hidden states behind."""
    widest = max(output.shape[1] for output in outputs)
    return torch.cat([pad(output, (0, widest - output.shape[1])) for output in outputs])
