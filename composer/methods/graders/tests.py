"""A grader of programs: whether an answer's program passes the tests of its row."""

from typing import ClassVar

from composer.methods.code.programs import ANSWER, Limits, Sandbox, program_of
from composer.methods.code.verifying import trial_of
from composer.methods.graders.base import Grade, Grader, Submission
from composer.methods.template import Template
from composer.values import Query, Text

__all__ = ["Passing"]


class Passing(Grader):
    """The answer's program passes all tests: `tests("{{ fields.test }}")`.

    The tests and `program` are as in `verify(tests(...))`. A program that does not pass all of them
    is wrong, and the reason says which test it fails.
    """

    name: ClassVar[str] = "tests"
    paper: ClassVar[str] = "arXiv:2107.03374"

    tests: Template
    program: Template = ANSWER
    sandbox: Sandbox = Limits()

    @property
    def compares(self) -> bool:
        """Tests need no reference."""
        return False

    def measure(self, submission: Submission) -> Grade:
        """Return 1 where all tests pass, else 0."""
        text = Text(Query.of(submission.query, **submission.fields), submission.answer)
        script = self.tests.render(text)
        trial = trial_of(self.sandbox.run_blocking(program_of(self.program, text), tests=script))
        return Grade(float(trial.passed), reason=trial.why)
