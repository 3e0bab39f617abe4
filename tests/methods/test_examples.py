"""Examples that tasks show, and inputs that are like them."""

import ast

import pytest

from composer.methods.code.examples import calls_in, examples_in, inputs_like

DOCSTRING = '''
def f(xs, n):
    """ Count them.
    >>> f([1, 2], 3)
    2
    >>> x = f([], 0)
    >>> f("a", n=1)
    'b' """
'''


def test_what_stands_after_a_prompt():
    examples = examples_in(DOCSTRING)
    assert [each.test for each in examples] == [
        "assert (f([1, 2], 3)) == (2)",
        "x = f([], 0)",
        """assert (f("a", n=1)) == ('b')""",
    ]


@pytest.mark.parametrize(
    ("line", "test"),
    [
        ("f(2) == 4", "assert (f(2)) == (4)"),
        ("For example f([1, (2)], ')') ➞ [1, 2].", "assert (f([1, (2)], ')')) == ([1, 2])"),
        ("    f('x') -> None; the rest", "assert (f('x')) == (None)"),
        ("f(3) returns 'abc' as f(2) => 1", "assert (f(3)) == ('abc')"),
        ("f(1) should be -0.5", "assert (f(1)) == (-0.5)"),
        ("f(1, 4) => true", "assert (f(1, 4)) == (True)"),
        ('f(15)   # returns "db1111db"', 'assert (f(15)) == ("db1111db")'),
        ("f(148) should return 16.", "assert (f(148)) == (16)"),
        (">>> f([]) == 0", "assert f([]) == 0"),
    ],
)
def test_calls_with_their_results(line, test):
    assert examples_in(line)[0].test == test


@pytest.mark.parametrize(
    "line", ["", "def f(x) -> int:", "call f(x) to get y", "f( == 3", "f(2)", "f(a) == 3"]
)
def test_what_is_no_example(line):
    assert examples_in(line) == []


def test_what_is_no_literal_is_compared_as_it_is_written():
    assert examples_in(">>> f(1)\nPoint(1)")[0].test == "assert repr(f(1)) == 'Point(1)'"


def test_inputs_change_the_arguments_and_are_the_same_each_time():
    calls = calls_in(examples_in("f([1, 2], 'ab', 0.5, True, {'k': 1}) == 1\nf(x) == 2"))
    inputs = inputs_like(calls, 30, "a task")
    assert inputs == inputs_like(calls, 30, "a task") != inputs_like(calls, 30, "another")
    assert len(inputs) == len(set(inputs)) == 31
    kinds = [
        [type(ast.literal_eval(a)) for a in ast.parse(i, mode="eval").body.args] for i in inputs
    ]
    assert all(each == [list, str, float, bool, dict] for each in kinds)
    assert inputs_like([], 5, "a task") == ()
