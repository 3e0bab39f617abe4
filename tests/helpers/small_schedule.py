"""Answers of a small model, written side by side: one forward pass a step for all that run."""

import os
import threading
import time
import traceback
from dataclasses import dataclass, field

import torch
from small_model import Feed
from small_sampling import Sampling


@dataclass(frozen=True)
class Order:
    """How an answer is to be written. `top` is None where no log-probabilities are wanted."""

    most: int
    sampling: Sampling = field(default_factory=Sampling)
    seed: int | None = None
    stops: tuple[str, ...] = ()
    top: int | None = None
    chosen: tuple[int, ...] = ()
    echo: bool = False
    endless: bool = False
    streams: bool = False


@dataclass(eq=False)
class Row:
    """One answer that is being written.

    After each step `tell` is called with it, its number of tokens, its text and why it ended, in
    the thread of the schedule.
    """

    prompt: list[int]
    order: Order
    tell: object
    output: list[int] = field(default_factory=list)
    likely: list[dict[int, float]] = field(default_factory=list)
    echoed: list[dict[int, float] | None] = field(default_factory=list)
    text: str = ""
    finish: str | None = None
    stop: str | None = None
    cached: int = 0
    slot: int | None = None
    read: int = 0
    cancelled: bool = False
    source: torch.Generator = field(default_factory=torch.Generator)

    def __post_init__(self):
        if self.order.seed is None:
            self.source.seed()
        else:
            self.source.manual_seed(self.order.seed % 2**63)

    @property
    def sequence(self):
        return self.prompt + self.output


class Schedule:
    """Runs rows. A step takes at least `pace` seconds, as one of a larger model would."""

    def __init__(self, model, pace, server):
        self.model, self.pace, self.server = model, pace, server
        self._waiting, self._running = [], []
        self._changed = threading.Condition()
        threading.Thread(target=self._run, daemon=True).start()

    def add(self, rows):
        with self._changed:
            self._waiting += rows
            self._changed.notify()

    def _run(self):
        try:
            self._go_on()
        finally:
            traceback.print_exc()
            os._exit(1)  # a server that hangs would say less

    def _go_on(self):
        while True:
            with self._changed:
                while not self._waiting and not self._running:
                    self._changed.wait()
                self._admit()
            begin = time.perf_counter()
            rows = list(self._running)
            if not rows:
                continue
            self._step(rows)
            time.sleep(max(0.0, begin + self.pace - time.perf_counter()))
            for row in rows:
                row.tell(row, len(row.output), row.text, row.finish)

    def _admit(self):
        """Give waiting rows a slot, as long as there are some."""
        slots = self.model.slots
        for row in [row for row in self._running if row.finish or row.cancelled]:
            self._running.remove(row)
            slots.release(row.slot)
        while self._waiting and slots.free.any():
            row = self._waiting.pop(0)
            if not row.cancelled:
                row.slot, row.read = slots.take(
                    row.prompt, anew=row.order.echo and row.order.top is not None
                )
                row.cached = row.read
                self._running.append(row)

    def _step(self, rows):
        """Write one token of each row. Rows that read one token are not padded for the others."""
        feeds = [Feed(row.slot, row.read, row.sequence[row.read :]) for row in rows]
        one = [index for index, feed in enumerate(feeds) if len(feed.tokens) == 1]
        more = [index for index, feed in enumerate(feeds) if len(feed.tokens) > 1]
        logits = [None] * len(rows)
        for part in filter(None, (one, more)):
            read = self.model.read([feeds[index] for index in part])
            for index, each in zip(part, read, strict=True):
                logits[index] = each
        self.server.count(sum(len(feed.tokens) for feed in feeds), len(rows))
        for row, each in zip(rows, logits, strict=True):
            if row.order.echo and not row.echoed:
                self._echo(row, each)
        self._write(rows, torch.stack([each[-1] for each in logits]))

    def _echo(self, row, logits):
        row.echoed = [None]
        if row.order.top is not None:
            scores = logits[:-1].log_softmax(-1)
            row.echoed += [
                _likely(each, token, row.order)
                for each, token in zip(scores.numpy(), row.prompt[1:], strict=True)
            ]

    def _write(self, rows, logits):
        scores = logits.log_softmax(-1)
        likeliest = logits.argmax(-1).tolist()
        mixes = "separation" in self.server.options.lacks and any(row.order.chosen for row in rows)
        for row, raw, each, token in zip(rows, logits, scores, likeliest, strict=True):
            row.read = len(row.sequence)
            if not row.order.sampling.is_plain:
                token = row.order.sampling.next(raw, row, self.model.ends)  # noqa: PLW2901
            if row.order.top is not None:
                likely = _likely(each.numpy(), token, row.order)
                if mixes and not row.order.chosen:
                    likely = {0: -9999.0, token: likely[token]}
                row.likely.append(likely)
            row.output.append(token)
            self._end(row)

    def _end(self, row):
        """See whether a row has ended, and write its text."""
        full = len(row.output) >= row.order.most
        over = row.output[-1] in self.model.ends and not row.order.endless
        stops = row.order.stops if len(row.output) > row.order.sampling.min_tokens else ()
        if full or over or row.order.stops or row.order.streams:
            row.text = self.model.following(row.prompt, row.output)
        places = [(row.text.find(stop), stop) for stop in stops if stop in row.text]
        if places:
            place, row.stop = min(places)
            row.text, row.finish = row.text[:place], "stop"
        elif over:
            row.finish = "stop"
        elif full:
            row.finish = "length"


def _likely(scores, token, order):
    """Give the token's log-probability first, then those of chosen or of the likeliest tokens."""
    ids = list(order.chosen) if order.chosen else (-scores).argsort(kind="stable")[: order.top]
    others = dict(zip([int(each) for each in ids], scores[ids].tolist(), strict=True))
    return {token: float(scores[token])} | others
