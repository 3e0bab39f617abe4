import importlib.util
from pathlib import Path
from textwrap import dedent

import pytest
from hypothesis import given

from composer.syntax import Argument, Branch, Name, Number, String, parse_expression, unparse

_spec = importlib.util.spec_from_file_location("trees", Path(__file__).with_name("trees.py"))
trees = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(trees)


def renders_the_same(node):
    """Whether a template can be written only with a comment of Jinja, which gives no text."""
    return not (node.startswith("\n") and dedent(node) != node)


def writable(node):
    text = repr(node)
    return "template=True" not in text or all(
        renders_the_same(found.value) for found in _templates(node)
    )


def _templates(node):
    stack = [node]
    while stack:
        current = stack.pop()
        if isinstance(current, String) and current.template:
            yield current
        for name in getattr(current, "__slots__", ()):
            value = getattr(current, name)
            stack += value if isinstance(value, tuple) else [value]


@given(trees.expressions.filter(writable))
def test_what_is_written_is_read_back_the_same(tree):
    assert parse_expression(unparse(tree)) == tree


@given(trees.expressions.filter(writable))
def test_canonical_text_is_written_again_as_it_is(tree):
    text = unparse(tree)
    assert unparse(parse_expression(text)) == text


@given(trees.expressions.filter(writable))
def test_an_expression_can_be_broken_over_lines_inside_brackets(tree):
    text = unparse(tree)
    if '"' not in text:
        broken = "(\n" + text.replace(" ", '\n\t # -> ( "\n') + "\n)"
        assert parse_expression(broken) == tree


@pytest.mark.parametrize(
    "text",
    [
        "route -> [span_fuse(A, B, C)] -> cascade(D)",
        "[A, big: B | C] -> prompt(aggregate) -> D",
        "token_fuse(base + 0.8 * (expert - novice), normalize = true)",
        "cascade(D, accept = not (a or b) and c - (d - e) >= -3)",
        "(a -> b) | (c -> d)",
        "(a < b) == (c < d)",
        "-(a + b) * -c",
        "not (a -> b)",
        'f("a\\nb\\u200b", none, [], g())',
    ],
)
def test_canonical_text_stays(text):
    assert unparse(parse_expression(text)) == text


@pytest.mark.parametrize(
    ("text", "canonical"),
    [
        ("((a))->(b)", "a -> b"),
        ("f( x ,key=( y ), )", "f(x, key = y)"),
        ("[ a:b , ]", "[a: b]"),
        ("(a * b) + c", "a * b + c"),
        ("not (not (a))", "not not a"),
        ("1_000 + .5", "1000 + 0.5"),
        ('"\\/"', '"/"'),
        ('"""\n  a\n  """', '"""a\n"""'),
    ],
)
def test_brackets_and_spaces_that_are_not_needed_go(text, canonical):
    assert unparse(parse_expression(text)) == canonical


def test_branches_and_arguments_can_be_written_alone():
    assert unparse(Branch("a", Name("b", None), None)) == "a: b"
    assert unparse(Argument("a", Number(3, None), None, None)) == "a = 3"


@pytest.mark.parametrize("text", ["\n  a\n  b", "ends with \\"])
def test_a_template_that_cannot_be_written_gets_a_comment_that_renders_as_nothing(text):
    from jinja2 import Environment

    read = parse_expression(unparse(String(text, template=True, place=None)))
    render = Environment(autoescape=False, keep_trailing_newline=True).from_string
    assert render(read.value).render() == text


def test_writing_does_not_recurse():
    tree = Name("a", None)
    for _ in range(5000):
        tree = Argument(None, tree, None, None).value
        tree = type(parse_expression("-a"))("-", tree, None)
    assert unparse(tree) == "-" * 5000 + "a"
