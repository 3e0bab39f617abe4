"""Engines whose steps have fixed shapes on a CPU, too, and what they counted."""

import pytest

from composer.engine.engine import Engine
from composer.engine.static.steps import StaticSteps


class Counted(StaticSteps):
    """Counts the requests that static steps answered, and the others."""

    answered = left = 0

    def answer(self, requests, replies):
        left = super().answer(requests, replies)
        self.answered += len(requests) - len(left)
        self.left += len(left)
        return left


@pytest.fixture(scope="session")
def static():
    """An engine of static steps; `static.steps` counts."""
    steps = Counted("everywhere")
    with Engine(static=steps) as made:
        made.steps = steps
        yield made


@pytest.fixture
def both(engine, static):
    """Answer jobs by one engine, then by the other: `both([job, ...])` gives pairs."""

    def run(jobs):
        static.steps.answered = static.steps.left = 0
        made = []
        for each in (engine, static):
            futures = [each.generate(job) for job in jobs]
            made.append([future.result(60) for future in futures])
        return list(zip(*made, strict=True))

    return run
