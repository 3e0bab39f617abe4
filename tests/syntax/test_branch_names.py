"""A branch may have the name of a model: `gpt-4o`, `llama-3.1-8b`."""

import pytest

from composer.diagnostics import Mistakes, Source
from composer.syntax import parse
from composer.syntax.formatting import formatted, same


def read(text, name="r.ens"):
    return parse(Source(name, text))


@pytest.mark.parametrize("name", ["gpt-4o", "llama-3.1-8b", "model-x", "true-b", "a-b-c", "a.b"])
def test_a_branch_has_the_name_of_a_model_in_both_notations(name):
    file = read(f"[{name}: A, B] -> vote()\n")
    bank = file.statements[0].value.stages[0]
    assert [branch.name for branch in bank.branches] == [name, None]
    assert formatted(file) == f"[{name}: A, B] -> vote()\n"
    assert same(file, read(formatted(file, "yaml"), "r.yaml"))


def test_a_difference_stays_a_difference():
    file = read("let x = a-b\n[A: f(x = c-d), B] -> vote()\n")
    assert formatted(file).startswith("let x = a - b\n")
    assert "x = c - d" in formatted(file)


@pytest.mark.parametrize("text", ["model a-b = fake()\n", "param a-b: int = 1\n", "let a-b = 1\n"])
def test_no_other_name_has_a_hyphen(text):
    with pytest.raises(Mistakes):
        read(text)
