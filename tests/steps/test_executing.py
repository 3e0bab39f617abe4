"""Answers are read and compared by what their programs do."""

import asyncio

import pytest
from walled import limits

from composer.methods import Number, PartError
from composer.methods.code.executing import Output, Outputs
from composer.methods.code.programs import Limits, program_in
from composer.sandbox.process import WallError
from composer.values import Query, Text

TASK = Query.of("Write a function: double(2) == 4")


@pytest.mark.parametrize(
    ("answer", "program"),
    [
        ("x = 1\n", "x = 1"),
        ("    return 1", "    return 1"),
        ("So:\n```python\nx = 1\n```\nUse:\n```\nprint(x)\n```", "x = 1\n"),
        ("```\n>>> f(1)\n2\n```\n```py\ndef f(x):\n    return 2\n```", "def f(x):\n    return 2\n"),
        ("```sh\nrm x\n```\n```Python\nf()\n```", "f()\n"),
    ],
)
def test_the_program_of_an_answer(answer, program):
    assert program_in(Text(TASK, answer)).rstrip("\n") == program.rstrip("\n")
    assert program_in(Text(TASK, answer, value="y", extracted=True)) == "y"


def test_what_a_program_prints_is_the_answer(ask):
    reader = Output(reader=Number(), sandbox=limits(seconds=1))
    written = ("```python\nprint('The sum is', 6 * 7)\n```", "print(1 / 0)", "while True: pass")
    texts = [Text(TASK, each, name) for each, name in zip(written, "ABC", strict=True)]
    assert asyncio.run(reader.read_all([*texts, texts[0]], ask)) == ["42", None, None, "42"]
    errors = {"B": "ZeroDivisionError: division by zero", "C": "stopped by the limit of time"}
    assert ask.notes == {"errors": errors}
    assert reader.read(written[0]) == "42"
    doubled = {"text": "print('twice:')\n{{ answer }}\nprint(84)"}
    reader = Output.model_validate({"reader": Number(), "program": doubled, "sandbox": limits()})
    assert reader.read(written[0]) == "84"


def test_programs_agree_by_their_results(ask):
    by = Outputs(sandbox=limits(), generated=6)
    programs = (
        "def double(x): return x + 2",
        "def double(x): return x * 2",
        "def double(n):\n    return float(n + n)",
        "def triple(x): return x * 2",
        None,
    )
    comparison = asyncio.run(by.compare(programs, TASK, ask))
    assert comparison.groups == ((0,), (1, 2))
    assert comparison.voters == (0, 1, 2)
    assert ask.notes["inputs"] > 3


def test_inputs_may_be_given(ask):
    by = Outputs.model_validate({"inputs": {"text": "f({1, 2})\nf([])\n"}, "sandbox": limits()})
    programs = ("def f(x): return {3, 'a', 'b'}", "def f(x): return {'b', 'a', 3}")
    assert asyncio.run(by.compare(programs, TASK, ask)).groups == ((0, 1),)
    with pytest.raises(PartError, match="shows no calls as examples"):
        asyncio.run(Outputs().compare(programs, Query.of("Sort it."), ask))


def test_what_cannot_be_held_is_refused_in_words(monkeypatch):
    from composer.sandbox import process

    def refuse(job):
        raise WallError({"network": "there are no namespaces here"})

    monkeypatch.setattr(process, "run_blocking", refuse)
    with pytest.raises(PartError) as caught:
        Output().read("print(1)")
    assert caught.value.code == "E724"
    assert "network: there are no namespaces here" in caught.value.message
    assert caught.value.help.endswith('`sandbox = limits(allow = ["network"])`')
    assert Limits(allow=("network",)).allow == ("network",)
