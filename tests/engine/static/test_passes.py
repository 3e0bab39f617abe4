"""A pass that is captured by itself: its memory stays, and what fails runs as it is."""

import torch
from toy_devices import toy_devices

from composer.engine.static.passes import CapturedPass

DEVICE = "toy:1"


class Tape:
    """Stands for a graph: does the same work on the same memory, into the same output."""

    def __init__(self):
        self.records = self.replays = 0

    def __call__(self, run, device):
        assert str(device) == DEVICE
        self.records += 1
        output = run()

        def replay():
            self.replays += 1
            output.copy_(run())

        return replay, output


def added(ids, positions):
    assert str(ids.device) == str(positions.device) == DEVICE
    return ids + 10 * positions


def numbers(*values):
    return torch.tensor(values, device="toy:0")


def test_it_is_captured_once_and_reads_each_time_what_it_is_given():
    tape, told = Tape(), []
    with toy_devices() as toys:
        read = CapturedPass(added, torch.device(DEVICE), told.append, tape)
        for n in range(5):
            logits = read(numbers(n, 2), numbers(3, n))
            assert str(logits.device) == DEVICE
            assert logits.tolist() == [n + 30, 2 + 10 * n]
        moved = [pair for pair in toys.copies if pair == ("toy:0", "toy:1")]
    assert (tape.records, tape.replays, told) == (1, 3, [])
    assert len(moved) == 2 * 5


def test_a_pass_that_cannot_be_captured_runs_as_it_is_and_says_so_once():
    told = []

    def refuse(_, __):
        raise RuntimeError("operation not permitted when stream is capturing\nmore")

    with toy_devices():
        read = CapturedPass(added, torch.device(DEVICE), told.append, refuse)
        assert [read(numbers(n), numbers(1)).tolist() for n in range(5)] == [
            [n + 10] for n in range(5)
        ]
    (why,) = told
    assert why.startswith(
        "a pass on toy:1 is not replayed as a CUDA graph: RuntimeError: operation not"
    )
    assert "more" not in why
