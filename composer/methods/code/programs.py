"""Programs in the answers of models, and the sandbox that runs them."""

from __future__ import annotations

import ast
from abc import abstractmethod
from dataclasses import replace
from typing import TYPE_CHECKING, ClassVar, Literal

from pydantic import Field

from composer.methods.mistakes import PartError
from composer.methods.readers.structured import fenced_blocks, language_of
from composer.methods.template import Template
from composer.values import Text, Typed
from composer.values.gather import side_by_side

if TYPE_CHECKING:
    from collections.abc import Sequence

    from composer.sandbox.process import Job, Outcome, WallError

_PYTHON = {"", "python", "pycon"}

_MEGABYTE = 2**20

ANSWER = Template(text="{{ answer }}")
"""The program is what the answer holds."""

Wall = Literal["network", "folder", "processes", "memory", "signals", "orphans"]
"""What a recipe may give up where a system cannot hold it."""


class Sandbox(Typed):
    """Where programs that models wrote are run."""

    @abstractmethod
    async def run(
        self, program: str, *, tests: str | None = None, values: tuple[str, ...] = ()
    ) -> Outcome:
        """Run a program as a script, or by tests, or for the values of expressions."""

    @abstractmethod
    def run_blocking(self, program: str, *, tests: str | None = None) -> Outcome:
        """Run a program as a script, or by tests, and wait for it."""

    async def run_all(
        self, programs: Sequence[str], *, tests: str | None = None, values: tuple[str, ...] = ()
    ) -> list[Outcome]:
        """Run programs side by side; equal ones run once."""
        different = list(dict.fromkeys(programs))
        runs = (self.run(each, tests=tests, values=values) for each in different)
        outcomes = dict(zip(different, await side_by_side(runs), strict=True))
        return [outcomes[program] for program in programs]


class Limits(Sandbox):
    """Processes of their own on this machine, under limits: `limits(seconds = 5)`.

    `seconds` is for each program with all its tests, in wall-clock time and in processor time.
    `memory`, `files` and `output` are in megabytes, for all its processes together. `allow` names
    what may be missing where the system cannot hold it (E724): `network`, `folder`, `processes`,
    `memory`, `signals`, `orphans`.
    """

    name: ClassVar[str] = "limits"

    seconds: float = Field(default=10.0, gt=0, le=3600)
    memory: float = Field(default=512.0, ge=64)
    processes: int = Field(default=16, ge=1)
    files: float = Field(default=16.0, gt=0)
    output: float = Field(default=1.0, gt=0)
    allow: tuple[Wall, ...] = ()

    async def run(
        self, program: str, *, tests: str | None = None, values: tuple[str, ...] = ()
    ) -> Outcome:
        """Run a program; other runs wait where all processors are busy."""
        from composer.sandbox.process import WallError, run

        try:
            return await run(self._job(program, tests, values))
        except WallError as error:
            raise self._refusal(error) from None

    def run_blocking(self, program: str, *, tests: str | None = None) -> Outcome:
        """Run a program, and wait for it."""
        from composer.sandbox.process import WallError, run_blocking

        try:
            return run_blocking(self._job(program, tests))
        except WallError as error:
            raise self._refusal(error) from None

    def _refusal(self, error: WallError) -> PartError:
        names = ", ".join(f'"{name}"' for name in (*self.allow, *error.missing))
        return PartError(
            "E724",
            f"the sandbox cannot run programs here as the recipe wants it: {error}",
            "run it on Linux with user namespaces, or give that up: "
            f"`sandbox = limits(allow = [{names}])`",
        )

    def _job(self, program: str, tests: str | None, values: tuple[str, ...] = ()) -> Job:
        from composer.sandbox.process import Bounds, Job

        memory, files, output = (
            int(each * _MEGABYTE) for each in (self.memory, self.files, self.output)
        )
        bounds = Bounds(self.seconds, self.seconds, memory, self.processes, files, output)
        return Job(program, tests, values, bounds=bounds, allow=frozenset(self.allow))


def program_of(template: Template, text: Text) -> str:
    """Return the program that a template makes of an answer."""
    return template.render(replace(text, text=program_in(text), extracted=False))


def program_in(text: Text) -> str:
    """Return the program in an answer: what was read out of it, else a block of code, else all.

    Of several blocks the first counts that defines a function or a class, else the first that is
    Python.
    """
    if text.extracted:
        return text.value or ""
    blocks = [code for name, code in fenced_blocks(text.text) if language_of(name) in _PYTHON]
    trees = [(code, tree_of(code)) for code in blocks]
    valid = [code for code, tree in trees if tree is not None]
    defining = [code for code, tree in trees if tree is not None and _defines(tree)]
    return next(iter((*defining, *valid, *blocks)), text.text.strip("\n"))


def tree_of(code: str) -> ast.Module | None:
    """Return the syntax tree of a program, None for what is not Python."""
    try:
        return ast.parse(code)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None


def _defines(tree: ast.Module) -> bool:
    kinds = ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef
    return any(isinstance(node, kinds) for node in tree.body)
