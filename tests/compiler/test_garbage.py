"""Whatever is written, compiling ends with a recipe or with mistakes in words, and nothing else."""

from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from composer.compiler.graph import compile_recipe
from composer.compiler.plan import make_plan
from composer.compiler.rules import illegal, optimize
from composer.diagnostics import CODES, Mistakes, Source, draw
from composer.methods import TEMPLATES, parts
from composer.steps import STEPS

MODELS = """
model A = fake(says = "a", confidence = 0.9)
model B = fake()
model P = hf("here")
model Q = hf("there")
"""
STATEMENTS = ["use", "model", "param", "let", "def", "default", "example"]
SIGNS = ["->", "|", "[", "]", "(", ")", ",", ":", "=", "==", "<", ">=", "+", "-", "*", "/", "\n"]
WORDS = ["and", "or", "not", "true", "false", "none", "as", "int", "list", "str"]
VALUES = [
    "0",
    "1",
    "2.5",
    "-1",
    '"x"',
    '"here"',
    '"""{{ query }}"""',
    '"""{{"""',
    "1e999",
    "9" * 400,
]
NAMES = ["A", "B", "P", "Q", "x", "y", "f", "env"]
OPTIONS = sorted({option for step in STEPS.values() for option in step.options.model_fields})
PARTS = sorted({name for named in parts().values() for name in named})

tokens = st.one_of(
    st.sampled_from(SIGNS),
    st.sampled_from(NAMES),
    st.sampled_from([*STEPS, *PARTS, *TEMPLATES]),
    st.sampled_from(OPTIONS),
    st.sampled_from(VALUES),
    st.sampled_from(WORDS + STATEMENTS),
)


@pytest.fixture(autouse=True, scope="module")
def light():
    """Let local models be what they might be, without their files."""
    from composer.backends import Capability
    from composer.backends.hf import HF
    from composer.values.card import Card

    before = HF.card
    HF.card = lambda self: Card(~Capability(0), "test", vocabulary=self.path[:1], bytes=2**20)
    yield
    HF.card = before


def compiled(text, overrides=None):
    """Compile and plan a recipe, or look at its mistakes."""
    source = Source("r.ens", MODELS + text)
    try:
        recipe = compile_recipe(Path("nowhere/r.ens"), source, overrides, Path("nowhere"))
    except Mistakes as mistakes:
        check_words(mistakes.diagnostics)
        return
    check_words(recipe.warnings)
    if recipe.answer is not None:
        for plain in (True, False):
            optimized = optimize(recipe.graph, recipe.answer, plain=plain)
            assert not any(illegal(root) for _, root, _ in optimized.after)
            make_plan(recipe, optimized, ())


def check_words(diagnostics):
    """Every mistake can be drawn and explained."""
    assert all(draw(each) for each in diagnostics)
    assert {each.code for each in diagnostics} <= set(CODES)


@given(st.lists(tokens, max_size=25))
def test_random_tokens(words):
    compiled(" ".join(words))


def calls(names, inner):
    """Build calls of names with arguments that are sometimes named."""
    named = st.tuples(st.sampled_from(OPTIONS), inner).map(" = ".join)
    arguments = st.lists(st.one_of(inner, named), max_size=3).map(", ".join)
    return st.tuples(st.sampled_from(names), arguments).map(lambda call: f"{call[0]}({call[1]})")


def larger(inner):
    """Build expressions out of smaller ones."""
    several = st.lists(inner, min_size=1, max_size=3)
    return st.one_of(
        several.map(" -> ".join).map("({})".format),
        several.map(" | ".join).map("({})".format),
        several.map(", ".join).map("[{}]".format),
        calls([*STEPS, "A", "f", "x"], inner),
        calls(PARTS, inner),
        st.tuples(inner, st.sampled_from([" + ", " * ", " - ", " / ", " < ", " and "]), inner).map(
            "".join
        ),
    )


leaves = st.sampled_from([*NAMES, *STEPS, *PARTS, *VALUES, "true", "none", "aggregate"])
expressions = st.recursive(leaves, larger, max_leaves=10)
sensible = st.sampled_from(
    [
        "A",
        "[A, B]",
        "sample(B, 3)",
        "token_fuse(P, P)",
        "span_fuse(P, Q)",
        "token_fuse(P + 0.5 * P)",
        "vote()",
        "rank()",
        "top(1)",
        "best()",
        "route",
        "route(by = uniform())",
        "route(policy = several())",
        "cascade(B)",
        "prompt(aggregate)",
        "regenerate(A)",
        "select(A)",
        "extract()",
        "f(A)",
        "f",
        "x",
        "(A | B)",
        "P",
    ]
)
chains = st.lists(sensible, min_size=1, max_size=6).map(" -> ".join)


@given(expressions, expressions)
@example("A", "1e999")
@example("f(f(A))", "x")
@example("[] -> vote()", "x")
def test_random_expressions(answer, body):
    compiled(f"let x = {body}\ndef f(y) = {body}\n{answer}")


@given(chains, chains)
def test_random_chains_of_steps(answer, body):
    compiled(f"let x = {body}\ndef f(y) = y -> {body}\n{answer}")


@given(expressions)
def test_random_declarations_and_params(value):
    statements = f"model X = fake({value})\nparam p: float = {value}\ndefault vote(by = {value})"
    compiled(f"{statements}\n[X, A] -> vote() -> cascade(B, accept = {value})")


@given(
    st.text(max_size=20) | expressions,
    st.sampled_from(["p", "model.A.says", "a.b", "default.vote.by"]),
)
def test_random_settings(value, path):
    compiled("param p: float = 1\nA -> cascade(B, accept = length > p)", {path: value})
