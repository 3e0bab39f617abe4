"""Queues of a fleet as discrete events: a head, and pools of replicas with continuous batching."""

from __future__ import annotations

import heapq
import math
import random
from collections import deque
from dataclasses import dataclass, field
from itertools import count
from typing import TYPE_CHECKING

from fleet_roofline import NUMBER, Gpu, Pass, Shape

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

__all__ = ["Figures", "Fleet", "Job", "Replica", "Stage", "percentile"]


@dataclass(frozen=True)
class Stage:
    """A pool: its replicas, each one GPU with `members` of a shape that step together.

    For each token of an answer there are `steps` passes of each member, which read `width` tokens
    together. A replica has at most `rows` answers at a time, and reads at most `chunk` tokens of
    prompts in a step. `host` is the seconds of the host beside each pass.
    """

    name: str
    gpu: Gpu
    shape: Shape
    replicas: int
    members: int = 1
    steps: float = 1.0
    width: float = 1.0
    rows: int = 256
    chunk: int = 2048
    host: float = 0.0005

    def work(self, prompt: float, answer: float) -> float:
        """Return the least seconds that a replica takes for an answer, however many it has."""
        tokens = self.members * (prompt + answer * self.width)
        flops = 2 * self.shape.read * tokens
        reads = self.members * answer * self.steps * self.shape.read * NUMBER / self.rows
        bandwidth = self.gpu.bandwidth * self.gpu.reached_bandwidth
        return max(flops / (self.gpu.flops * self.gpu.reached_flops), reads / bandwidth)

    @property
    def room(self) -> float:
        """How many tokens the caches of a replica can hold: a tenth of the memory stays free."""
        free = 0.9 * self.gpu.memory - self.members * self.shape.bytes
        return free / (self.members * self.shape.cache)


@dataclass(eq=False)
class Job:
    """A query on its way: its tokens, when it came, and when it entered and left each stage."""

    prompt: int
    answer: int
    arrived: float
    entered: float = 0.0
    started: float = 0.0
    seconds: dict[str, float] = field(default_factory=dict)
    unread: int = 0


class Replica:
    """One GPU: rows join when there is room, and all rows go on by one pass in each step."""

    def __init__(self, stage: Stage) -> None:
        self.stage = stage
        self.queue: deque[Job] = deque()
        self.reading: deque[Job] = deque()
        self.running: list[tuple[int, int, Job]] = []
        self.context = self.reserved = 0.0
        self.step, self.order = 0, count()
        self.busy = False

    @property
    def load(self) -> int:
        """How many answers it has, or will have."""
        return len(self.queue) + len(self.reading) + len(self.running)

    def begin(self, now: float) -> Pass | None:
        """Let jobs join, and return the pass of each member in the next step; None if idle."""
        self._admit(now)
        read = self._read()
        rows = len(self.running)
        if not rows and not read and not self.reading:
            return None
        stage = self.stage
        tokens = read + rows * stage.width / stage.steps
        return Pass.of(stage.gpu, stage.shape, tokens, self.context, stage.host)

    def end(self) -> Iterator[Job]:
        """Yield the jobs that end with the step; those whose prompt is read now write."""
        stage = self.stage
        self.step += 1
        self.context += len(self.running) / stage.steps
        while self.running and self.running[0][0] <= self.step:
            job = heapq.heappop(self.running)[2]
            self.context -= job.prompt + job.answer
            self.reserved -= job.prompt + job.answer
            yield job
        while self.reading and self.reading[0].unread == 0:
            job = self.reading.popleft()
            self.context += job.prompt
            ends = self.step + max(1, round(job.answer * stage.steps))
            heapq.heappush(self.running, (ends, next(self.order), job))

    def _admit(self, now: float) -> None:
        while self.queue and len(self.reading) + len(self.running) < self.stage.rows:
            need = self.queue[0].prompt + self.queue[0].answer
            if self.reserved and self.reserved + need > self.stage.room:
                return
            job = self.queue.popleft()
            job.started, job.unread = now, job.prompt
            self.reserved += need
            self.reading.append(job)

    def _read(self) -> int:
        """Read a chunk of the prompts that wait."""
        left = self.stage.chunk
        for job in self.reading:
            part = min(left, job.unread)
            job.unread -= part
            left -= part
            if not left:
                break
        return self.stage.chunk - left


@dataclass
class Figures:
    """What was seen of a stage after the warm-up."""

    waits: list[float] = field(default_factory=list)
    busy: float = 0.0
    memory: float = 0.0
    computing: float = 0.0
    host: float = 0.0
    steps: int = 0
    rows: float = 0.0
    speeds: list[float] = field(default_factory=list)

    def note(self, each: Pass, members: int, rows: int, duration: float) -> None:
        """Add a step, and what bounds it."""
        self.busy += duration
        self.steps += 1
        self.rows += rows * duration
        self.host += each.host * members
        if each.memory >= each.computing:
            self.memory += each.memory * members
        else:
            self.computing += each.computing * members


class Fleet:
    """A head with so many processes, and stages one after the other; a job may leave after each.

    `share` is how many of the jobs that leave a stage go on to the next one. Queries come by a
    Poisson process of `rate` a second, `lengths` draws the tokens of prompt and answer.
    """

    def __init__(  # noqa: PLR0913 - what a fleet is
        self,
        stages: list[Stage],
        rate: float,
        lengths: Callable[[random.Random], tuple[int, int]],
        *,
        share: float = 1.0,
        heads: int = 1,
        head_seconds: float = 0.0,
        seed: int = 0,
    ) -> None:
        self.stages, self.rate, self.lengths, self.share = stages, rate, lengths, share
        self.heads, self.head_seconds = heads, head_seconds
        self.rng = random.Random(seed)
        self.replicas = [[Replica(stage) for _ in range(stage.replicas)] for stage in stages]
        self.figures = [Figures() for _ in stages]
        self.latencies: list[float] = []
        self.head_waits: list[float] = []
        self.inside = self.inside_area = self.inside_warm = 0.0

    def run(self, seconds: float, warm: float = 0.0) -> None:
        """Simulate so many seconds, and count those after the warm-up."""
        self._events: list[tuple[float, int, Callable[[float], None]]] = []
        self._order, self._warm = count(), warm
        self._free = [0.0] * self.heads
        self._at(self._gap(), self._arrive)
        now = 0.0
        while self._events:
            then, _, happen = heapq.heappop(self._events)
            if then > seconds:
                break
            if now <= warm:
                self.inside_warm = self.inside
            if then > warm:
                self.inside_area += self.inside * (then - max(now, warm))
            now = then
            happen(now)

    def _at(self, time: float, happen: Callable[[float], None]) -> None:
        heapq.heappush(self._events, (time, next(self._order), happen))

    def _gap(self) -> float:
        return self.rng.expovariate(self.rate)

    def _arrive(self, now: float) -> None:
        """Let the head read a query, and the next one come."""
        self._at(now + self._gap(), self._arrive)
        self.inside += 1
        job = Job(*self.lengths(self.rng), now)
        start = max(now, heapq.heappop(self._free))
        done = start + self.head_seconds
        heapq.heappush(self._free, done)
        if now > self._warm:
            self.head_waits.append(start - now)
        self._at(done, lambda then: self._enter(0, job, then))

    def _enter(self, at: int, job: Job, now: float) -> None:
        """Give a job to the least loaded replica of a stage."""
        job.entered = now
        replica = min(self.replicas[at], key=lambda each: each.load)
        replica.queue.append(job)
        if not replica.busy:
            self._step(at, replica, now)

    def _step(self, at: int, replica: Replica, now: float) -> None:
        """Begin a step of a replica, unless it has nothing to do."""
        each, stage = replica.begin(now), self.stages[at]
        replica.busy = each is not None
        if each is None:
            return
        duration = each.seconds * stage.members
        if now > self._warm:
            rows = len(replica.running) + len(replica.reading)
            self.figures[at].note(each, stage.members, rows, duration)
        self._at(now + duration, lambda then: self._stepped(at, replica, then))

    def _stepped(self, at: int, replica: Replica, now: float) -> None:
        for job in list(replica.end()):
            self._leave(at, job, now)
        self._step(at, replica, now)

    def _leave(self, at: int, job: Job, now: float) -> None:
        """Let a job go on to the next stage, or be done."""
        figures = self.figures[at]
        if job.entered > self._warm:
            figures.waits.append(job.started - job.entered)
            figures.speeds.append(job.answer / (now - job.started))
        if at + 1 < len(self.stages) and self.rng.random() < self.share:
            self._enter(at + 1, job, now)
            return
        self.inside -= 1
        if job.arrived > self._warm:
            self.latencies.append(now - job.arrived)


def percentile(values: list[float], part: float) -> float:
    """Return the value below which a part of the values lies; NaN of none."""
    ordered = sorted(values)
    return ordered[min(int(part * len(ordered)), len(ordered) - 1)] if ordered else math.nan
