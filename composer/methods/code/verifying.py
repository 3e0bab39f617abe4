"""How candidates are verified: by tests, by the examples of a task, by a pattern, by a schema."""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from pydantic import field_validator

from composer.diagnostics.amounts import counted
from composer.methods.code.examples import examples_in
from composer.methods.code.programs import ANSWER, Limits, Sandbox, program_of
from composer.methods.json_schema import json_in, readable_schema, schema_text, violation
from composer.methods.mistakes import PartError
from composer.methods.patterns import matches_of, readable_pattern
from composer.methods.template import Template
from composer.values import FilePath, Text, Typed

if TYPE_CHECKING:
    from collections.abc import Sequence

    from composer.sandbox.process import Outcome
    from composer.values import Asker


@dataclass(frozen=True, slots=True)
class Trial:
    """What came of verifying an answer: a score from 0 to 1, and why it does not pass."""

    score: float
    why: str = ""
    limit: str | None = None

    @property
    def passed(self) -> bool:
        """Whether the answer passes in all."""
        return not self.why


class Verifier(Typed):
    """How an answer is verified."""

    @abstractmethod
    async def verify(self, texts: Sequence[Text], ask: Asker) -> list[Trial]:
        """Verify some answers to one question, in their order."""


class Assertions(Verifier):
    """Tests that the answer's program must pass: `tests("{{ fields.test }}")`.

    The tests are Python. Each `assert` is a test, and so is each statement that fails; functions
    named `test_...` are called. What the tests name is looked up in the program, which runs in
    another process and can neither read the tests nor answer them. `program` says how the program
    is made of the answer, such as `"{{ fields.prompt }}{{ answer }}"`.
    """

    name: ClassVar[str] = "tests"
    paper: ClassVar[str] = "arXiv:2107.03374"

    tests: Template
    program: Template = ANSWER
    sandbox: Sandbox = Limits()

    async def verify(self, texts: Sequence[Text], ask: Asker) -> list[Trial]:
        """Return the share of tests passed; equal programs run once."""
        del ask
        script = self.tests.render(texts[0])
        programs = [program_of(self.program, text) for text in texts]
        return await trials(self.sandbox, programs, script)


class Examples(Verifier):
    """The examples that the question shows, such as those of a docstring: `examples()`.

    They are what stands after `>>>`, or else calls with their values, such as `f(2) == 4` or
    `f(2) -> 4`. `of` is the text that holds them. Where none gives a result, every program passes
    that can be loaded and runs them, and the trace says so.
    """

    name: ClassVar[str] = "examples"
    paper: ClassVar[str] = "arXiv:2203.07814"

    of: Template = Template(text="{{ query }}")
    program: Template = ANSWER
    sandbox: Sandbox = Limits()

    async def verify(self, texts: Sequence[Text], ask: Asker) -> list[Trial]:
        """Return the share of examples that come out as the question says."""
        tests = [each.test for each in examples_in(self.of.render(texts[0]))]
        if not any(test.startswith("assert ") for test in tests):
            ask.note(examples=0)
            tests.append("assert 1 == 1")
        programs = [program_of(self.program, text) for text in texts]
        return await trials(self.sandbox, programs, "\n".join(tests))


class Matching(Verifier):
    """A regular expression that the answer must match: `pattern("^[0-9]+$")`.

    It is looked for in what was read out of the answer, else in all of it.
    """

    name: ClassVar[str] = "pattern"

    regex: str

    @field_validator("regex")
    @classmethod
    def _compiles(cls, regex: str) -> str:
        return readable_pattern(regex)

    async def verify(self, texts: Sequence[Text], ask: Asker) -> list[Trial]:
        """Return 1 for answers that match, else 0."""
        del ask
        why = f"it does not match `{self.regex}`"
        matches = [bool(matches_of(self.regex, text.answer or "")) for text in texts]
        return [Trial(1.0) if each else Trial(0.0, why) for each in matches]


class Following(Verifier):
    """A JSON Schema that the answer must follow: `schema("answer.schema.json")`.

    The JSON is the whole answer, else the last block of code, else the first object or list in the
    text. Needs the extra `schema`.
    """

    name: ClassVar[str] = "schema"

    file: FilePath

    @field_validator("file")
    @classmethod
    def _is_schema(cls, file: str) -> str:
        return readable_schema(file)

    async def verify(self, texts: Sequence[Text], ask: Asker) -> list[Trial]:
        """Return 1 for JSON that follows the schema, else 0."""
        del ask
        return [self._trial(text) for text in texts]

    def _trial(self, text: Text) -> Trial:
        value = next(json_in(text.answer or ""), None)
        if value is None:
            return Trial(0.0, "it holds no JSON")
        problem = violation(schema_text(self.file), value[0], self.file)
        return Trial(float(not problem), problem)


async def trials(sandbox: Sandbox, programs: Sequence[str], script: str) -> list[Trial]:
    """Run tests against programs, side by side; equal programs run once."""
    return [trial_of(outcome) for outcome in await sandbox.run_all(programs, tests=script)]


def trial_of(outcome: Outcome) -> Trial:
    """Return what came of a run of tests."""
    if not outcome.records:
        raise PartError(
            "E402",
            "there is no test in the tests",
            'write assertions, such as `tests("assert f(2) == 4")`, or use `examples()`',
        )
    failed = [record for record in outcome.records if not record.passed]
    if not failed:
        return Trial(1.0)
    first, count = failed[0], len(outcome.records)
    why = f"`{first.test}`{f': {first.why}' if first.why else ''}"
    passed = counted(count - len(failed), "test")
    return Trial(outcome.score, f"{passed} of {count} passed; not {why}", outcome.limit)
