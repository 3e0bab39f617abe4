"""Writing an answer token by token."""

from __future__ import annotations

import math
import random
from typing import TYPE_CHECKING, Literal

from composer.fusion.cursor import Cursor, Draw, opening
from composer.fusion.group import Fuse
from composer.fusion.sessions.base import drawn
from composer.fusion.spec import Generated, Usage, checkpoints
from composer.fusion.text import Writer

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from composer.fusion.group import Group
    from composer.fusion.sessions.base import Session
    from composer.fusion.spec import Job

__all__ = ["begin", "confidence", "write"]

Finish = Literal["stop", "length", "context"]


def begin(group: Group, job: Job, weights: Sequence[float]) -> Cursor:
    """A cursor where the job's answer begins, or goes on from its prefix."""
    ids = {
        leaf: opening(group.leaves[leaf], job.prompts, job.prefix) for leaf in group.run(weights)
    }
    return Cursor.open(group, weights, ids)


def write(group: Group, job: Job, on_text: Callable[[str], None] | None) -> Session[Generated]:
    """Draw until the answer ends; the job says its weights."""
    how, luck = job.sampling, random.Random(job.sampling.seed)  # noqa: S311  # not for secrets
    cursor = begin(group, job, group.weights(job.weights))
    writer = Writer(how.stop, on_text)
    tokens: list[str] = []
    logprobs: list[float] = []
    finish: Finish = "length"
    ended = 0
    try:
        while len(tokens) < how.max_tokens:
            if cursor.room < 0:
                finish = "context"
                break
            answer = yield from drawn(Draw(cursor, how, luck.random()))
            logprobs.append(answer.logprob)
            piece = group.piece(answer.entry)
            tokens.append(piece.decode(errors="replace"))
            if answer.entry in group.space.ends:
                finish, ended = "stop", 1
                break
            cursor.push(answer.entry)
            writer.add(piece)
            if writer.stopped:
                finish = "stop"
                break
        usage = {name: u + Usage(0, 0, ended) for name, u in cursor.usage().items()}
    finally:
        cursor.close()
    if len(group.leaves) == 1 and not isinstance(group.root, Fuse):
        usage = {next(checkpoints(job.member)).name: u for u in usage.values()}
    text = writer.close()
    certain = confidence(logprobs)
    return Generated(text, tuple(tokens), tuple(logprobs), certain, finish, usage)


def confidence(logprobs: Sequence[float]) -> float | None:
    """The geometric mean probability of an answer's tokens."""
    return math.exp(math.fsum(logprobs) / len(logprobs)) if logprobs else None
