"""One tick: every row that waits is fed, in one pass a model; then every group answers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
from torch.nn.functional import pad

from composer.fusion.cursor import Left
from composer.fusion.phase import ready
from composer.fusion.reading import MemberLogits
from composer.fusion.requests.base import Replies, Request
from composer.models.rows import Feed

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torch import Tensor

    from composer.fusion.group import Group
    from composer.fusion.reading import Pass, Reading
    from composer.models.runner import Runner

    Asked = Request[Any]
    Line = tuple[Asked, Reading, Feed]

__all__ = ["tick"]


def tick(requests: Sequence[Asked]) -> Replies:
    """Answer the requests that can be after one pass of each model; the others stay as they are."""
    replies = Replies()
    lines: dict[Pass, list[Line]] = {}
    families: dict[tuple[Group, type[Asked]], list[tuple[Asked, MemberLogits]]] = {}
    passes: dict[Pass, Tensor | None] = {}
    for request in ready(requests):
        readings = _readings(request, replies)
        if readings is None:
            continue
        late = [reading for reading in readings if reading.late]
        for reading in late or readings:
            reading.rewind()
            feed = reading.chunk() if late else reading.feed()
            if feed.ids:
                lines.setdefault(reading.by, []).append((request, reading, feed))
        if not late:
            key = request.cursor.group, request.family
            families.setdefault(key, []).append((request, MemberLogits(readings, passes)))
    passes |= {at: _run(at[0], some, replies) for at, some in lines.items()}
    for (group, family), asked in families.items():
        _answer(group, family, [each for each in asked if each[0] not in replies.errors], replies)
    replies.errors = {r: e for r, e in replies.errors.items() if not isinstance(e, Left)}
    return replies


def _readings(request: Asked, replies: Replies) -> list[Reading] | None:
    """What is read for a request; None if it cannot be said, which is its own job's matter."""
    try:
        return request.readings()
    except Exception as error:  # noqa: BLE001  # whatever it is belongs to the job, not the loop
        replies.fail(request, error)
        return None


def _answer(
    group: Group,
    family: type[Asked],
    asked: Sequence[tuple[Asked, MemberLogits]],
    replies: Replies,
) -> None:
    """One family's replies; whatever goes wrong is for those who asked."""
    try:
        if asked:
            replies.add(family.answer(group, asked))
    except Exception as error:  # noqa: BLE001  # idem
        for request, _ in asked:
            replies.fail(request, error)


def _run(runner: Runner, lines: Sequence[Line], replies: Replies) -> Tensor | None:
    """One model's pass; whatever goes wrong is for those who asked for it."""
    try:
        return _step(runner, lines, replies)
    except Exception as error:  # noqa: BLE001  # idem
        for request, _, _ in lines:
            replies.fail(request, error)
        return None


def _step(runner: Runner, lines: Sequence[Line], replies: Replies) -> Tensor | None:
    """One pass; if it fails, one for each row, so that only those concerned fail."""
    out: Tensor | None
    before = [reading.track.row.length for _, reading, _ in lines]
    try:
        hidden = any(reading.hidden for _, reading, _ in lines)
        out = runner.step([feed for _, _, feed in lines], hidden=hidden)
    except Exception as error:  # noqa: BLE001  # idem
        if len(lines) == 1:
            request, reading, _ = lines[0]
            replies.fail(request, request.cursor.drop(reading.leaf, error))
            return None
        lines = [_again(*line, length) for line, length in zip(lines, before, strict=True)]
        parts = [_step(runner, [line], replies) for line in lines]
        lines = [line for line, out in zip(lines, parts, strict=True) if out is not None]
        out = _stacked([out for out in parts if out is not None]) if lines else None
    start = 0
    for _, reading, feed in lines:
        reading.at = start
        reading.track.count.calls += 1
        start += len(feed.keep)
    return out


def _again(request: Asked, reading: Reading, feed: Feed, before: int) -> Line:
    """The same to be read by a row that a failed pass may have cut back."""
    row = reading.track.row
    lost = reading.track.ids[row.length : before]
    return request, reading, Feed(row, [*lost, *feed.ids], [len(lost) + at for at in feed.keep])


def _stacked(parts: Sequence[Tensor]) -> Tensor:
    """Rows put behind each other [row, widest]; only some hold hidden states behind the logits."""
    widest = max(part.shape[1] for part in parts)
    return torch.cat([pad(part, (0, widest - part.shape[1])) for part in parts])
