"""Reading and comparing answers by what their programs do when they are run."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from pydantic import Field

from composer.methods.agreements.base import Agreement, Answers, Comparison
from composer.methods.code.examples import calls_in, examples_in, inputs_like
from composer.methods.code.programs import ANSWER, Limits, Sandbox, program_of
from composer.methods.mistakes import PartError
from composer.methods.readers.basic import Reader, Whole
from composer.methods.template import Template
from composer.values import Asker, Query, Text

if TYPE_CHECKING:
    from collections.abc import Sequence

    from composer.sandbox.process import Outcome


class Output(Reader):
    """What the answer's program prints: `extract(by = output())`, as in program of thought.

    `read` says what of the printed text is the answer, such as `number()`. A program that fails or
    meets a limit abstains; the trace says why.
    """

    name: ClassVar[str] = "output"
    paper: ClassVar[str] = "arXiv:2211.12588"

    reader: Reader = Whole()
    program: Template = ANSWER
    sandbox: Sandbox = Limits()

    def read(self, text: str) -> str | None:
        """Run the program of a text, and wait for it."""
        program = program_of(self.program, Text(Query.of(""), text))
        return self._printed(self.sandbox.run_blocking(program))

    async def read_all(self, texts: Sequence[Text], ask: Asker) -> list[str | None]:
        """Run all programs, side by side."""
        outcomes = await self.sandbox.run_all([program_of(self.program, text) for text in texts])
        pairs = zip(texts, outcomes, strict=True)
        errors = {text.source: outcome.error for text, outcome in pairs if outcome.error}
        if errors:
            ask.note(errors=errors)
        return [self._printed(outcome) for outcome in outcomes]

    def _printed(self, outcome: Outcome) -> str | None:
        return None if outcome.error else self.reader.read(outcome.output)


class Outputs(Agreement):
    """Programs agree when they give the same results for the same inputs: `outputs()`.

    `inputs` has one call a line, such as `double({{ fields.n }})`. Without it they are the calls
    that the question shows as examples, and `generated` more that change the arguments of those,
    the same for all candidates. A program that gives no result for any input abstains.
    """

    name: ClassVar[str] = "outputs"
    paper: ClassVar[str] = "arXiv:2203.07814"

    inputs: Template | None = None
    generated: int = Field(default=16, ge=0)
    of: Template = Template(text="{{ query }}")
    program: Template = ANSWER
    sandbox: Sandbox = Limits()

    def same(self, left: str, right: str) -> float:
        """Return 1 for the same results, else 0."""
        return float(left == right)

    def key(self, text: str) -> str:
        """Return the results themselves."""
        return text

    async def compare(self, answers: Answers, query: Query, ask: Asker) -> Comparison:
        """Run the program of each answer on all inputs, and compare what they give."""
        inputs = self._inputs(Text(query, ""))
        if not inputs:
            raise PartError(
                "E402",
                "`outputs` has no inputs: the question shows no calls as examples",
                'give them, one call a line: `outputs(inputs = "double(3)")`',
            )
        texts = [Text(query, each) for each in answers if each is not None]
        programs = [program_of(self.program, text) for text in texts]
        outcomes = iter(await self.sandbox.run_all(programs, values=inputs))
        ask.note(inputs=len(inputs))
        results = [None if each is None else _results(next(outcomes)) for each in answers]
        return Comparison(self, results)

    def _inputs(self, text: Text) -> tuple[str, ...]:
        if self.inputs is not None:
            lines = self.inputs.render(text).splitlines()
            return tuple(line.strip() for line in lines if line.strip())
        task = self.of.render(text)
        return inputs_like(calls_in(examples_in(task)), self.generated, task)


def _results(outcome: Outcome) -> str | None:
    """Return what a program gives for all inputs, None where it is nothing at all."""
    results = [
        record.why.partition(":")[0] if record.value is None else record.value
        for record in outcome.records
    ]
    fails = all(record.value is None for record in outcome.records)
    return None if fails else "\n".join(results)
