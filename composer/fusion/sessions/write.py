"""Writing an answer token by token."""

from __future__ import annotations

import math
import random
from dataclasses import replace
from typing import TYPE_CHECKING, Literal

from composer.fusion.cursor import Cursor, opening
from composer.fusion.group import Fuse
from composer.fusion.requests.entries import Draw
from composer.fusion.sessions.base import ask
from composer.fusion.sessions.settle import settle, settled
from composer.fusion.text import Writer
from composer.ports.requests import Completion, Usage
from composer.specs import leaves

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from composer.fusion.group import Group
    from composer.fusion.requests.entries import Drawn
    from composer.fusion.sessions.base import Session
    from composer.ports.requests import Generate, Sampling
    from composer.ports.values import Model

__all__ = ["Answer", "Finish", "begin", "confidence", "go_on", "spent", "write"]

Finish = Literal["stop", "length", "context"]


class Answer:
    """An answer on its way: its text, its entries' names and log-probabilities, how it ended."""

    def __init__(self, how: Sampling, on_text: Callable[[str], None] | None) -> None:
        self.how = how
        self.writer = Writer(how.stop, on_text)
        self.tokens: list[str] = []
        self.logprobs: list[float] = []
        self.finish: Finish | None = None

    def add(self, piece: bytes, logprob: float, *, ends: bool = False) -> None:
        """Take a token; the end, a stop string or enough tokens finish the answer."""
        self.tokens.append(piece.decode(errors="replace"))
        self.logprobs.append(logprob)
        self.writer.add(piece)
        if ends or self.writer.stopped:
            self.finish = "stop"
        elif len(self.tokens) >= self.how.max_tokens:
            self.finish = "length"

    def close(self, usage: dict[str, Usage]) -> Completion:
        """The answer as it is given back."""
        text, certain = self.writer.close(), confidence(self.logprobs)
        finish = self.finish or "length"
        return Completion(text, tuple(self.tokens), tuple(self.logprobs), certain, finish, usage)


def begin(group: Group, job: Generate, weights: Sequence[float]) -> Cursor:
    """A cursor where the job's answer begins, or goes on from its prefix."""
    ids = {leaf: opening(group.leaves[leaf], job.query, job.prefix) for leaf in group.run(weights)}
    return Cursor.open(group, weights, ids)


def write(
    group: Group, model: Model, job: Generate, on_text: Callable[[str], None] | None
) -> Session[Completion]:
    """Draw until the answer ends, with the weights that the model says."""
    answer = Answer(job.sampling, on_text)
    luck = random.Random(job.sampling.seed)  # noqa: S311  # not for secrets
    cursor = begin(group, job, group.weights(model))
    try:
        yield from settle(cursor, job.query)
        weights = settled(cursor)
        yield from go_on(cursor, answer, luck)
        usage = spent(cursor, answer)
    finally:
        cursor.close()
    if len(group.leaves) == 1 and not isinstance(group.root, Fuse):
        usage = {next(leaves(model)).name: u for u in usage.values()}
    return replace(answer.close(usage), left=cursor.left, weights=weights)


def go_on(
    cursor: Cursor,
    answer: Answer,
    luck: random.Random,
    over: Callable[[Draw, Drawn], bool] | None = None,
) -> Session[None]:
    """Draw until the answer ends, or until `over` says that somebody else goes on from here.

    What `over` is asked about is not written if it says yes.
    """
    while answer.finish is None:
        if not cursor.make_room():
            answer.finish = "context"
            return
        request = Draw(cursor, answer.how, luck.random())
        found = yield from ask(request)
        if over is not None and over(request, found):
            return
        ends = found.entry in cursor.group.space.ends
        answer.add(cursor.group.piece(found.entry), found.logprob, ends=ends)
        if not ends:
            cursor.push(found.entry)


def spent(cursor: Cursor, answer: Answer) -> dict[str, Usage]:
    """What each model was given, and the end that all of them said."""
    ended = int(answer.finish == "stop" and answer.tokens[-1:] == [""])
    return {name: u + Usage(0, 0, ended) for name, u in cursor.usage().items()}


def confidence(logprobs: Sequence[float]) -> float | None:
    """The geometric mean probability of an answer's tokens."""
    return math.exp(math.fsum(logprobs) / len(logprobs)) if logprobs else None
