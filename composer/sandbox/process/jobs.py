"""What a sandbox is given, and what it tells."""

from __future__ import annotations

import ast
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

WALLS = {
    "network": "no connection to any address or socket of the host",
    "folder": "only its own empty folder can be written, and no file of the user read",
    "processes": "a limit on how many processes and threads there are",
    "memory": "a limit on the memory of all processes together",
    "signals": "no signal reaches a process outside",
    "orphans": "no process outlives the run",
}
"""What some systems cannot hold, by the names by which a recipe may give it up."""

LIMITS = ("time", "cpu", "output", "files", *WALLS)
"""What a program can run into. Those before the walls are held on every system with `fork`."""


class WallError(Exception):
    """A system that cannot hold what was not given up; `missing` says why for each."""

    def __init__(self, missing: Mapping[str, str]) -> None:
        super().__init__("; ".join(f"{name}: {why}" for name, why in missing.items()))
        self.missing = dict(missing)


@dataclass(frozen=True, slots=True)
class Bounds:
    """The limits of one run: seconds, processes, and bytes."""

    seconds: float = 10.0
    cpu: float = 10.0
    memory: int = 512 * 2**20
    processes: int = 16
    files: int = 16 * 2**20
    output: int = 2**20


@dataclass(frozen=True, slots=True)
class Job:
    """A program, what to test it by, and the walls that are given up (`allow`).

    Without `tests` the program runs as a script that may read `stdin`. With them it is loaded, and
    the tests call what it defines from another process; each `assert` in them is a test. `values`
    are expressions instead, whose values are told.
    """

    program: str
    tests: str | None = None
    values: tuple[str, ...] = ()
    stdin: str = ""
    bounds: Bounds = Bounds()
    allow: frozenset[str] = frozenset()

    @property
    def is_tested(self) -> bool:
        """Whether the program is loaded for tests, and not run as a script."""
        return self.tests is not None or bool(self.values)

    @property
    def sources(self) -> tuple[str, ...]:
        """The sources of the tests: expressions, or the conditions of assertions."""
        try:
            tree = ast.walk(ast.parse(self.tests or ""))
        except (SyntaxError, ValueError, RecursionError, MemoryError):
            return self.values
        conditions = (node.test for node in tree if isinstance(node, ast.Assert))
        tests = [each for each in conditions if not isinstance(each, ast.Constant)]
        tests.sort(key=lambda each: each.lineno)
        return (*self.values, *(ast.unparse(each)[:200] for each in tests))


@dataclass(frozen=True, slots=True)
class Record:
    """One test: its source, whether it passed, and why not; or a value, written out."""

    test: str
    passed: bool
    why: str = ""
    value: str | None = None


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of a run.

    `limit` is the limit that ended it, or that its error speaks of; `error` is the exception of
    the program, or how it ended, empty for one that ended well. `records` are the tests in order.
    """

    output: str
    errors: str
    error: str = ""
    limit: str | None = None
    records: tuple[Record, ...] = ()
    seconds: float = 0.0
    walls: Mapping[str, str] = field(default_factory=dict)

    @property
    def score(self) -> float:
        """The share of tests that passed; 0 without any."""
        return sum(each.passed for each in self.records) / max(len(self.records), 1)

    @property
    def passed(self) -> bool:
        """Whether there were tests, and all of them passed."""
        return bool(self.records) and all(each.passed for each in self.records)
