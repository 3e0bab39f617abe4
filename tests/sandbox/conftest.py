"""Runs in the sandbox; a test that needs a wall that this system cannot hold is skipped."""

import pytest

from composer.sandbox.process import Bounds, Job, missing_walls, run_blocking


@pytest.fixture
def sandbox():
    """Run a program in the sandbox: `sandbox(program, tests, needs = (walls,), seconds = 5)`."""

    def go(program, tests=None, *, needs=(), values=(), stdin="", **bounds):
        missing = missing_walls()
        lacks = {name: missing[name] for name in needs if name in missing}
        if lacks:
            pytest.skip(f"this system cannot hold {lacks}")
        limits = Bounds(**{"seconds": 20, "memory": 256 * 2**20} | bounds)
        job = Job(program, tests, values, stdin, limits, frozenset(missing))
        return run_blocking(job)

    return go
