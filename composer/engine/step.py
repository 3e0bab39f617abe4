"""One tick: every row that waits is fed, in one pass a model; then every group answers."""

from __future__ import annotations

from bisect import bisect_left
from typing import TYPE_CHECKING

import torch
from torch.nn.functional import pad

from composer.engine.phase import ready
from composer.engine.processors import LogitContext
from composer.engine.requests.base import Replies
from composer.engine.requests.reading import MemberLogits
from composer.engine.rows.row import Feed
from composer.engine.sequence import MemberDropped

if TYPE_CHECKING:
    from collections.abc import Sequence
    from types import TracebackType

    from torch import Tensor

    from composer.engine.group import Group
    from composer.engine.requests.base import AnyRequest, Batch
    from composer.engine.requests.reading import Pass, Reading
    from composer.engine.rows.runner import Runner
    from composer.values.processing import Processing

    Line = tuple[AnyRequest, Reading, Feed]
    Asked = tuple[AnyRequest, MemberLogits]

__all__ = ["engine_step"]


def engine_step(requests: Batch) -> Replies:
    """Answer the requests that can be after one pass of each model; the others stay as they are."""
    replies = Replies()
    lines: dict[Pass, list[Line]] = {}
    families: dict[tuple[Group, type[AnyRequest]], list[Asked]] = {}
    passes: dict[Pass, Tensor | None] = {}
    for request in ready(requests):
        with _Failing(replies, (request,)):
            readings = request.readings()
            late = [reading for reading in readings if reading.needs_chunks]
            for reading in late or readings:
                reading.rewind()
                feed = reading.chunk() if late else reading.feed()
                if feed.ids:
                    lines.setdefault(reading.forward_pass, []).append((request, reading, feed))
            if not late:
                key = request.sequence.group, request.family
                families.setdefault(key, []).append((request, MemberLogits(readings, passes)))
    for at, some in lines.items():
        with _Failing(replies, [request for request, _, _ in some]):
            passes[at] = _step(at[0], some, replies)
    for request, logits in (each for some in families.values() for each in some):
        processing = request.processing
        if processing is not None and request not in replies.errors:
            with _Failing(replies, (request,)):
                _process(request, processing, logits)
    for (group, family), everyone in families.items():
        asked = [each for each in everyone if each[0] not in replies.errors]
        if asked:
            _answer(group, family, asked, replies)
    replies.errors = {r: e for r, e in replies.errors.items() if not isinstance(e, MemberDropped)}
    return replies


def _process(request: AnyRequest, processing: Processing, logits: MemberLogits) -> None:
    """Do to the logits of those who write what is asked, or what their models' own files say."""
    sequence = request.sequence
    processors = sequence.group.processors(processing)
    for reading in logits.readings:
        process, out = processors[reading.slot], logits.passes.get(reading.forward_pass)
        if process is not None and out is not None:
            state, width = reading.state, reading.state.slot.runner.model.width
            for n, mark in enumerate(reading.positions):
                behind = len(state.entry_starts) - bisect_left(state.entry_starts, mark)
                at = LogitContext(
                    state.ids[:mark], state.answer_start, sequence.answer_length - behind
                )
                process(out[reading.first_row + n, :width], at)


def _answer(
    group: Group, family: type[AnyRequest], asked: Sequence[Asked], replies: Replies
) -> None:
    """Answer requests of one family together; if that fails, each by itself.

    So an error reaches those only whose own it is.
    """
    try:
        replies.add(family.answer(group, asked))
    except Exception as error:  # noqa: BLE001  # it belongs to the jobs, not the loop
        if len(asked) == 1:
            replies.fail(asked[0][0], error)
            return
        for each in asked:
            _answer(group, family, [each], replies)


class _Failing:
    """Whatever goes wrong inside is for those who asked for it, never the loop's end."""

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


def _step(runner: Runner, lines: Sequence[Line], replies: Replies) -> Tensor | None:
    """One pass; if it fails, one for each row, so that only those concerned fail."""
    out: Tensor | None
    before = [reading.state.row.length for _, reading, _ in lines]
    try:
        hidden = any(reading.hidden for _, reading, _ in lines)
        out = runner.forward([feed for _, _, feed in lines], hidden=hidden)
    except Exception as error:  # noqa: BLE001  # it belongs to the jobs, not the loop
        if len(lines) == 1:
            request, reading, _ = lines[0]
            replies.fail(request, request.sequence.drop(reading.slot, error))
            return None
        lines = [_again(*line, length) for line, length in zip(lines, before, strict=True)]
        parts = [_step(runner, [line], replies) for line in lines]
        lines = [line for line, out in zip(lines, parts, strict=True) if out is not None]
        out = _stacked([out for out in parts if out is not None]) if lines else None
    start = 0
    for _, reading, feed in lines:
        reading.first_row = start
        reading.state.counts.calls += 1
        start += len(feed.keep)
    return out


def _again(request: AnyRequest, reading: Reading, feed: Feed, before: int) -> Line:
    """The same to be read by a row that a failed pass may have cut back."""
    row = reading.state.row
    lost = reading.state.ids[row.length : before]
    return request, reading, Feed(row, [*lost, *feed.ids], [len(lost) + at for at in feed.keep])


def _stacked(parts: Sequence[Tensor]) -> Tensor:
    """Rows put behind each other [row, widest]; only some hold hidden states behind the logits."""
    widest = max(part.shape[1] for part in parts)
    return torch.cat([pad(part, (0, widest - part.shape[1])) for part in parts])
