"""One tick: every row that waits is fed, in one pass a model; then every group answers."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch.nn.functional import pad

from composer.fusion.answering import answer, inquire
from composer.fusion.beat import due
from composer.fusion.cursor import Left
from composer.fusion.reading import readings
from composer.fusion.requests.inquiry import Inquiry
from composer.models.rows import Feed

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torch import Tensor

    from composer.fusion.answering import Answer
    from composer.fusion.group import Group
    from composer.fusion.reading import Reading
    from composer.fusion.requests.plain import Request
    from composer.models.runner import Runner

__all__ = ["tick"]


def tick(requests: Sequence[Request]) -> dict[Request, Answer]:
    """Answer the requests that can be after one pass of each model; the others stay as they are."""
    answers: dict[Request, Answer] = {}
    passes: dict[tuple[Runner, int], list[tuple[Reading, Feed]]] = {}
    ready: dict[tuple[Group, type | None], list[tuple[Request, list[Reading]]]] = {}
    for request in due(requests):
        parts = readings(request)
        late = [part for part in parts if part.late]
        for part in late or parts:
            feed = part.chunk() if late else part.feed()
            if feed.ids:
                leaf = part.track.leaf
                passes.setdefault((leaf.runner, leaf.lane), []).append((part, feed))
        if not late:
            kind = type(request) if isinstance(request, Inquiry) else None
            ready.setdefault((request.cursor.group, kind), []).append((request, parts))
    logits = {at: _pass(at[0], lines, answers) for at, lines in passes.items()}
    for (group, kind), asked in ready.items():
        good = [(request, parts) for request, parts in asked if request not in answers]
        try:
            (inquire if kind else answer)(group, good, logits, answers)
        except Exception as error:  # noqa: BLE001  # idem
            answers.update((request, error) for request, _ in good)
    return {request: a for request, a in answers.items() if not isinstance(a, Left)}


def _pass(
    runner: Runner, lines: list[tuple[Reading, Feed]], answers: dict[Request, Answer]
) -> Tensor | None:
    """One model's pass; whatever goes wrong is for those who asked for it."""
    try:
        return _step(runner, lines, answers)
    except Exception as error:  # noqa: BLE001  # idem
        answers.update((part.request, error) for part, _ in lines)
        return None


def _step(
    runner: Runner, lines: list[tuple[Reading, Feed]], answers: dict[Request, Answer]
) -> Tensor | None:
    """One pass; if it fails, one for each row, so that only those concerned fail."""
    out: Tensor | None
    before = [part.track.row.length for part, _ in lines]
    try:
        hidden = any(part.hidden for part, _ in lines)
        out = runner.step([feed for _, feed in lines], hidden=hidden)
    except Exception as error:  # noqa: BLE001  # whatever it is belongs to the jobs, not the loop
        if len(lines) == 1:
            part = lines[0][0]
            answers[part.request] = part.request.cursor.without(part.leaf, error)
            return None
        lines = [_again(*line, length) for line, length in zip(lines, before, strict=True)]
        parts = [_step(runner, [line], answers) for line in lines]
        lines = [line for line, out in zip(lines, parts, strict=True) if out is not None]
        out = _stacked([out for out in parts if out is not None]) if lines else None
    start = 0
    for part, feed in lines:
        part.at = start
        part.track.count.calls += 1
        start += len(feed.keep)
    return out


def _again(part: Reading, feed: Feed, before: int) -> tuple[Reading, Feed]:
    """The same to be read by a row that a failed pass may have cut back."""
    row = part.track.row
    lost = part.track.ids[row.length : before]
    return part, Feed(row, [*lost, *feed.ids], [len(lost) + at for at in feed.keep])


def _stacked(parts: Sequence[Tensor]) -> Tensor:
    """Rows put behind each other [row, widest]; only some hold hidden states behind the logits."""
    widest = max(part.shape[1] for part in parts)
    return torch.cat([pad(part, (0, widest - part.shape[1])) for part in parts])
