"""Which requests of an engine step are answered by static steps, and how."""

from __future__ import annotations

import math
from collections import OrderedDict
from functools import cached_property
from typing import TYPE_CHECKING, cast

import torch

from composer.engine.memory import ran_out
from composer.engine.requests.draw import Draw, Drawn
from composer.engine.rows.attention import BatchedAttention
from composer.engine.rows.runner import Runner
from composer.engine.static.batch import StaticBatch
from composer.engine.static.capture import Launcher
from composer.engine.static.compiling import runs_to_pay
from composer.engine.static.step import StaticStep
from composer.values.timings import read_timings

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from torch import Tensor

    from composer.engine.fuse_tree import ModelSlot
    from composer.engine.group import Group
    from composer.engine.requests.base import AnyRequest, Replies
    from composer.engine.sequence import MemberState
    from composer.engine.static.capture import PoolHandle
    from composer.engine.static.setting import Where
    from composer.engine.static.shape import Shape
    from composer.values.timings import Timings

__all__ = ["StaticSteps"]

_MOST = 64  # steps that are kept of one group


class StaticSteps:
    """Answers draws by static steps `where` they are wanted: on GPUs, everywhere or nowhere.

    With `captures` steps on a GPU are replayed as CUDA graphs. Where a step cannot be captured, or
    not run at all, the sequences that were in it say why, once.
    """

    def __init__(self, where: Where = "gpus", *, captures: bool = True) -> None:
        self._where, self._captures = where, captures
        self._groups: dict[Group, _GroupSteps | None] = {}
        self._pools: dict[torch.device, PoolHandle] = {}

    def run_on(self, runner: Runner) -> bool:
        """Whether draws of a model alone are answered by static steps."""
        return self._wanted(runner.model.device) and isinstance(runner.rows, BatchedAttention)

    def _wanted(self, device: torch.device) -> bool:
        return self._where == "everywhere" or (self._where == "gpus" and device.type == "cuda")

    def forget(self) -> None:
        """Forget all steps, which keep their models in memory; those in use are made anew."""
        self._groups.clear()

    def answer(self, requests: Sequence[AnyRequest], replies: Replies) -> list[AnyRequest]:
        """Answer the draws that fit, one step for each group; return the other requests.

        A draw whose probabilities are not numbers is among these: the ragged way finds the member
        at fault. So are the draws of a step that fails.
        """
        batches = list(self._batches(requests))
        begun = [
            (batch, outputs) for batch in batches if (outputs := self._begin(batch)) is not None
        ]
        for batch, outputs in begun:
            self._finish(batch, outputs, replies)
        return [request for request in requests if request not in replies.values]

    def _batches(self, requests: Sequence[AnyRequest]) -> Iterator[StaticBatch]:
        """Yield the draws that fit, those of one group and of the same weights together."""
        alike: dict[tuple[Group, tuple[float, ...], tuple[int, ...]], list[Draw]] = {}
        for request in requests:
            if type(request) is Draw and self._fits(request):
                sequence = request.sequence
                key = sequence.group, sequence.weights, tuple(sequence.states)
                alike.setdefault(key, []).append(request)
        yield from map(StaticBatch, alike.values())

    def _fits(self, request: Draw) -> bool:
        """Whether a static step can answer a draw."""
        sequence, processing = request.sequence, request.processing
        return (
            request.detail is None
            and self._steps(sequence.group) is not None
            and all(map(_reads_one, sequence.states.values()))
            and (processing is None or not any(sequence.group.processors(processing)))
        )

    def _steps(self, group: Group) -> _GroupSteps | None:
        """The steps of a group; None if it has none."""
        if group not in self._groups:
            wanted = self._wanted(group.device)
            self._groups[group] = _GroupSteps() if wanted and _is_static(group) else None
        return self._groups[group]

    def _begin(self, batch: StaticBatch) -> Tensor | None:
        """Begin a step; None if it fails, and then the group has no others."""
        steps = self._steps(batch.group)
        if steps is None:  # the last batch of the group failed
            return None
        try:
            batch.reserve()
            launcher = steps.launcher(batch, self._made)
            outputs = launcher.run(batch.numbers())
        except Exception as error:  # noqa: BLE001  # the ragged way tells whose it is
            if not ran_out(error):  # else smaller steps may still fit
                self._give_up(batch, error)
            return None
        if launcher.failure is not None:
            batch.remark(launcher.failure)
            launcher.failure = None
        while launcher.step.failures:
            batch.remark(launcher.step.failures.pop())
        batch.advance()
        return outputs

    def _finish(self, batch: StaticBatch, outputs: Tensor, replies: Replies) -> None:
        """Wait for a step, and reply to its draws."""
        try:
            entries, logprobs = outputs.tolist()
        except Exception as error:  # noqa: BLE001  # as above; errors of a GPU come late
            self._give_up(batch, error)
            entries = logprobs = [math.nan] * batch.shape.count
        for number, (request, place) in enumerate(zip(batch.requests, batch.places, strict=True)):
            if math.isnan(logprobs[place]):
                batch.retreat(number)
            else:
                replies.give(request, Drawn(int(entries[place]), logprobs[place]))

    def _give_up(self, batch: StaticBatch, error: Exception) -> None:
        self._groups[batch.group] = None
        batch.remark(f"its static step failed ({type(error).__name__}: {error})")

    def _made(self, batch: StaticBatch) -> Launcher:
        """Make the step of a batch's shape."""
        device, places = batch.group.device, [_places(runner) for runner in batch.runners]
        on_gpus = self._captures and device.type == "cuda"
        captures = on_gpus and all(each == {device} for each in places)
        apart = on_gpus and not captures and all(len(each) == 1 for each in places)
        step = StaticStep(batch.group, batch.shape, batch.runners, captures=apart)
        if captures and device not in self._pools:
            self._pools[device] = torch.cuda.graph_pool_handle()
        count, size = sum(batch.shape.parts), (2, batch.shape.count)
        pool = self._pools.get(device)
        wait = math.inf if apart else runs_to_pay(batch, self._timings)
        return Launcher(step, count, size, device, pool, captures=captures, compile_at=wait)

    @cached_property
    def _timings(self) -> Timings | None:
        """What was saved of this machine's speed."""
        return read_timings().timings


class _GroupSteps:
    """The steps of one group by their shapes; they are dropped when a cache gets new memory."""

    def __init__(self) -> None:
        self._made: OrderedDict[Shape, Launcher] = OrderedDict()
        self._versions: list[int] = []

    def launcher(self, batch: StaticBatch, make: Callable[[StaticBatch], Launcher]) -> Launcher:
        """Return the step for a batch, made if need be; those used least recently are dropped."""
        versions = [_rows(slot).version for slot in batch.group.slots]
        if versions != self._versions:
            self._made.clear()
            self._versions = versions
        launcher = self._made.pop(batch.shape, None) or make(batch)
        self._made[batch.shape] = launcher
        if len(self._made) > _MOST:
            self._made.popitem(last=False)
        return launcher


def _places(runner: Runner) -> set[torch.device]:
    """The devices on which a model's weights lie."""
    return {each.device for each in runner.model.module.parameters()}


def _rows(slot: ModelSlot) -> BatchedAttention:
    rows = cast("Runner", slot.runner).rows
    assert isinstance(rows, BatchedAttention)
    return rows


def _is_static(group: Group) -> bool:
    """Whether all models share passes of fixed shapes, and all parts of the fuses are static."""
    return all(
        isinstance(slot.runner, Runner)
        and isinstance(slot.runner.rows, BatchedAttention)
        and slot.runner.model.device.type == group.device.type
        for slot in group.slots
    ) and all(node.static for node in group.fuses)


def _reads_one(state: MemberState) -> bool:
    """Whether a model has one token to read, behind others, and no adapter."""
    return 0 < state.row.length == len(state.ids) - 1 and not state.row.adapter
