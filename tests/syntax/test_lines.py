import pytest

from composer.diagnostics import Mistakes, Source
from composer.syntax import parse, unparse


def answers(text):
    return [unparse(statement.value) for statement in parse(Source("r.ens", text)).statements]


@pytest.mark.parametrize(
    "text",
    [
        "a -> b",
        "a\n-> b",
        "a\n\n   -> b",
        "a # one\n  # two\n  -> b",
        "a ->\n b",
        "a -> # one\n\n # two\n b",
        "(a\n->\nb)",
        "(\na -> b\n)",
        "a\r\n-> b",
        "\ta\t->\tb",
    ],
)
def test_a_chain_goes_on_over_lines(text):
    assert answers(text) == ["a -> b"]


@pytest.mark.parametrize("sign", ["|", "or", "and", "==", "<", "+", "-", "*", "/"])
def test_a_line_goes_on_after_an_operator(sign):
    assert answers(f"a {sign}\n  b") == [f"a {sign} b"]


def test_a_line_goes_on_after_not_and_before_a_fallback():
    assert answers("not\na") == ["not a"]
    assert answers("a\n| b") == ["a | b"]


def test_a_line_goes_on_after_an_equal_sign_and_a_comma():
    assert answers("let x =\n  3\nlet y = f(a,\nb)") == ["3", "f(a, b)"]


def test_a_line_that_begins_with_a_minus_is_a_new_statement():
    assert answers("a\n- b") == ["a", "-b"]


def test_line_breaks_inside_brackets_mean_nothing():
    assert answers("f(\n\na\n,\nkey\n=\n3\n)\n[\nx\n:\ny\n]") == ["f(a, key = 3)", "[x: y]"]


def test_a_line_break_does_not_replace_a_comma():
    with pytest.raises(Mistakes, match="a comma is missing"):
        answers("f(\n  a\n  b\n)")


def test_a_reserved_word_at_the_head_of_a_line_ends_the_statement():
    with pytest.raises(Mistakes) as caught:
        answers("let a = f(x,\nlet b = g(y\nlet c = 3")
    assert [mistake.code for mistake in caught.value.diagnostics] == ["E104", "E104"]


def test_a_reserved_word_as_an_option_is_told_from_a_statement():
    with pytest.raises(Mistakes) as caught:
        answers("f(\n  default = 3,\n)\ng")
    assert [mistake.code for mistake in caught.value.diagnostics] == ["E114"]


def test_a_word_that_only_begins_like_a_reserved_one_is_free():
    assert answers("f(\nmodels,\nletter\n)") == ["f(models, letter)"]


def test_a_second_statement_on_a_line_is_still_read():
    with pytest.raises(Mistakes) as caught:
        answers("let a = 3 let b 4")
    assert [mistake.code for mistake in caught.value.diagnostics] == ["E111", "E115"]
