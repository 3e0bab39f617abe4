"""In which order work of several GPUs is begun, and its outputs are brought to one."""

from collections import defaultdict
from contextlib import contextmanager
from functools import partial

import torch

from composer.engine.static import streams

HOME, OTHER = torch.device("cuda:0"), torch.device("cuda:1")


class Stream:
    """A stream that says in a log what it waits for."""

    def __init__(self, name, log):
        self.name, self.log = name, log

    def wait_stream(self, other):
        self.log.append(f"{self.name} waits for {other.name}")


class Output:
    """An output that says in a log when it is brought."""

    def __init__(self, name, log):
        self.name, self.log = name, log

    def to(self, device):
        self.log.append(f"{self.name} is brought to {device}")
        return self


def test_no_pass_waits_for_the_output_of_another(monkeypatch):
    log = []

    @contextmanager
    def inside(stream):
        log.append(f"in {stream.name}")
        yield

    def work(name):
        log.append(f"{name} reads")
        return Output(name, log)

    monkeypatch.setattr(torch.cuda, "current_stream", lambda _: Stream("here", log))
    monkeypatch.setattr(torch.cuda, "stream", inside)
    names = iter("ab")
    monkeypatch.setattr(
        streams, "_streams", lambda _: defaultdict(lambda: Stream(next(names), log))
    )
    tasks = [(device, partial(work, name)) for name, device in (("A", OTHER), ("B", HOME))]
    outputs = streams.side_by_side(HOME, tasks)
    assert [output.name for output in outputs] == ["A", "B"]
    assert log == [
        *("a waits for here", "in a", "A reads"),
        *("b waits for here", "in b", "B reads"),
        *("in a", "A is brought to cuda:0", "here waits for a"),
        *("in b", "B is brought to cuda:0", "here waits for b"),
    ]
